# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Repairs are for one directory, and come with what was before."""

import dataclasses
import os
import random
import resource
import signal

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.outbox import (
    queries,
    repairs,
    schema,
    sql_repairs,
)
from tests import outboxes, processes
from tests.unit import base

REFRESH, REMOVE = events.Verb.REFRESH, events.Verb.SOFT_UNREGISTER
A, B = (f"{name * 8}-0000-4000-8000-000000000000" for name in "ab")

#: More than a page of the file, with what no UTF-8 has.
BEFORE = {
    "name": "cn=a",
    "owner": "cloud",
    "as_of": 7.5,
    "content": {"cn": ["a \udcff", "é"], "description": ["x" * 5000]},
}


class RepairsTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path, clock=lambda: self.now)
        self.addCleanup(self.outbox.close)
        self.outbox.check_writable()
        self.repairs = self.opened()

    def opened(self):
        return repairs.Repairs(self.path, clock=lambda: self.now)

    def begin(self, run_id="run-1", directory="d", **fields):
        self.repairs.begin(
            repairs.Run(
                run_id,
                directory,
                **{
                    "plan_id": "plan-1",
                    "verb": "reconcile",
                    "allowed": False,
                    "started_at": self.now,
                }
                | fields,
            )
        )

    def repair(self, verb=REFRESH, instance=A, before=BEFORE, **fields):
        event = base.event(verb, instance, **fields)
        return repairs.Repair(
            dataclasses.replace(event, event_type=events.RECONCILE),
            before,
            ("cn",),
        )

    def put(self, *stored, run_id="run-1", read_at=None):
        return self.repairs.put(
            run_id, stored, self.now if read_at is None else read_at
        )

    def settle(self, state=outbox.State.DELIVERED, directory="d", **fields):
        return outboxes.settle(self.outbox, directory, state, **fields)

    def rows(self, statement):
        return outboxes.run_sql(self.path, statement)


