# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An operator can look at rows that a disk has changed."""

from tests import outboxes
from tests.unit import base as unit
from tests.unit.cmd.manage import base

#: Table -> its columns that are changed, each to bytes that are no text.
COLUMNS = {
    "entry": "event_type verb occurred_at stored_at request_id record",
    "backlog": "attempts deferrals not_before reason",
    "journal": "times first_at last_at",
    "parked": "event_type stored_at reason notification",
}


class DamagedRowsTest(base.ManageTestCase):
    def test_every_listing_shows_what_is_there(self):
        self.defer(unit.event(instance_uuid=base.A))
        self.bury(unit.event(instance_uuid=base.A))
        self.put(unit.event(instance_uuid=base.A))
        self.park({"message_id": "m"}, base.A)
        for table, columns in COLUMNS.items():
            for column in columns.split():
                outboxes.run_sql(
                    self.path, f"UPDATE {table} SET {column} = x'ff'"
                )
                for command in (
                    ("outbox", "list", "--all"),
                    ("outbox", "show", "1"),
                    ("outbox", "show", "parked-1"),
                    ("outbox", "status"),
                    ("history", base.A),
                ):
                    status, out, err = self.manage(*command)
                    # Nobody delivers, and that is said in the same way.
                    wanted = 3 if command[-1] == "status" else 0
                    self.assertEqual((wanted, ""), (status, err), command)
                    self.assertTrue(out)
