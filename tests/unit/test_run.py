# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""tests/run.py, which runs all suites: lanes, totals, and how it ends."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import fixtures
import testtools

from tests import waiting

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]

#: Runs the runner with other suites: name -> program, in a folder.
RUNNER = """
import sys
from tests import run
folder, *names = sys.argv[1:]
run.SUITES = {
    name: (run.check_count, (sys.executable, f"{folder}/{name}"))
    for name in names
}
run.ALL, run.ON_THE_CLOUD = names, ("cloud1", "cloud2")
del sys.argv[1:]
sys.exit(run.main())
"""

#: A suite that leaves a mark, and waits for that of another one.
MEETS = """
import pathlib, sys, time
here = pathlib.Path(sys.argv[0])
here.with_suffix(".here").touch()
while not here.with_name("{0}.here").exists():
    time.sleep(0.01)
print("met {0}")
"""

#: A suite that lasts until it is ended.
ENDLESS = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[0] + ".pid").write_text(str(os.getpid()))
time.sleep(999)
"""

#: A suite that fails when another one runs beside it.
ALONE = """
import pathlib, sys, time
mark = pathlib.Path(sys.argv[0]).with_name("mark")
mark.touch(exist_ok=False)
time.sleep(0.2)
mark.unlink()
"""


class RunTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def start(self, **suites: str) -> "subprocess.Popen[str]":
        for name, program in suites.items():
            (self.folder / name).write_text(program)
        process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, str(self.folder), *suites],
            cwd=CHECKOUT,
            # Not the cloud of whoever runs this.
            env={**os.environ, "POCKET_HOME": str(self.folder / "pocket")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(process.wait, waiting.LIMIT)
        self.addCleanup(process.kill)
        return process

    def run_suites(self, **suites: str) -> tuple[int, list[str]]:
        process = self.start(**suites)
        output, _ = process.communicate(timeout=waiting.LIMIT)
        return process.returncode, output.splitlines()

    def test_two_suites_run_at_a_time_and_each_line_names_its_own(self):
        status, lines = self.run_suites(
            cloud1=MEETS.format("other"), other=MEETS.format("cloud1")
        )
        self.assertEqual(0, status, lines)
        self.assertIn("cloud1 | met other", lines)
        self.assertIn("other  | met cloud1", lines)
        self.assertEqual("2 passed, 0 failed, 0 skipped", lines[-1])

    def test_suites_of_the_cloud_run_one_after_the_other(self):
        status, lines = self.run_suites(cloud1=ALONE, cloud2=ALONE)
        self.assertEqual(0, status, lines)

    def test_a_lane_without_a_suite_of_the_cloud_takes_another(self):
        status, lines = self.run_suites(
            one=MEETS.format("two"), two=MEETS.format("one")
        )
        self.assertEqual(0, status, lines)

    def test_a_suite_that_fails_fails_the_run_and_the_others_are_run(self):
        status, lines = self.run_suites(
            cloud1="exit(1)", cloud2="print('run')", other="print('run')"
        )
        self.assertEqual(1, status)
        self.assertIn("cloud2 | run", lines)
        self.assertIn("other  | run", lines)
        self.assertEqual("2 passed, 1 failed, 0 skipped", lines[-1])

    def test_a_suite_that_is_killed_fails(self):
        status, lines = self.run_suites(
            one="import os; os.kill(os.getpid(), 9)", two=""
        )
        self.assertEqual(
            (1, "1 passed, 1 failed, 0 skipped"), (status, lines[-1])
        )

    def test_an_error_of_the_runner_itself_fails(self):
        # Its suite has no program: the count of what it printed is none.
        runner = RUNNER.replace("run.check_count", "None")
        self.useFixture(fixtures.MonkeyPatch(f"{__name__}.RUNNER", runner))
        status, lines = self.run_suites(one="")
        self.assertEqual(
            (1, "0 passed, 1 failed, 0 skipped"), (status, lines[-1])
        )

    def test_an_interrupt_ends_both_lanes(self):
        # As in the background of a shell, which lets this be ignored.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        process = self.start(cloud1=ENDLESS, other=ENDLESS, later="")
        pids = [
            waiting.until(
                lambda name=name: self.pid_of(name), f"{name} to run"
            )
            for name in ("cloud1", "other")
        ]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=waiting.LIMIT)
        self.assertEqual(130, process.returncode, output)
        self.assertNotIn("=== later", output)
        for pid in pids:
            self.assertRaises(ProcessLookupError, os.kill, int(pid), 0)

    def pid_of(self, name: str) -> str:
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / f"{name}.pid").read_text()
        return ""
