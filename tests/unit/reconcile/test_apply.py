# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Repairs are stored in portions, on a real outbox."""

import sqlite3

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.outbox import runs
from nova_dirsvc_plugin.reconcile import apply, guard
from tests.unit import base
from tests.unit.reconcile import clouds, test_plan


class StoreTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.outbox = outbox.Outbox(self.folder / "outbox.db")
        self.outbox.check_writable()
        self.addCleanup(self.outbox.close)
        self.repairs = outbox_repairs.Repairs(self.outbox.path)
        self.waits = 0
        self.most = 0

    def applier(self, wait, patience=60.0):
        return apply.Applier(
            self.repairs,
            guard.Limits(),
            patience,
            wait,
            lambda step, done, total: None,
        )

    def store(self, count, wait, patience=60.0):
        applier = self.applier(wait, patience)
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

    def plan(self, kind, count):
        made = [test_plan.made(kind) for _ in range(count)]
        return clouds.made_of(*made, entries=20)

    def test_two_runs_at_once_do_not_remove_twice_as_many(self):
        """The guard lets both begin; the tool and the daemon, for example."""
        one, two = (self.plan(clouds.Kind.REMOVAL, 15) for _ in range(2))
        applier = self.applier(self.deliver)
        self.assertEqual([], applier.check(one))
        self.assertEqual([], applier.check(two))
        self.assertEqual(15, applier.apply(one, "reconcile").stored)
        applied = applier.apply(two, "apply")
        self.assertEqual((0, 15), (applied.stored, applied.left))
        (why,) = applied.stops
        self.assertIn("15 of 20 entries would be removed, after 15 oth", why)
        allowed = applier.apply(two, "apply", allowed=True)
        self.assertEqual((15, ()), (allowed.stored, allowed.stops))

    def test_two_runs_at_once_do_not_change_twice_as_many(self):
        one, two = (self.plan(clouds.Kind.DIFFERING, 40) for _ in range(2))
        applier = self.applier(self.deliver)
        self.assertEqual(40, applier.apply(one, "reconcile").stored)
        applied = applier.apply(two, "reconcile")
        self.assertEqual((0, 40), (applied.stored, applied.left))
        self.assertIn("in 40 of 20 entries, after 40", applied.stops[0])

    def test_a_disk_that_fills_leaves_the_name_of_the_run(self):
        self.assertEqual(100, outbox_repairs.PORTION)
        with sqlite3.connect(self.outbox.path) as database:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON repair"
                " WHEN (SELECT count(*) FROM repair) = 150"
                " BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
            )
        error = self.assertRaises(
            outbox.OutboxError, self.store, 250, self.deliver
        )
        self.assertIn(
            "run r for memory has stored 100 repairs, which are delivered, and"
            " not 150 others: ",
            str(error),
        )
        self.assertIn("disk is full", str(error))

    def test_the_name_of_a_run_sorts_by_its_time(self):
        names = [apply.new_run_id(at) for at in (0.0, 1e9, 1.8e9)]
        self.assertEqual(sorted(names), names)
        self.assertNotEqual(apply.new_run_id(0.0), apply.new_run_id(0.0))
