# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Many processes and threads at one outbox file."""

import multiprocessing
import os
import pathlib
import signal
import threading
import time

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import connection, forks
from tests import waiting
from tests.unit import base

FORK = multiprocessing.get_context("fork")


class ForkTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.outbox = outbox.Outbox(self.folder / "outbox.db")
        self.outbox.put(base.event())

    def child(self, work):
        """Fork, and return the exit status; None for a child that hangs."""
        pid = os.fork()
        if not pid:
            status = 9
            try:
                status = work() or 0
            finally:
                os._exit(status)
        try:
            _, status = waiting.until(
                lambda: waited if (waited := self.end_of(pid))[0] else None,
                "the child to end",
                limit=20,
            )
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        return os.waitstatus_to_exitcode(status)

    def end_of(self, pid):
        return os.waitpid(pid, os.WNOHANG)

    def put(self):
        self.outbox.put(base.event())

    def test_a_child_stores_whatever_the_parents_threads_are_doing(self):
        stop = threading.Event()

        def write():
            while not stop.is_set():
                self.put()

        threads = [threading.Thread(target=write) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            ends = [self.child(self.put) for _ in range(60)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual([0] * 60, ends)
        with self.outbox._session as database:
            (found,) = database.execute("PRAGMA integrity_check").fetchone()
        self.assertEqual("ok", found)

    def test_no_connection_is_open_while_the_process_forks(self):
        def open_files():
            return [
                file
                for link in pathlib.Path("/proc/self/fd").iterdir()
                if self.folder in (file := self.target(link)).parents
            ]

        self.assertTrue(open_files())
        self.assertEqual(0, self.child(lambda: len(open_files())))
        self.put()
        self.assertEqual(2, self.outbox.pending("d"))

    def target(self, link):
        try:
            return link.readlink()
        except FileNotFoundError:  # of the folder's own descriptor
            return link

    def test_a_fork_that_waits_too_long_makes_a_child_that_says_so(self):
        self.patch(forks, "WAIT", 0.05)
        entered, leave = threading.Event(), threading.Event()

        def use():
            with self.outbox._session:
                entered.set()
                leave.wait(waiting.LIMIT)

        thread = threading.Thread(target=use)
        thread.start()
        entered.wait(waiting.LIMIT)

        def refused():
            try:
                self.put()
            except outbox.OutboxError as error:
                return 3 if "was forked while" in str(error) else 4

        self.assertEqual(3, self.child(refused))
        leave.set()
        thread.join()
        self.put()


class TurnTest(base.TestCase):
    def test_each_of_many_writers_has_its_turn_in_time(self):
        path = self.folder / "outbox.db"
        outbox.Outbox(path).put(base.event())
        # Each does in a row what it can, as eight conductors might.
        found = FORK.Queue()
        writers = [
            FORK.Process(target=self.write, args=(path, 3.0, found))
            for _ in range(8)
        ]
        for writer in writers:
            writer.start()
        results = [found.get(timeout=waiting.LIMIT) for _ in writers]
        for writer in writers:
            writer.join()
        self.assertEqual([0] * 8, [refused for refused, _ in results])
        self.assertTrue(all(stored for _, stored in results), results)

    def write(self, path, seconds, found):
        box = outbox.Outbox(path, busy_timeout=2.0)
        end, refused, stored = time.monotonic() + seconds, 0, 0
        while time.monotonic() < end:
            try:
                box.put(base.event())
                stored += 1
            except outbox.OutboxError:
                refused += 1
        found.put((refused, stored))


class CostTest(base.TestCase):
    """What Nova waits for at each event, counted."""

    def setUp(self):
        super().setUp()
        self.outbox = outbox.Outbox(self.folder / "outbox.db")
        self.outbox.put(base.event())

    def test_a_put_executes_three_statements(self):
        statements = []
        with self.outbox._session as database:
            database.set_trace_callback(statements.append)
        self.outbox.put(base.event())
        statements.clear()
        self.outbox.put(base.event())
        words = [statement.split()[0] for statement in statements]
        self.assertEqual(["BEGIN", "INSERT", "COMMIT"], words)

    def test_a_put_looks_at_each_file_before_and_after(self):
        looks = []
        lstat = os.lstat

        def counted(path):
            looks.append(pathlib.Path(path).name)
            return lstat(path)

        self.patch(os, "lstat", counted)
        self.patch(os, "stat", None)
        self.outbox.put(base.event())
        names = ["outbox.db", "outbox.db-wal", "outbox.db-shm"]
        self.assertEqual(names * 2, looks)

    def test_a_reader_waits_longer_than_a_writer_for_its_turn(self):
        with self.outbox._session as database:
            (waits,) = database.execute("PRAGMA busy_timeout").fetchone()
        self.assertEqual(5000, waits)
        with self.outbox._session.transaction() as database:
            (waits,) = database.execute("PRAGMA busy_timeout").fetchone()
        self.assertEqual(connection.TURN_WAIT, waits)
