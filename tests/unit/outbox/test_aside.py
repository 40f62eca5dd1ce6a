# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An outbox that is put aside, by processes that are killed or hindered."""

import contextlib
import fcntl
import os
import resource
import signal
import sqlite3
import sys
from unittest import mock

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.outbox import aside, connection
from tests import outboxes, processes
from tests.unit import base

#: What the taking over does to files, as Python's audit events name it.
STEPS = ("os.rename", "os.remove", "sqlite3.connect", "open")


class AsideTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.begin("outbox")

    def begin(self, name):
        self.path = self.folder / name / "outbox.db"

    def beside(self, suffix):
        return self.path.with_name(self.path.name + suffix)

    def opened(self):
        box = outbox.Outbox(self.path)
        self.addCleanup(box.close)
        return box

    def killed_after(self, count):
        """Let a process store so many events, and die in the middle."""

        def store():
            box = self.opened()
            box.put_all(base.event() for _ in range(count))
            box.put(events.Parked({"no": "id"}, "i", "why"))
            os.kill(os.getpid(), signal.SIGKILL)

        self.assertEqual(-signal.SIGKILL, processes.forked(store))

    def number_of_entries(self):
        return len(self.opened().claim("d", 10_000).entries)


def kill_at(number):
    """End this process without a warning at a step of its work."""
    left = [number]

    def count(event, _):
        if event in STEPS:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def limit_files(size):
    """Let no file of this process grow over a size, as on a full disk."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))


class KilledTest(AsideTestCase):
    def test_whenever_a_process_is_killed_the_next_one_takes_over(self):
        number = 0
        ended = None
        while ended != 0:
            number += 1
            self.begin(str(number))
            self.killed_after(3)

            def take_over(number=number):
                box = self.opened()
                box.claim("d", 10)
                self.beside("-shm").unlink()
                with contextlib.suppress(outbox.OutboxError):
                    box.claim("d", 10)
                kill_at(number)
                box.claim("d", 10)
                # The end of a process opens files, too.
                os._exit(0)

            ended = processes.forked(take_over)
            self.assertIn(ended, (0, -signal.SIGKILL))
            self.assertEqual(3, self.number_of_entries(), number)
            self.assertEqual(1, len(outboxes.parked(self.opened())), number)
            self.assertEqual([], aside.not_taken(self.path))
        self.assertGreater(number, 6)


class HinderedTest(AsideTestCase):
    def test_what_does_not_fit_yet_is_taken_over_later(self):
        self.killed_after(300)
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            processes.forked(lambda: os._exit(0))
            self.beside("-wal").unlink()

            def take_over():
                box = self.opened()
                limit_files(200_000)
                for _ in range(2):
                    self.assertRaises(outbox.OutboxError, box.pending, "d")
                limit_files(resource.RLIM_INFINITY)
                self.assertEqual(300, box.pending("d"))

            self.assertEqual(0, processes.forked(take_over))

    def test_a_folder_that_stays_locked_is_named_and_not_waited_for(self):
        self.path.parent.mkdir()
        folder = os.open(self.path.parent, os.O_RDONLY)
        self.addCleanup(os.close, folder)
        fcntl.flock(folder, fcntl.LOCK_EX)
        with mock.patch.object(aside, "CREATION_WAIT", 0.1):
            error = self.assertRaises(
                outbox.OutboxError, self.opened().put, base.event()
            )
        self.assertIn("outbox is locked by another process", str(error))
        fcntl.flock(folder, fcntl.LOCK_UN)
        self.assertEqual(1, self.opened().put(base.event()))


class HealthyTest(AsideTestCase):
    def assert_nothing_aside(self):
        self.assertEqual([], list(self.path.parent.glob("*.broken-*")))

    def test_a_copy_by_hard_links_hinders_nobody(self):
        box = self.opened()
        box.put(base.event())
        for suffix in ("", "-wal", "-shm"):
            os.link(self.beside(suffix), self.folder / f"copy{suffix}")
        box.put(base.event())
        for suffix in ("", "-wal", "-shm"):
            (self.folder / f"copy{suffix}").unlink()
        box.put(base.event())
        self.assert_nothing_aside()
        self.assertEqual(3, self.number_of_entries())

    def test_a_log_that_sqlite_made_shorter_is_whole_on_a_full_disk(self):
        def work():
            box, other = self.opened(), self.opened()
            box.put_all(base.event() for _ in range(200))
            box.changes()
            with contextlib.closing(sqlite3.connect(self.path)) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.put_all(base.event() for _ in range(50))
            self.assertLess(
                self.beside("-wal").stat().st_size, self.path.stat().st_size
            )
            limit_files(self.path.stat().st_size)
            box.put(base.event())
            self.assertEqual(251, box.pending("d"))
            self.assert_nothing_aside()

        self.assertEqual(0, processes.forked(work))

    def test_an_error_after_a_use_is_one_of_the_outbox(self):
        session = connection.Session(self.path, 1.0)
        folder = self.path.parent

        def use():
            with session.transaction():
                folder.rename(folder.with_name("moved"))
                folder.write_text("")

        error = self.assertRaises(outbox.OutboxError, use)
        self.assertIn("Not a directory", str(error))
