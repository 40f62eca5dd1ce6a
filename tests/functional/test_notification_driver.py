# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The notification driver in a process that starts as Nova's do."""

import json
import pathlib
import re
import subprocess
import sys

import fixtures
import testtools

from nova_dirsvc_plugin import outbox
from tests import recordings
from tests.functional import rabbitmq

ROOT = pathlib.Path(__file__).parents[2]

#: As ``nova.config.parse_args`` and a service's ``main`` do: the notifiers
#: are made, then logging is set up, then workers are forked.
NOVA = """
import os
import sys

import oslo_messaging
from oslo_config import cfg
from oslo_log import log

conf = cfg.ConfigOpts()
log.register_options(conf)
conf(sys.argv[1:], project="nova")
notifier = oslo_messaging.Notifier(
    oslo_messaging.get_notification_transport(conf),
    publisher_id="nova-conductor:host1",
    topics=["versioned_notifications"],
)
log.setup(conf, "nova")
for fork in (False, True):
    worker = os.fork() if fork else 0
    if worker:
        os.waitpid(worker, 0)
    else:
        for _ in range(2):
            notifier.info({}, "service.update", {})
"""

#: Makes the notifiers of ``nova.rpc.init`` for the format "both", and sends
#: by each of them what is on standard input.
BOTH_FORMATS = """
import json
import sys

import oslo_messaging
from oslo_config import cfg

conf = cfg.ConfigOpts()
conf.register_opts(
    [
        cfg.ListOpt(
            "versioned_notifications_topics",
            default=["versioned_notifications"],
        ),
        cfg.StrOpt("notification_format"),
    ],
    group="notifications",
)
conf(sys.argv[1:], project="nova")
assert conf.notifications.notification_format == "both"
oslo_messaging.set_transport_defaults("nova")
transport = oslo_messaging.get_notification_transport(conf)
notifiers = (
    oslo_messaging.Notifier(transport, "nova-compute:host1"),
    oslo_messaging.Notifier(
        transport,
        "nova-compute:host1",
        topics=conf.notifications.versioned_notifications_topics,
    ),
)
for notifier, message in zip(notifiers, json.load(sys.stdin)):
    notifier.info({}, message["event_type"], message["payload"])
"""


class NotifierTest(testtools.TestCase):
    def test_each_process_says_in_its_log_that_the_driver_is_loaded(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        path, log = folder / "outbox.db", folder / "nova-conductor.log"
        file = folder / "nova.conf"
        file.write_text(
            f"[DEFAULT]\nlog_file = {log}\ntransport_url = fake:/\n"
            "[oslo_messaging_notifications]\ndriver = nova_dirsvc\n"
            f"[nova_dirsvc]\noutbox = {path}\n"
        )
        subprocess.run(
            [sys.executable, "-c", NOVA, "--config-file", str(file)],
            check=True,
            timeout=60,
        )
        said = re.findall(
            r" (\d+) INFO .*Notification driver nova_dirsvc loaded for topic"
            rf" versioned_notifications, outbox {re.escape(str(path))}\n",
            log.read_text(),
        )
        self.assertEqual((2, 2), (len(said), len(set(said))), said)

    def test_with_the_configuration_of_the_readme_no_queue_lacks_a_reader(
        self,
    ):
        broker = rabbitmq.RabbitMq()
        self.addCleanup(broker.remove)
        broker.start()
        queues = self.queues_after_a_boot(
            broker, configuration_of("README.md")
        )
        self.assertEqual({"notifications.info"}, queues)
        self.assertEqual(1, outbox.Outbox(self.path).pending("ldap"))

    def queues_after_a_boot(self, broker, configuration):
        """Tell of a boot, in both formats; give the queues that there are."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / "outbox.db"
        file = folder / "nova.conf"
        file.write_text(
            f"[DEFAULT]\ntransport_url = {broker.url}\n{configuration}\n"
            f"[nova_dirsvc]\noutbox = {self.path}\n"
        )
        _, message = recordings.create_end()
        unversioned = {"event_type": "compute.instance.update", "payload": {}}
        subprocess.run(
            [sys.executable, "-c", BOTH_FORMATS, "--config-file", str(file)],
            input=json.dumps([unversioned, message]),
            text=True,
            check=True,
            timeout=60,
        )
        return set(
            broker.control("list_queues", "--no-table-headers", "name").split()
        )


def configuration_of(document):
    """Return the nova.conf that a document shows."""
    text = (ROOT / document).read_text()
    return re.search(
        r"In `nova\.conf`:\n\n```ini\n(.*?)```", text, re.DOTALL
    ).group(1)
