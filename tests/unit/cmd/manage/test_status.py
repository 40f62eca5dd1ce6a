# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import os
import socket
import sqlite3
import time

from nova_dirsvc_plugin.outbox import health, lock
from tests.unit import base
from tests.unit.cmd.manage.base import A, ManageTestCase


class HealthTestCase(ManageTestCase):
    """A daemon's options, and what it may deliver."""

    def setUp(self):
        super().setUp()
        self.now = time.time()
        self.file = self.folder / "sync.conf"
        self.configure("log")

    def configure(self, *directories):
        self.file.write_text(
            f"[nova_dirsvc]\noutbox = {self.path}\n"
            f"directories = {','.join(directories)}\n"
        )

    def deliver(self, directory="log"):
        """Take the right to deliver, and give it."""
        held = lock.DirectoryLock(self.path, directory)
        held.acquire()
        self.addCleanup(held.release)
        return held

    def run_status(self, *arguments):
        """Give the exit status, the problems, and what people read."""
        options = ("--config-file", str(self.file))
        status, out, err = self.manage(
            "outbox", "status", *arguments, options=options
        )
        self.assertEqual("", err)
        told = self.status(*arguments, options=options)
        problems = [
            (one["problem"], one["directory"]) for one in told["problems"]
        ]
        self.directories = told["directories"]
        return status, problems, out


class StatusTest(HealthTestCase):
    """``outbox status`` of an outbox that somebody delivers, or nobody."""

    def test_who_delivers_is_named_and_all_is_well(self):
        self.put(base.event())
        self.settle()
        self.deliver()
        before = time.time()
        status, problems, out = self.run_status()
        self.assertEqual((0, []), (status, problems))
        one = self.directories["log"]
        self.assertEqual(
            (True, os.getpid(), socket.gethostname()),
            (one["delivered"], one["process"], one["host"]),
        )
        self.assertLess(one["last_seen_seconds"], time.time() - before + 60)
        self.assertIn(f"log: process {os.getpid()} on", out)

    def test_a_dead_daemon_is_seen_and_when_it_was_last(self):
        self.put(base.event())
        self.settle()
        held = lock.DirectoryLock(self.path, "log")
        held.acquire()
        held.release()
        path = lock.path_of(self.path, "log")
        os.utime(path, (self.now - 3700, self.now - 3700))
        status, problems, out = self.run_status()
        self.assertEqual((3, [("not delivered", "log")]), (status, problems))
        self.assertIn("nobody delivers, last seen 1 h", out)
        self.assertIn("start nova-dirsvc-sync", out)

    def test_a_daemon_that_never_ran_is_missed(self):
        self.outbox.check_writable()
        status, problems, out = self.run_status()
        self.assertEqual((3, [("not delivered", "log")]), (status, problems))
        self.assertIn("log: nobody delivers;", out)

    def test_a_daemon_that_hangs_is_seen(self):
        self.outbox.check_writable()
        held = self.deliver()
        path = lock.path_of(self.path, "log")
        long_ago = time.time() - health.HANGS_AFTER - 10
        os.utime(path, (long_ago, long_ago))
        self.assertEqual((3, [("hangs", "log")]), self.run_status()[:2])
        held.touch()
        self.assertEqual((0, []), self.run_status()[:2])

    def test_what_waits_too_long_is_a_problem_of_its_own(self):
        self.now -= 100
        self.put(base.event())
        self.deliver()
        self.assertEqual((0, []), self.run_status()[:2])
        self.assertEqual(
            (4, [("late", "log")]), self.run_status("--max-age", "60")[:2]
        )

    def test_what_is_buried_or_parked_needs_an_operator(self):
        self.bury(base.event(instance_uuid=A))
        self.park({"event_type": "t"})
        self.deliver()
        self.assertEqual(
            (4, [("buried", "log"), ("parked", "")]), self.run_status()[:2]
        )

    def test_a_directory_that_left_the_options_is_named_until_forgotten(self):
        self.put(base.event())
        self.settle()
        self.deliver()
        self.settle(directory="rest")
        status, problems, out = self.run_status()
        self.assertEqual((4, [("not configured", "rest")]), (status, problems))
        self.assertIn("nova-dirsvc-manage outbox forget rest", out)

    def test_what_another_daemon_delivers_is_no_problem(self):
        self.put(base.event())
        self.settle()
        self.settle(directory="rest")
        self.deliver()
        self.deliver("rest")
        self.assertEqual((0, []), self.run_status()[:2])

    def test_nonsense_in_the_file_of_a_lock_or_a_name_breaks_nothing(self):
        self.put(base.event())
        self.settle()
        self.deliver()
        for text in (b"", b"\xff\x00", b"[" * 9999, b"1 9e999 x\n"):
            lock.path_of(self.path, "log").write_bytes(text)
            self.assertEqual((0, []), self.run_status()[:2])
        lock.path_of(self.path, "log").unlink()
        lock.path_of(self.path, "log").symlink_to("/etc/shadow")
        _, problems, out = self.run_status()
        self.assertEqual([], problems)
        self.assertIn("who delivers is not known", out)
        with sqlite3.connect(self.path) as database:
            database.execute("UPDATE position SET directory = '../a\x1b/b'")
        self.assertEqual(4, self.run_status()[0])