class OneDirectoryTest(RepairsTestCase):
    """What is for one directory is nothing to another."""

    def setUp(self):
        super().setUp()
        self.begin()
        self.directory = memory.MemoryDirectory(None, "nova")
        self.others = {
            name: dispatcher.Dispatcher(
                name,
                memory.MemoryDirectory(None, "nova"),
                self.outbox,
                retry.Settings(),
                clock=lambda: self.now,
            )
            for name in ("d", "e")
        }

    def deliver(self):
        for one in self.others.values():
            while one.step():
                pass

    def names(self):
        """Return the names that each directory has of the instance."""
        return {
            name: [
                state.record.display_name
                for state in one._directory.content.values()
            ]
            for name, one in self.others.items()
        }

    def test_it_is_written_there_and_is_skipped_elsewhere(self):
        self.put(self.repair(display_name="repaired"))
        self.deliver()
        self.assertEqual({"d": ["repaired"], "e": []}, self.names())
        found = self.rows("SELECT directory, state, reason FROM journal")
        self.assertEqual(
            {("d", "delivered", ""), ("e", "skipped", "for directory d only")},
            set(found),
        )

    def test_a_later_event_is_not_mixed_with_it_elsewhere(self):
        event = base.event(REFRESH, A, display_name="one")
        self.put(self.repair(user_name="known", occurred_at=9.0))
        self.outbox.put(event)
        self.deliver()
        self.outbox.put(
            base.event(REFRESH, A, display_name="two", occurred_at=20.0)
        )
        self.deliver()
        kept = {
            name: one._directory.content[A]
            for name, one in self.others.items()
        }
        self.assertEqual("known", kept["d"].record.user_name)
        self.assertEqual("", kept["e"].record.user_name)

    def test_a_removal_of_one_removes_nothing_elsewhere(self):
        self.outbox.put(base.event(instance_uuid=A, display_name="kept"))
        self.deliver()
        self.put(self.repair(REMOVE, occurred_at=50.0))
        self.deliver()
        self.assertEqual({"d": [], "e": ["kept"]}, self.names())
        self.outbox.put(
            base.event(REFRESH, A, display_name="changed", occurred_at=40.0)
        )
        self.deliver()
        self.assertEqual({"d": [], "e": ["changed"]}, self.names())

    def test_an_older_reading_loses_to_a_fresher_event(self):
        read = {"display_name": "read", "occurred_at": 10.0}
        fresh = {"display_name": "fresh", "occurred_at": 20.0}
        self.put(self.repair(**read))
        self.deliver()
        self.assertEqual(["read"], self.names()["d"])
        self.outbox.put_all(
            [base.event(REFRESH, A, **fresh), base.event(REFRESH, B, **fresh)]
        )
        self.deliver()
        self.put(self.repair(instance=B, **read))
        self.deliver()
        self.assertEqual(["fresh", "fresh"], self.names()["d"])

    def test_it_waits_behind_nothing_elsewhere(self):
        self.outbox.put(base.event(instance_uuid=A))
        self.settle(
            outbox.State.DEFERRED,
            directory="e",
            deferrals=1,
            not_before=3000.0,
        )
        self.put(self.repair())
        claim = self.outbox.claim("e", 100)
        self.assertEqual([2], [entry.number for entry in claim.entries])
        self.assertEqual([], [*claim.waiting])
        self.deliver()
        self.assertEqual(1, self.outbox.pending("e"))

    def test_many_of_another_directory_hide_no_event_of_this_one(self):
        """A claim reads few of an instance's entries."""
        self.outbox.put(
            base.event(events.Verb.UNREGISTER, A, occurred_at=100.0)
        )
        self.outbox.claim("e", 100)
        for number in range(300):
            verb = REMOVE if number % 2 else REFRESH
            self.put(self.repair(verb, before=None, display_name=str(number)))
        self.outbox.put(base.event(REFRESH, A, occurred_at=200.0))
        self.deliver()
        self.assertEqual({"d": [], "e": []}, self.names())

    def test_what_a_disk_has_changed_is_of_no_directory(self):
        self.put(self.repair(), self.repair(instance=B))
        self.rows("UPDATE entry SET directory = 'e' WHERE number = 1")
        self.rows("UPDATE entry SET directory = '' WHERE number = 2")
        self.deliver()
        self.assertEqual({"d": [], "e": []}, self.names())
        reasons = {
            item.reason
            for name in ("d", "e")
            for item in outboxes.items(self.path, name, outbox.State.BURIED)
        }
        self.assertEqual(
            {"the row is damaged: its checksum is wrong"}, reasons
        )


