# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The pocket cloud ends its own processes, and nobody else's."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types
from unittest import mock

import testtools
from testtools.content import text_content

from pocket import processes
from pocket.home import CHECKOUT, Home
from tests import waiting

LAST_PID = pathlib.Path("/proc/sys/kernel/ns_last_pid")
#: It heeds no SIGTERM, as one that is told to end for long does not.
STUBBORN = ("sh", "-c", "trap '' TERM; while sleep 0.1; do :; done")


class StopTest(testtools.TestCase):
    def test_a_stranger_that_has_the_number_by_now_is_spared(self):
        if os.geteuid():
            self.skipTest("only root can say which number comes next")
        # Among the processes of the machine others could take the number.
        alone = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
        done = subprocess.run(
            [*alone, sys.executable, "-m", __name__],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=waiting.LIMIT,
        )
        self.addDetail("said", text_content(done.stdout + done.stderr))
        self.assertEqual((0, "spared\n"), (done.returncode, done.stdout))


def main():
    """Stop a process whose number is a stranger's as soon as it is free."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(folder)
        home.make()
        ours = processes.Processes(home)
        ours.start("one", ["sleep", "600"])
        number = ours._pid("one")
        # Start times are told apart from one tick of the clock to the next.
        born = processes._started(number)
        waiting.until(lambda: ticks() > born + 1, "the next tick")
        strangers = []

        def sleep(seconds):
            if not strangers:
                strangers.append(stranger(number))
            time.sleep(seconds)

        clock = types.SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
        with mock.patch.object(processes, "time", clock):
            ours.stop("one")
        [one] = strangers
        print("spared" if one.poll() is None else "ended")


def ticks():
    """Return the time as start times are given: proc(5), since boot."""
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return since_boot * os.sysconf("SC_CLK_TCK")


def stranger(number):
    """Start a process with the number of one that ends."""
    taken = pathlib.Path(f"/proc/{number}")
    waiting.until(lambda: not taken.exists(), "the process to be reaped")
    LAST_PID.write_text(str(number - 1))
    process = subprocess.Popen(STUBBORN)
    if process.pid != number:
        raise RuntimeError(f"got the number {process.pid}, not {number}")
    return process


if __name__ == "__main__":
    main()
