# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""How to run Debian's RabbitMQ as anybody, beside any other, on loopback."""

import dataclasses
import os
import pathlib

# The wrappers in sbin change the user; these do not.
PROGRAMS = pathlib.Path("/usr/lib/rabbitmq/bin")
SERVER = (str(PROGRAMS / "rabbitmq-server"),)
EPMD = ("epmd",)


@dataclasses.dataclass(frozen=True)
class Broker:
    """One broker, of one node, in a folder of its own.

    :param folder: all that it writes, its home and cookie among it
    :param configuration: its configuration file, without ``.conf``
    :param port: AMQP
    :param cluster_port: Erlang's distribution, which rabbitmqctl uses
    :param epmd_port: Erlang's port mapper, which must run before it
    """

    folder: pathlib.Path
    configuration: pathlib.Path
    port: int
    cluster_port: int
    epmd_port: int

    NODE = "pocket@localhost"

    def make(self):
        self.folder.mkdir(exist_ok=True)
        self._plugins.write_text("[].\n")

    @property
    def environment(self):
        """Return the environment of broker, port mapper and rabbitmqctl."""
        return {
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": self.NODE,
            "RABBITMQ_DIST_PORT": str(self.cluster_port),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(self.configuration),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._plugins),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            # The script then becomes the broker instead of guarding it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    @staticmethod
    def control(*words):
        """The command line of rabbitmqctl, for this environment."""
        return (str(PROGRAMS / "rabbitmqctl"), *words)

    @property
    def _plugins(self):
        return self.folder / "enabled_plugins"
