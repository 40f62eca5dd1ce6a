# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Repairs are stored in portions, on a real outbox."""

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.outbox import runs
from nova_dirsvc_plugin.reconcile import apply, guard
from tests.unit import base


class StoreTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.outbox = outbox.Outbox(self.folder / "outbox.db")
        self.outbox.check_writable()
        self.addCleanup(self.outbox.close)
        self.repairs = outbox_repairs.Repairs(self.outbox.path)
        self.waits = 0
        self.most = 0

    def store(self, count, wait, patience=60.0):
        applier = apply.Applier(
            self.repairs,
            guard.Limits(),
            patience,
            wait,
            lambda step, done, total: None,
        )
        found = [
            runs.Repair(base.event(events.Verb.REFRESH)) for _ in range(count)
        ]
        run = runs.Run("r", "memory", "p", "reconcile", False, 1.0)
        return applier.store(run, found, count, 0.0)

    def deliver(self, seconds):
        """Be the daemon; it is told to go on."""
        claim = self.outbox.claim("memory", 256)
        self.most = max(self.most, self.repairs.waiting("memory"))
        self.outbox.settle(
            "memory",
            claim,
            [
                outbox.Settlement(entry, outbox.State.DELIVERED)
                for turn in claim.turns
                for entry in turn.entries
            ],
        )
        return False

    def nothing(self, seconds):
        self.waits += 1
        return False

    def test_few_wait_at_a_time_and_all_are_delivered(self):
        applied = self.store(2000, self.deliver)
        self.assertEqual(
            (2000, 0, 0), (applied.stored, applied.left, applied.waiting)
        )
        self.assertGreaterEqual(apply.ROOM + outbox_repairs.PORTION, self.most)

    def test_where_nobody_delivers_the_rest_is_not_stored(self):
        applied = self.store(2000, self.nothing, patience=1.9)
        room = apply.ROOM + outbox_repairs.PORTION
        self.assertEqual(
            (room, 2000 - room, room),
            (applied.stored, applied.left, applied.waiting),
        )
        self.assertEqual(10, self.waits)

    def test_told_to_stop_it_does(self):
        applied = self.store(2000, lambda seconds: True)
        self.assertEqual(apply.ROOM + outbox_repairs.PORTION, applied.waiting)

    def test_the_name_of_a_run_sorts_by_its_time(self):
        names = [apply.new_run_id(at) for at in (0.0, 1e9, 1.8e9)]
        self.assertEqual(sorted(names), names)
        self.assertNotEqual(apply.new_run_id(0.0), apply.new_run_id(0.0))