class PutTest(RepairsTestCase):
    def setUp(self):
        super().setUp()
        self.begin()

    def test_what_was_before_comes_back_as_it_was(self):
        self.assertEqual(
            3,
            self.put(
                self.repair(),
                self.repair(REMOVE, B),
                self.repair(instance="c" * 36, before=None),
            ),
        )
        self.assertEqual(
            [
                (A, REFRESH, BEFORE),
                (B, REMOVE, BEFORE),
                ("c" * 36, REFRESH, None),
            ],
            [*self.repairs.before_images("run-1")],
        )

    def test_many_come_in_their_order(self):
        stored = [
            self.repair(instance=f"{number:036}", before={"n": number})
            for number in range(1200)
        ]
        self.put(*stored)
        self.assertEqual(
            [*range(1200)],
            [
                before["n"]
                for _, _, before in self.repairs.before_images("run-1")
            ],
        )

    def test_one_that_is_open_is_not_stored_again(self):
        self.assertEqual(1, self.put(self.repair()))
        self.assertEqual(0, self.put(self.repair()))
        self.settle(outbox.State.DEFERRED, deferrals=1, not_before=3000.0)
        self.assertEqual(0, self.put(self.repair()))
        self.assertEqual(1, self.put(self.repair(display_name="other")))
        self.assertEqual(1, self.put(self.repair(REMOVE)))
        self.begin("run-2", "e")
        self.assertEqual(1, self.put(self.repair(REMOVE), run_id="run-2"))

    def test_one_that_was_settled_since_the_reading_is_not_stored_again(self):
        for state in (
            outbox.State.DELIVERED,
            outbox.State.SKIPPED,
            outbox.State.CONFIRM,
        ):
            read_at = self.now
            self.now += 5
            one = self.repair(display_name=state)
            self.put(one, read_at=read_at)
            self.settle(state)
            again = self.repair(display_name=state)
            self.assertEqual(0, self.put(again, read_at=read_at))
            self.assertEqual(0, self.put(again, read_at=self.now))
            self.now += 5
            self.assertEqual(1, self.put(again, read_at=self.now))
            self.settle()

    def test_one_that_something_came_after_is_stored_again(self):
        self.put(self.repair())
        self.outbox.put(base.event(REFRESH, A, display_name="changed"))
        self.assertEqual(1, self.put(self.repair()))

    def test_one_that_was_buried_is_delivered_again(self):
        self.put(self.repair())
        self.settle(outbox.State.BURIED, reason="no", attempts=5)
        self.assertEqual(1, self.put(self.repair()))
        (entry,) = self.outbox.claim("d", 100).entries
        self.assertEqual((1, 0), (entry.number, entry.attempts))
        reasons = self.rows("SELECT reason FROM journal ORDER BY first_at")
        self.assertEqual([("no",), ("retried by reconcile run-1",)], reasons)

    def test_a_run_that_is_not_there_stores_nothing(self):
        self.assertRaises(
            outbox.OutboxError, self.put, self.repair(), run_id="other"
        )
        self.assertEqual(0, self.outbox.pending("d"))

    def test_without_an_outbox_the_error_says_what_to_do(self):
        error = self.assertRaises(
            outbox.OutboxError, repairs.Repairs(self.folder / "no").runs
        )
        self.assertIn("there is no outbox", str(error))


class AllOrNothingTest(RepairsTestCase):
    """Never an event without what was before, nor the reverse."""

    def setUp(self):
        super().setUp()
        self.begin()

    def check(self):
        """Return how many there are, of both."""
        told = self.rows("SELECT message_id FROM entry ORDER BY 1")
        kept = self.rows("SELECT message_id FROM repair ORDER BY 1")
        self.assertEqual(told, kept)
        return len(kept)

    def portions(self):
        for first in range(0, 1000, 20):
            yield [
                self.repair(instance=f"{number:036}")
                for number in range(first, first + 20)
            ]

    def test_a_full_disk_stores_all_of_a_portion_or_nothing(self):
        def child():
            size = 300_000
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            for portion in self.portions():
                try:
                    self.put(*portion)
                except outbox.OutboxError:
                    os._exit(7)

        self.assertEqual(7, processes.forked(child))
        stored = self.check()
        self.assertEqual(0, stored % 20)
        self.assertGreater(stored, 0)
        again = sum(self.put(*portion) for portion in self.portions())
        self.assertEqual(1000, stored + again)

    def test_whenever_it_is_killed_it_is_all_of_a_portion_or_nothing(self):
        chance = random.Random(1)
        for _ in range(20):
            barrier = processes.FORK.Barrier(2)

            def child(barrier=barrier):
                barrier.wait()
                for portion in self.portions():
                    self.put(*portion)

            process = processes.FORK.Process(target=child)
            process.start()
            barrier.wait()
            process.join(chance.uniform(0, 0.3))
            process.kill()
            process.join()
            self.assertEqual(0, self.check() % 20)
        for portion in self.portions():
            self.put(*portion)
        self.assertEqual(1000, self.check())


