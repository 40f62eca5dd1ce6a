# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The pocket cloud ends its own processes, and nobody else's."""

import os
import pathlib
import subprocess
import time
import types
from unittest import mock

import fixtures
import testtools

from pocket import processes
from pocket.home import Home
from tests import waiting

LAST_PID = pathlib.Path("/proc/sys/kernel/ns_last_pid")
#: It heeds no SIGTERM, as one that is told to end for long does not.
STUBBORN = ("sh", "-c", "trap '' TERM; while sleep 0.1; do :; done")


class StopTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        if not os.access(LAST_PID, os.W_OK):
            self.skipTest("only root can say which number comes next")
        home = Home(self.useFixture(fixtures.TempDir()).path)
        home.make()
        self.processes = processes.Processes(home)
        self.processes.start("one", ["sleep", "600"])
        self.pid = self.processes._pid("one")
        self.addCleanup(self.processes.stop, "one")

    def test_a_stranger_that_has_the_number_by_now_is_spared(self):
        stranger = None

        def sleep(seconds):
            """Let a stranger have the number as soon as it is free."""
            nonlocal stranger
            if stranger is None:
                stranger = self.stranger()
            time.sleep(seconds)

        clock = types.SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
        with mock.patch.object(processes, "time", clock):
            self.processes.stop("one")
        self.assertIsNone(stranger.poll())

    def stranger(self):
        """Start a process with the number of the one that ends."""
        taken = pathlib.Path(f"/proc/{self.pid}")
        waiting.until(lambda: not taken.exists(), "the process to be reaped")
        while True:
            LAST_PID.write_text(str(self.pid - 1))
            process = subprocess.Popen(STUBBORN)
            if process.pid == self.pid:
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                return process
            process.kill()
            process.wait()
