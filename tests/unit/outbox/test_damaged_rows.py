# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A row that a disk or a faulty program has changed stops nothing."""

import itertools
import pathlib
import types

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import log, memory
from tests import outboxes
from tests.unit import base

COLUMNS = (
    "message_id",
    "event_type",
    "verb",
    "instance_uuid",
    "occurred_at",
    "stored_at",
    "request_id",
    "record",
)
VALUES = (
    "soon",
    "unregister",
    b"\xff",
    b"",
    9e999,
    -9e999,
    1,
    2.5,
    2**62,
    "",
    "\x00",
    "[" * 100_000,
    '{"version": "1.0"}',
    '{"version": "1.0", "instance_uuid": 5}',
    '{"version": "1.0", "instance_uuid": "other"}',
)

#: Column of the backlog -> a value that it never has.
BACKLOG = {
    "attempts": "many",
    "deferrals": b"\xff",
    "not_before": "soon",
    "instance_uuid": "nobody",
}


class DamagedRowsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path)
        self.addCleanup(self.outbox.close)

    def put(self, count=1):
        items = [base.event() for _ in range(count)]
        self.outbox.put_all(items)
        return [item.instance_uuid for item in items]

    def defer(self):
        """Claim what there is, and put it off."""
        outboxes.settle(self.outbox, state=outbox.State.DEFERRED)

    def change(self, statement, *values):
        outboxes.run_sql(self.path, statement, *values)

    def delivered(self, directory):
        steps = dispatcher.Dispatcher(
            "d", directory, self.outbox, retry.Settings()
        )
        while steps.step():
            pass

    def damaged(self):
        """Put a good event after each damaged one; return the good ones."""
        damage = list(itertools.product(COLUMNS, VALUES))
        instances = self.put(2 * len(damage))
        for number, (column, value) in enumerate(damage):
            self.change(
                f"UPDATE entry SET {column} = ? WHERE number = ?",
                value,
                2 * number + 1,
            )
        return instances[1::2]

    def check_buried(self):
        found = outboxes.items(self.path, "d", outbox.State.BURIED)
        self.assertEqual(
            list(range(1, 2 * len(COLUMNS) * len(VALUES), 2)),
            [item.number for item in found],
        )
        self.assertEqual(
            [], [one for one in found if "damaged" not in one.reason]
        )

    def test_any_change_buries_its_row_and_delays_no_other(self):
        good = self.damaged()
        directory = memory.MemoryDirectory(None, "nova")
        self.delivered(directory)
        self.assertEqual(set(good), set(directory.content))
        self.check_buried()

    def test_a_log_gets_all_others_too(self):
        good = self.damaged()
        path = self.folder / "log"
        options = types.SimpleNamespace(path=str(path), time_zone="utc")
        self.delivered(log.LogDirectory(options, "nova"))
        lines = pathlib.Path(path).read_text().splitlines()
        self.assertEqual(len(good), len(lines))
        self.check_buried()

    def test_a_row_without_a_checksum_has_to_agree_with_its_record(self):
        self.put(2)
        self.change("UPDATE entry SET checksum = NULL")
        self.change("UPDATE entry SET instance_uuid = 'b' WHERE number = 1")
        first, second = self.outbox.claim("d", 10).entries
        self.assertIn("two instances", first.unreadable)
        self.assertFalse(second.unreadable)

    def test_to_unregister_a_uuid_is_enough_of_a_later_release(self):
        event = base.event(events.Verb.UNREGISTER)
        self.outbox.put(event)
        self.change("UPDATE entry SET checksum = NULL, record = '{'")
        (entry,) = self.outbox.claim("d", 10).entries
        self.assertFalse(entry.unreadable)
        self.assertEqual(event.instance_uuid, entry.event.instance_uuid)

    def test_the_backlog_can_be_damaged_as_well(self):
        for column, value in BACKLOG.items():
            self.put()
            self.defer()
            self.change(
                f"UPDATE backlog SET {column} = ?"
                " WHERE number = (SELECT max(number) FROM backlog)",
                value,
            )
        good = self.put()
        directory = memory.MemoryDirectory(None, "nova")
        self.delivered(directory)
        self.assertLessEqual(set(good), set(directory.content))
        self.assertEqual(0, self.outbox.pending("d"))
        ((entry, reason),) = outboxes.buried(self.outbox, "d")
        self.assertEqual(len(BACKLOG), entry.number)
        self.assertIn("damaged", reason)

    def test_an_entry_that_is_gone_holds_nobody(self):
        self.put(2)
        self.defer()
        self.change("DELETE FROM entry WHERE number = 1")
        directory = memory.MemoryDirectory(None, "nova")
        self.delivered(directory)
        self.assertEqual(1, len(directory.content))
        self.assertEqual(0, self.outbox.pending("d"))
