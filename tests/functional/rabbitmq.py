# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A real RabbitMQ for tests, and a Nova's side of it."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging.notify import messaging

from pocket import rabbitmq, stores
from tests import ports, processes, waiting

CONFIGURATION = """
listeners.tcp.local = 127.0.0.1:{port}
distribution.listener.interface = 127.0.0.1
log.console = true
log.file = false
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MiB
"""

#: A password that is in no log by chance.
USER, PASSWORD = "guest", "guest"


class RabbitMq:
    """One broker with a folder, a port mapper and ports of its own.

    :ivar url: for ``transport_url``
    :ivar host: as a log may name it
    """

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rabbitmq-"))
        port, cluster_port, epmd_port = (ports.free_port() for _ in range(3))
        configuration = self.folder / "test"
        configuration.with_suffix(".conf").write_text(
            CONFIGURATION.format(port=port)
        )
        self._broker = rabbitmq.Broker(
            self.folder / "own", configuration, port, cluster_port, epmd_port
        )
        self._broker.make()
        self.host = f"127.0.0.1:{port}"
        self.url = f"rabbit://{USER}:{PASSWORD}@{self.host}/"
        self._environment = os.environ | self._broker.environment
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if not stores.listens(self._broker.epmd_port):
            self._run(rabbitmq.EPMD)
            waiting.until(
                lambda: stores.listens(self._broker.epmd_port), "epmd"
            )
        server = self._run(rabbitmq.SERVER)

        def answers() -> bool:
            if server.poll() is not None:
                raise RuntimeError(f"RabbitMQ ended: {self.said()}")
            return stores.listens(self._broker.port)

        waiting.until(answers, "RabbitMQ to answer")

    def kill(self) -> None:
        """Kill -9, and wait until it is gone.

        A new quorum queue's name comes to the disk half a second after the
        queue: a broker that is killed before begins it afresh, empty. These
        tests are about queues that have been there for a while.
        """
        self.control("eval", "[dets:sync(Table) || Table <- dets:all()].")
        self.kill_at_once()

    def kill_at_once(self) -> None:
        """Kill -9 as it is, even what is half a second old."""
        processes.kill_group(self._processes.pop())

    def remove(self) -> None:
        while self._processes:
            self.kill_at_once()
        shutil.rmtree(self.folder, ignore_errors=True)

    def control(self, *words: str) -> str:
        """Run rabbitmqctl and give what it prints."""
        done = subprocess.run(
            self._broker.control("--quiet", *words),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=waiting.LIMIT,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {words}: {done.stderr}")
        return done.stdout

    def said(self) -> str:
        return (self.folder / "output").read_text()

    def _run(self, argv: Iterable[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "output").open("ab") as output:
            process = subprocess.Popen(
                list(argv),
                env=self._environment,
                cwd=self.folder,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._processes.append(process)
        return process


class Context:
    """A request's context, as oslo.messaging wants one."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def redacted_copy(self) -> dict[str, Any]:
        return self._values


def configuration(
    url: str,
    quorum: bool = True,
    exchange: str = "nova",
    **notifications: Any,
) -> cfg.ConfigOpts:
    """Return what a Nova reads of its nova.conf to reach the bus."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    oslo_messaging.get_notification_transport(conf, url=url).cleanup()
    conf.set_override("transport_url", url)
    conf.set_override("control_exchange", exchange)
    group = "oslo_messaging_rabbit"
    conf.set_override("rabbit_quorum_queue", quorum, group)
    for name, value in notifications.items():
        conf.set_override(name, value, "oslo_messaging_notifications")
    return conf


@contextlib.contextmanager
def publisher(
    url: str, *topics: str, quorum: bool = True, exchange: str = "nova"
) -> Iterator["Publisher"]:
    """Yield what publishes, as Nova's ``driver = messagingv2`` does."""
    transport = oslo_messaging.get_notification_transport(
        configuration(url, quorum, exchange)
    )
    try:
        yield Publisher(transport, topics)
    finally:
        transport.cleanup()


class Publisher:
    """Publishes messages as they are, their ``message_id`` with them."""

    def __init__(self, transport: Any, topics: Iterable[str]) -> None:
        self._driver = messaging.MessagingV2Driver(
            transport.conf, topics=list(topics), transport=transport
        )

    def publish(self, ctxt: dict[str, Any], message: dict[str, Any]) -> None:
        priority = str(message.get("priority") or "INFO").lower()
        self._driver.notify(ctxt, message, priority, -1)
