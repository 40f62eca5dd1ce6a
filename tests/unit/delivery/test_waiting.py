# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""How a dispatcher with nothing to do finds what is stored then."""

import threading

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import memory
from tests import waiting
from tests.unit import base


class WaitingTest(base.TestCase):
    def start(self, poll_interval):
        """Start one, and return its directory once it waits."""
        path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(path)
        read = outbox.Outbox(path)
        self.looks = 0
        changes = read.changes

        def counted():
            self.looks += 1
            return changes()

        read.changes = counted
        self.stop, self.woken = threading.Event(), threading.Event()
        directory = memory.MemoryDirectory(None, "owner")
        worker = dispatcher.Dispatcher(
            "d",
            directory,
            read,
            retry.Settings(poll_interval=poll_interval),
            woken=self.woken,
        )
        self.thread = threading.Thread(target=worker.run, args=(self.stop,))
        self.thread.start()
        self.addCleanup(self.end)
        waiting.until(lambda: self.looks, "the first look")
        return directory

    def end(self):
        self.stop.set()
        self.woken.set()
        self.thread.join(waiting.LIMIT)
        self.assertFalse(self.thread.is_alive())

    def test_a_poke_has_it_deliver_at_once(self):
        directory = self.start(poll_interval=1000.0)
        for count in range(1, 4):
            self.outbox.put(base.event())
            self.woken.set()
            waiting.until(
                lambda count=count: len(directory.content) == count, "it"
            )

    def test_a_poke_for_nothing_costs_one_look(self):
        self.start(poll_interval=1000.0)
        before = self.looks
        self.woken.set()
        waiting.until(lambda: self.looks > before, "a look")
        self.assertEqual(before + 1, self.looks)
        self.assertFalse(self.woken.is_set())

    def test_without_a_poke_it_looks_now_and_then(self):
        directory = self.start(poll_interval=0.05)
        self.outbox.put(base.event())
        waiting.until(lambda: directory.content, "it")
