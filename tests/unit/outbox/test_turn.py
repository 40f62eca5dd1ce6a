# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Who writes waits in one queue, and for nobody for long."""

import fcntl
import os
import pathlib
import shutil
import threading
import time

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import admin, turn
from tests import waiting
from tests.unit import base


class TurnTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path)
        self.addCleanup(self.outbox.close)
        self.outbox.put(base.event())

    def queue(self):
        queue = turn.Queue(self.path)
        self.addCleanup(queue.close)
        self.addCleanup(queue.leave)
        return queue

    def start(self, target):
        thread = threading.Thread(target=target)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    def wait_for(self, count):
        """Wait until so many wait for the lock, by the kernel's list."""
        inode = f":{self.folder.stat().st_ino} "

        def waiters():
            lines = pathlib.Path("/proc/locks").read_text().splitlines()
            return [one for one in lines if inode in one and "->" in one]

        waiting.until(lambda: len(waiters()) == count, f"{count} in the queue")

    def decide(self):
        with admin.OutboxAdmin(self.path).transaction():
            pass

    def keep_the_lock(self):
        """Be somebody of the group who keeps the lock of the folder."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor


class QueueTest(TurnTestCase):
    def test_each_goes_in_the_order_in_which_it_came(self):
        self.patch(turn, "LIMIT", waiting.LIMIT)
        first, order = self.queue(), []
        self.assertTrue(first.enter())

        def work(number):
            queue = self.queue()
            if queue.enter(waiting.LIMIT):
                order.append(number)
            queue.leave()

        threads = []
        for number in range(8):
            threads.append(self.start(lambda number=number: work(number)))
            self.wait_for(number + 1)
        first.leave()
        for thread in threads:
            thread.join()
        self.assertEqual(list(range(8)), order)

    def test_all_who_write_wait_in_it_and_who_reads_does_not(self):
        self.patch(turn, "LIMIT", waiting.LIMIT)
        queue = self.queue()
        queue.enter()
        for number, work in enumerate(
            (
                lambda: outbox.Outbox(self.path).put(base.event()),
                lambda: self.outbox.purge(["d"], before=0.0),
                self.decide,
            )
        ):
            self.start(work)
            self.wait_for(number + 1)
        with admin.OutboxAdmin(self.path).snapshot():
            pass
        queue.leave()

    def test_a_child_that_lives_on_keeps_nobody_out(self):
        queue, other = self.queue(), self.queue()
        self.assertTrue(queue.enter())
        end, ended = os.pipe()
        if not (child := os.fork()):
            os.close(ended)
            os.read(end, 1)
            os._exit(0)
        queue.leave()
        entered = other.enter(0.1)
        os.close(ended)
        os.waitpid(child, 0)
        os.close(end)
        self.assertTrue(entered)

    def test_who_is_interrupted_keeps_nobody_out(self):
        first, second = self.queue(), self.queue()
        first.enter()

        class Interrupted(threading.Event):
            def wait(self, timeout=None):
                first.leave()
                super().wait(timeout)
                raise ZeroDivisionError

        class Module:
            Lock, Thread, Event = threading.Lock, threading.Thread, Interrupted

        self.patch(turn, "_threading", lambda: Module)
        self.assertRaises(ZeroDivisionError, second.enter, waiting.LIMIT)
        second.leave()
        self.assertTrue(first.enter(0.0))

    def test_who_finds_another_folder_there_waits_in_that(self):
        self.folder.rename(f"{self.folder}-moved")
        self.addCleanup(shutil.rmtree, f"{self.folder}-moved")
        self.assertRaises(outbox.OutboxError, self.outbox.put, base.event())
        self.outbox.put(base.event())
        self.patch(turn, "LIMIT", waiting.LIMIT)
        lock = self.keep_the_lock()
        self.start(lambda: self.outbox.put(base.event()))
        self.wait_for(1)
        fcntl.flock(lock, fcntl.LOCK_UN)


class HostileTest(TurnTestCase):
    def test_who_keeps_the_lock_holds_each_writer_up_once(self):
        lock = self.keep_the_lock()
        started = time.monotonic()
        self.assertEqual(2, self.outbox.put(base.event()))
        self.assertGreater(time.monotonic() - started, turn.LIMIT)
        # As if each took so long, all of them would.
        self.patch(turn, "LIMIT", 1000.0)
        for number in range(3, 20):
            self.assertEqual(number, self.outbox.put(base.event()))
        self.wait_for(1)
        fcntl.flock(lock, fcntl.LOCK_UN)
        self.wait_for(0)
        # Nobody has it: who gave up has not kept it.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_so_it_does_whoever_decides_many_times(self):
        lock = self.keep_the_lock()
        self.decide()
        self.patch(turn, "LIMIT", waiting.LIMIT)
        for _ in range(3):
            self.decide()
        self.wait_for(1)
        fcntl.flock(lock, fcntl.LOCK_UN)
        self.wait_for(0)
        self.decide()

    def test_after_that_all_wait_in_the_queue_again(self):
        self.patch(turn, "LIMIT", 0.05)
        lock = self.keep_the_lock()
        self.outbox.put(base.event())
        fcntl.flock(lock, fcntl.LOCK_UN)
        queue = self.outbox._session._transactions._queue
        waiting.until(lambda: not queue._waiter.is_alive(), "the end of it")
        self.outbox.put(base.event())
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.patch(turn, "LIMIT", waiting.LIMIT)
        thread = self.start(lambda: self.outbox.put(base.event()))
        self.wait_for(1)
        fcntl.flock(lock, fcntl.LOCK_UN)
        thread.join()
        self.assertEqual(4, self.outbox.pending("d"))

    def test_without_threads_or_locks_it_is_stored_as_before(self):
        self.keep_the_lock()
        error = RuntimeError("can't start new thread")
        self.patch(turn, "_threading", self.without_threads(error))
        self.assertEqual(2, self.outbox.put(base.event()))
        self.patch(fcntl, "flock", self.without_locks)
        self.assertEqual(3, self.outbox.put(base.event()))

    def without_locks(self, descriptor, operation):
        raise OSError("No locks available")

    def without_threads(self, error):
        class Thread(threading.Thread):
            def start(self):
                raise error

        class Module:
            Lock, Event = threading.Lock, threading.Event

        Module.Thread = Thread
        return lambda: Module