class KnownTest(RepairsTestCase):
    def test_waiting_counts_what_is_not_delivered(self):
        self.begin()
        self.begin("run-2", "e")
        self.outbox.put(base.event())
        self.assertEqual(0, self.repairs.waiting("d"))
        self.put(self.repair(), self.repair(instance=B))
        self.put(self.repair(), run_id="run-2")
        self.assertEqual(2, self.repairs.waiting("d"))
        claim = self.outbox.claim("d", 100)
        self.outbox.settle(
            "d",
            claim,
            [
                outbox.Settlement(
                    entry,
                    outbox.State.DEFERRED
                    if entry.number < 3
                    else outbox.State.DELIVERED,
                )
                for entry in claim.entries
            ],
        )
        self.assertEqual(1, self.repairs.waiting("d"))
        self.assertEqual(1, self.repairs.waiting("e"))
        self.settle()
        self.assertEqual(0, self.repairs.waiting("d"))

    def test_recent_counts_each_instance_once(self):
        self.begin("old")
        self.put(self.repair(REMOVE, "f" * 36), run_id="old")
        self.now += 10
        since = self.now
        self.begin()
        self.begin("allowed", allowed=True)
        self.begin("undone", verb="undo")
        self.begin("elsewhere", "e")
        for run_id in ("run-1", "allowed", "undone", "elsewhere"):
            number = run_id[0] * 30
            self.put(
                self.repair(display_name="1", instance=f"{number}1"),
                self.repair(display_name="2", instance=f"{number}1"),
                self.repair(instance=f"{number}2"),
                self.repair(REMOVE, f"{number}3"),
                run_id=run_id,
            )
        one, two, three = (f"{'r' * 30}{number}" for number in "123")
        self.assertEqual(
            repairs.Recent({three}, {"cn": {one, two, three}}),
            self.repairs.recent("d", since),
        )
        self.assertEqual(
            {three, "f" * 36}, self.repairs.recent("d", 0).removals
        )

    def test_a_run_knows_what_is_undelivered_and_what_was_overtaken(self):
        self.begin()
        (run,) = self.repairs.runs()
        C = "cccccccc-0000-4000-8000-000000000000"
        # One was on its way when Nova was read, and is of a later time.
        self.outbox.put(base.event(instance_uuid=C, occurred_at=60.0))
        self.put(
            *(self.repair(instance=key, occurred_at=50.0) for key in (A, B, C))
        )
        self.assertEqual({A, B, C}, self.repairs.undelivered(run))
        self.assertEqual({C}, self.repairs.overtaken(run))
        self.settle()
        self.assertEqual(set(), self.repairs.undelivered(run))
        self.outbox.put(base.event(instance_uuid=A, occurred_at=40.0))
        self.assertEqual({A, C}, self.repairs.overtaken(run))

    def test_what_was_unregistered_before_the_reading_is_kept_away(self):
        self.begin()
        final = events.Verb.UNREGISTER
        self.outbox.put(base.event(final, A, occurred_at=40.0))
        # It was deleted while Nova was read: nothing is amiss.
        self.outbox.put(base.event(final, B, occurred_at=60.0))
        self.put(
            *(self.repair(instance=key, occurred_at=50.0) for key in (A, B))
        )
        self.assertEqual(1, self.repairs.kept_away("run-1"))
        self.assertEqual(0, self.repairs.kept_away(""))

    def test_a_plan_was_allowed_once_something_of_it_was_stored(self):
        self.begin(allowed=True)
        self.assertFalse(self.repairs.was_allowed("plan-1"))
        self.put(self.repair())
        self.assertTrue(self.repairs.was_allowed("plan-1"))
        self.assertFalse(self.repairs.was_allowed("plan-2"))

    def test_runs_come_as_they_were_begun_the_latest_first(self):
        self.begin(summary={"items": 3})
        self.now += 1
        self.begin("run-2", allowed=True, verb="apply")
        second, first = self.repairs.runs()
        self.assertEqual(("run-2", True), (second.run_id, second.allowed))
        self.assertEqual({"items": 3}, first.summary)
        self.assertEqual(1000.0, first.started_at)

    def test_the_last_reading_of_each_kind_is_kept(self):
        one, two = repairs.Reading(5.0, 40), repairs.Reading(6.0, 41)
        self.assertIsNone(self.repairs.last_reading("cloud", "whole"))
        for reading in (one, two):
            self.repairs.note_reading("cloud", "whole", reading)
        self.repairs.note_reading("cloud", "poll", one)
        self.assertEqual(two, self.repairs.last_reading("cloud", "whole"))
        self.assertEqual(one, self.repairs.last_reading("cloud", "poll"))
        self.assertIsNone(self.repairs.last_reading("other", "poll"))

    def test_each_look_up_uses_an_index(self):
        for statement in (
            sql_repairs.SAME_REPAIRS,
            sql_repairs.WAITING_REPAIRS,
            sql_repairs.RECENT_REPAIRS,
            sql_repairs.BEFORE_IMAGES,
            sql_repairs.UNDELIVERED_OF_RUN,
            sql_repairs.OVERTAKEN_OF_RUN,
            sql_repairs.KEPT_AWAY,
            queries.sql.COUNT_ELSEWHERE,
        ):
            plan = outboxes.query_plan(self.path, statement).splitlines()
            for table in ("entry", "repair", "backlog", "e", "r", "x"):
                self.assertNotIn(f"SCAN {table}", plan)