class ForgetTest(HealthTestCase):
    """``outbox forget``."""

    def setUp(self):
        super().setUp()
        self.put(base.event(), base.event(), base.event())
        self.settle()
        self.claim_one("rest")

    def claim_one(self, directory):
        """Have a directory refuse all that there is."""
        self.bury(directory=directory)
        self.put(base.event())

    def forget(self, *arguments, typed=None):
        return self.manage(
            "outbox",
            "forget",
            *arguments,
            typed=typed,
            options=("--config-file", str(self.file)),
        )

    def test_it_goes_with_its_entries_and_purging_goes_on(self):
        def purge():
            return self.outbox.purge(["log"], before=self.now + 10)

        self.settle()
        self.assertEqual(0, purge())
        status, out, err = self.forget("rest", "--yes")
        self.assertEqual((0, ""), (status, err))
        self.assertEqual(
            "rest: forgotten, with its entries: 1 waiting, 0 deferred, 3"
            " buried, 0 to confirm\n",
            out,
        )
        self.run_status()
        self.assertEqual({"log"}, set(self.directories))
        self.assertEqual(4, purge())
        self.assertFalse(lock.path_of(self.path, "rest").exists())

    def test_one_that_is_configured_is_refused(self):
        status, out, err = self.forget("log", "--yes")
        self.assertEqual((2, ""), (status, out))
        self.assertIn("[nova_dirsvc] directories names log", err)

    def test_one_that_a_daemon_delivers_to_is_refused(self):
        self.deliver("rest")
        status, out, err = self.forget("rest", "--yes")
        self.assertEqual((1, ""), (status, out))
        self.assertIn("delivers to rest already", err)
        self.run_status()
        self.assertEqual(3, self.directories["rest"]["buried"])

    def test_it_asks_with_the_numbers_and_takes_no_for_an_answer(self):
        status, out, err = self.forget("rest", typed="n\n")
        self.assertEqual((1, "nothing is forgotten\n"), (status, err))
        self.assertIn("rest: 1 waiting, 0 deferred, 3 buried", out)
        self.assertEqual(0, self.forget("rest", typed="y\n")[0])

    def test_without_a_terminal_it_needs_a_yes(self):
        status, _, err = self.forget("rest")
        self.assertEqual(2, status)
        self.assertIn("--yes", err)

    def test_without_options_nobody_knows_what_is_configured(self):
        status, _, err = self.manage("outbox", "forget", "rest", "--yes")
        self.assertEqual(2, status)
        self.assertIn("--config-file", err)

    def test_one_that_there_is_not_is_said(self):
        status, _, err = self.forget("tape", "--yes")
        self.assertEqual(2, status)
        self.assertIn("there are: log, rest", err)

    def test_more_than_a_portion_goes_as_well(self):
        self.put(*(base.event() for _ in range(450)))
        self.settle(directory="tape", reason="no")
        self.outbox.put(base.event())
        self.bury(*(base.event() for _ in range(450)), directory="tape")
        self.assertEqual(0, self.forget("tape", "--yes")[0])
        with sqlite3.connect(self.path) as database:
            for table in ("backlog", "position", "summary"):
                self.assertEqual(
                    [],
                    database.execute(
                        f"SELECT * FROM {table} WHERE directory = 'tape'"
                    ).fetchall(),
                )
