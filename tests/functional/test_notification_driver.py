# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The notification driver in a process that starts as Nova's do."""

import pathlib
import re
import subprocess
import sys

import fixtures
import testtools

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