class KeptTest(RepairsTestCase):
    """Repairs are kept as long as other entries, and are taken over."""

    def setUp(self):
        super().setUp()
        self.begin()

    def count(self, table):
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def test_they_go_with_their_entries(self):
        self.put(*(self.repair(instance=f"{n:036}") for n in range(250)))
        self.outbox.purge(["d"], before=2000.0)
        self.assertEqual((250, 1), (self.count("repair"), self.count("run")))
        while self.settle():
            pass
        self.outbox.purge(["d"], before=1000.0)
        self.assertEqual((250, 1), (self.count("repair"), self.count("run")))
        self.outbox.purge(["d"], before=2000.0)
        self.assertEqual((0, 0), (self.count("repair"), self.count("run")))

    def test_one_that_is_buried_stays_with_its_run(self):
        self.put(self.repair())
        self.settle(outbox.State.BURIED)
        self.put(self.repair(instance=B))
        self.settle()
        self.outbox.purge(["d"], before=2000.0)
        self.assertEqual(
            [A], [one[0] for one in self.repairs.before_images("run-1")]
        )

    def test_an_outbox_that_is_replaced_keeps_them(self):
        self.repairs.note_reading("c", "whole", repairs.Reading(1.0, 2))
        self.put(self.repair(instance=B))
        self.settle()
        self.put(self.repair())
        self.path.unlink()
        self.assertRaises(outbox.OutboxError, self.outbox.put, base.event())
        self.outbox.put(base.event())
        self.assertEqual(
            [B, A], [one[0] for one in self.repairs.before_images("run-1")]
        )
        self.assertEqual(1, self.repairs.waiting("d"))
        self.assertEqual(1, self.outbox.pending("e"))
        self.assertEqual(
            repairs.Reading(1.0, 2), self.repairs.last_reading("c", "whole")
        )

    def test_one_of_an_older_release_that_was_put_aside_is_taken_over(self):
        """The release before had no repairs; older ones no checksum."""
        for version in (3, len(schema.MIGRATIONS) - 1):
            self.outbox.close()
            self.path = self.folder / f"{version}" / "outbox.db"
            self.path.parent.mkdir()
            aside = self.path.with_name("outbox.db.broken-20260101T000000.0")
            event = base.event()
            outboxes.make_older(aside, version)
            outboxes.run_sql(
                aside,
                "INSERT INTO entry (message_id, event_type, verb,"
                " instance_uuid, occurred_at, stored_at, request_id,"
                " record) VALUES ('m', 't', 'refresh', ?, 1, 1, '', ?)",
                event.instance_uuid,
                event.record.to_json(),
            )
            aside.with_name(aside.name + ".not-taken").touch()
            self.outbox = outbox.Outbox(self.path)
            (entry,) = self.outbox.claim("d", 10).entries
            self.assertEqual(event.record, entry.event.record)
            self.assertNotIn("cannot be read", self.log.output)
