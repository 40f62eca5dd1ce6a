# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An outbox of a release before is taken over with all that it holds."""

import itertools
import sqlite3

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.outbox import admin, queries
from tests import outboxes
from tests.unit import base

#: Number -> state, deferrals and reason as version 2 had them, and the state
#: now. An entry without a state is in no table but ``entry``.
ENTRIES = {
    1: ("buried", 5, "no such class", "buried"),
    2: ("deferred", 2, "busy", "deferred"),
    3: ("deferred", 0, "", "waiting"),
    4: ("repeat", 0, "", "confirm"),
    5: (None, 0, "", "delivered"),
    6: (None, 0, "", "skipped"),
    7: (None, 0, "", "dropped"),
}
POSITION = 7


class MigrationTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"

    def make(self, version):
        """Make an outbox as an older release left it."""
        outboxes.make_older(self.path, version)
        return sqlite3.connect(self.path)

    def put(self, database, number):
        event = base.event(instance_uuid=f"{number:032x}")
        database.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                event.message_id,
                event.event_type,
                event.verb,
                event.instance_uuid,
                event.occurred_at,
                1000.0,
                event.request_id,
                event.record.to_json(),
            ),
        )

    def make_with_every_state(self):
        with self.make(2) as database:
            for number, (state, deferrals, reason, now) in ENTRIES.items():
                self.put(database, number)
                if state:
                    database.execute(
                        "INSERT INTO exception VALUES"
                        " ('d', ?, ?, ?, 1, ?, 0, ?)",
                        (number, f"{number:032x}", state, deferrals, reason),
                    )
                else:
                    database.execute(
                        "INSERT INTO journal VALUES (?, 'd', ?, '', 1, 1, 1)",
                        (number, now),
                    )
            database.execute(
                "INSERT INTO journal VALUES (2, 'd', 'retried', '', 1, 1, 1)"
            )
            database.execute("INSERT INTO position VALUES ('d', ?)", (7,))
            self.put(database, POSITION + 1)

    def test_every_state_is_what_it_was_under_its_new_word(self):
        self.make_with_every_state()
        outbox.Outbox(self.path).check_writable()
        with admin.OutboxAdmin(self.path).snapshot() as database:
            found = queries.items(database, ["d"], queries.EVERY)
            (note,) = queries.journal(database, 2)
        self.assertEqual(
            {number: state for number, (*_, state) in ENTRIES.items()}
            | {POSITION + 1: "waiting"},
            {item.number: item.state for item in found},
        )
        self.assertEqual(
            ("waiting", "retried by an operator"), (note.state, note.reason)
        )

    def test_what_is_open_is_delivered_and_what_is_not_stays(self):
        self.make_with_every_state()
        box = outbox.Outbox(self.path, clock=lambda: 2000.0)
        due = {
            entry.number: turn.confirm
            for turn in box.claim("d", 100).turns
            for entry in turn.entries
        }
        self.assertEqual({2: False, 3: False, 4: True, 8: False}, due)

    def test_an_outbox_of_the_first_version_is_brought_up_to_date(self):
        with self.make(1) as database:
            self.put(database, 1)
        box = outbox.Outbox(self.path)
        box.put(base.event(events.Verb.REFRESH))
        self.assertEqual(2, box.pending("d"))

    def test_each_statement_of_a_claim_uses_its_index(self):
        """A claim that reads what is buried grows with it."""
        box = outbox.Outbox(self.path)
        box.check_writable()
        for statement, index in (
            (queries.sql.DUE, "backlog_due"),
            (queries.sql.DUE_DAMAGED, "backlog_due"),
            (queries.sql.DUE_NO_TIME, "backlog_due"),
            (queries.sql.DUE_SET_BACK, "backlog_set_back"),
            (queries.sql.CONFIRM_SET_BACK, "backlog_confirm_set_back"),
            (queries.sql.LATEST, "entry_stored"),
            (queries.sql.OPEN, "backlog_instance"),
            (queries.sql.FRESH, "backlog_instance"),
            (queries.sql.CONFIRM, "backlog_confirm"),
            (queries.sql.NUMBERS, "entry_instance"),
            (queries.sql.NUMBERS_BEYOND, "entry_instance"),
            (queries.sql.NUMBERS_BEYOND, "entry_removal"),
            (queries.sql.HISTORY, "INTEGER PRIMARY KEY"),
            (queries.sql.WAKE, "backlog_instance"),
            (queries.sql.ITEMS, "backlog_state"),
            (queries.sql.ITEMS_LATEST, "backlog_latest"),
            (queries.sql.ITEMS_OF_INSTANCE, "entry_instance"),
            (queries.sql.COUNT_BACKLOG, "backlog_state"),
            (queries.sql.DIRECTORIES, "tally"),
        ):
            plan = outboxes.query_plan(self.path, statement)
            self.assertIn(index, plan)
            for table in ("backlog", "x", "e", "s"):
                self.assertNotRegex(plan, rf"SCAN {table}\b")
            if statement in (queries.sql.ITEMS, queries.sql.ITEMS_LATEST):
                self.assertNotIn("TEMP B-TREE", plan)

    def test_what_is_open_is_counted_as_it_changes(self):
        box = outbox.Outbox(self.path)
        box.put_all([base.event() for _ in range(60)])
        states = itertools.cycle(
            (
                outbox.State.BURIED,
                outbox.State.DEFERRED,
                outbox.State.CONFIRM,
                outbox.State.DEFERRED,
                outbox.State.DELIVERED,
            )
        )
        for _ in range(12):
            claim = box.claim("d", 20)
            box.settle(
                "d",
                claim,
                [
                    outbox.Settlement(one, next(states))
                    for one in claim.entries
                ],
            )
            found = outboxes.run_sql(
                self.path,
                "SELECT directory, state, count(*) FROM backlog"
                " GROUP BY 1, 2 ORDER BY 1, 2",
            )
            self.assertEqual(
                found,
                outboxes.run_sql(
                    self.path,
                    "SELECT * FROM tally WHERE entries ORDER BY 1, 2",
                ),
            )
