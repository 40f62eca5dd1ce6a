# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What processes keep in memory is seen by others."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys

from nova_dirsvc_plugin.outbox import unstored
from tests.unit import base

FORK = multiprocessing.get_context("fork")


#: Prints what another process finds.
FIND = """
import json
import pathlib
import sys

from nova_dirsvc_plugin.outbox import unstored

found = unstored.find(pathlib.Path(sys.argv[1]))
print(json.dumps([(o.process, o.events, o.since, o.running) for o in found]))
"""


def found(path):
    """Return what another process finds."""
    said = subprocess.run(
        [sys.executable, "-c", FIND, path], check=True, stdout=subprocess.PIPE
    ).stdout
    return [tuple(one) for one in json.loads(said)]


class UnstoredTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.report = unstored.Report(self.path)
        self.addCleanup(self.report.leave)

    def found(self):
        return found(self.path)

    def names(self):
        return sorted(file.name for file in self.folder.iterdir())

    def test_number_and_age_are_seen_and_change(self):
        self.report.show(7, 1_800_000_000.9)
        self.assertEqual([(os.getpid(), 7, 1_800_000_000, True)], self.found())
        self.report.show(5470, 1_800_000_001)
        self.assertEqual(
            [(os.getpid(), 5470, 1_800_000_001, True)], self.found()
        )
        self.assertEqual(1, len(self.names()))

    def test_a_file_that_was_removed_is_made_again(self):
        self.report.show(7, 1.0)
        (file,) = self.folder.iterdir()
        file.unlink()
        self.report.show(8, 1.0)
        self.assertEqual([(os.getpid(), 8, 1, True)], self.found())

    def test_nothing_is_left_when_all_is_stored(self):
        self.report.remove()
        self.report.show(7, 1.0)
        self.report.remove()
        self.assertEqual([], self.names())
        self.report.show(8, 2.0)
        self.assertEqual(8, self.found()[0][1])

    def test_a_process_that_was_killed_has_ended(self):
        def killed():
            unstored.Report(self.path).show(12, 5.0)
            os.kill(os.getpid(), signal.SIGKILL)

        process = FORK.Process(target=killed)
        process.start()
        process.join()
        self.assertEqual([(process.pid, 12, 5, False)], self.found())

    def test_a_child_neither_has_nor_removes_the_file_of_its_parent(self):
        go_on = FORK.Event()
        self.report.show(7, 1.0)
        child = FORK.Process(target=go_on.wait)
        child.start()
        self.addCleanup(child.join)
        self.addCleanup(go_on.set)
        other = FORK.Process(target=self.report.leave)
        other.start()
        other.join()
        self.assertTrue(self.found()[0][3])
        self.report.leave()
        self.assertFalse(self.found()[0][3])

    def test_the_group_can_read_it_whatever_the_umask(self):
        self.addCleanup(os.umask, os.umask(0o777))
        self.report.show(7, 1.0)
        (file,) = self.folder.iterdir()
        self.assertEqual(0o640, file.stat().st_mode & 0o777)

    def test_no_link_is_followed_and_nothing_else_is_believed(self):
        target = self.folder / "target"
        name = "outbox.db.unstored-1-2-3-"
        (self.folder / f"{name}01234567").symlink_to(target)
        os.mkfifo(self.folder / f"{name}11234567")
        (self.folder / f"{name}2123456").write_text("")
        (self.folder / "outbox.db.unstored-x").write_text("")
        (self.folder / f"outbox.db.unstored-1-2-{'9' * 99}-01234567").touch()
        self.assertEqual([], self.found())
        self.patch(unstored.secrets, "token_hex", lambda _: "abcdef01")
        (self.folder / "outbox.db.unstored-abcdef01").symlink_to(target)
        report = unstored.Report(self.path)
        self.assertRaises(FileExistsError, report.show, 1, 1.0)
        self.assertFalse(target.exists())
