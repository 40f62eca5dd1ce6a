# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An outbox whose files are removed, replaced or emptied while it is used."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import uuid

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.outbox import admin, rescue
from tests import outboxes, processes
from tests.unit import base


def remove(*names):
    def change(folder):
        for name in names:
            (folder / name).unlink()

    return change


def rename(*names):
    def change(folder):
        (folder / "elsewhere").mkdir()
        for name in names:
            (folder / name).rename(folder / "elsewhere" / name)

    return change


def truncate(*names, size=0):
    def change(folder):
        for name in names:
            os.truncate(folder / name, size)

    return change


def restore(folder):
    shutil.copy(folder / "outbox.db", folder / "copy")
    (folder / "copy").replace(folder / "outbox.db")


def move_folder(folder):
    folder.rename(folder.with_name("moved"))


MAIN, LOG, INDEX = ALL = "outbox.db", "outbox.db-wal", "outbox.db-shm"

#: Stores an event as a process does that has just started.
STRANGER = """
import sys
from nova_dirsvc_plugin import events, outbox
_, path, instance = sys.argv
outbox.Outbox(path).put(
    events.Event(
        message_id=instance,
        event_type="instance.create.end",
        verb=events.Verb.REGISTER,
        occurred_at=1.0,
        request_id="",
        record=events.HostRecord(instance_uuid=instance),
    )
)
"""

#: Name -> what is done, what an operator reads.
READABLE = {
    "main removed": (remove(MAIN), "outbox.db was removed"),
    "log removed": (remove(LOG), "outbox.db-wal was removed"),
    "index removed": (remove(INDEX), "outbox.db-shm was removed"),
    "log and index removed": (remove(LOG, INDEX), "-wal was removed"),
    "all removed": (remove(*ALL), "outbox.db was removed"),
    "main renamed": (rename(MAIN), "outbox.db was removed"),
    "log renamed": (rename(LOG), "outbox.db-wal was removed"),
    "all renamed": (rename(*ALL), "outbox.db was removed"),
    "folder renamed": (move_folder, "outbox.db was removed"),
    "main restored": (restore, "outbox.db was replaced"),
}
DAMAGED = {
    "main emptied": (truncate(MAIN), "outbox.db was emptied"),
    "log emptied": (truncate(LOG), "outbox.db-wal was truncated"),
    "log cut": (truncate(LOG, size=9000), "outbox.db-wal was truncated"),
    "all emptied": (truncate(*ALL), "outbox.db was emptied"),
}


class ReplacedTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.begin("outbox")

    def begin(self, name):
        """Use another folder; its outbox is open twice."""
        self.path = self.folder / name / "outbox.db"
        self.outbox, self.other = self.opened(), self.opened()

    def each(self, table):
        for name, (change, words) in table.items():
            self.begin(name.replace(" ", "-"))
            yield name, change, words

    def opened(self):
        box = outbox.Outbox(self.path)
        self.addCleanup(box.close)
        return box

    def put(self, box):
        """Store an event as a writer does that tries again."""
        event = base.event()
        try:
            box.put(event)
        except outbox.OutboxError:
            box.put(event)
        return event.instance_uuid

    def stored(self):
        return {
            entry.event.instance_uuid
            for entry in self.opened().claim("d", 1000).entries
        }


class EveryFaultTest(ReplacedTestCase):
    def test_nothing_is_lost_that_a_process_still_reads(self):
        for name, change, _ in self.each(READABLE):
            known = {self.put(self.outbox), self.put(self.other)}
            change(self.path.parent)
            for _ in range(3):
                known |= {self.put(self.outbox), self.put(self.other)}
            self.assertEqual(known, self.stored(), name)

    def test_the_next_write_fails_and_the_log_says_what_was_done(self):
        for name, change, words in self.each(READABLE):
            self.put(self.outbox)
            change(self.path.parent)
            error = self.assertRaises(
                outbox.OutboxError, self.outbox.put, base.event()
            )
            self.assertIn(words, str(error), name)
            self.outbox.put(base.event())
            (line,) = [
                line
                for line in self.log.output.splitlines()
                if line.startswith(f"ERROR Outbox {self.path}: ")
                and "taken over" in line
            ]
            self.assertIn(words, line)
            self.assertIn("1 undelivered entries were taken over", line)

    def test_a_settlement_goes_to_no_other_file_than_the_claim(self):
        for name, change, _ in self.each(READABLE):
            self.put(self.outbox)
            claim = self.outbox.claim("d", 100)
            change(self.path.parent)
            known = {self.put(self.other) for _ in range(3)}
            self.assertRaises(outbox.OutboxError, self.settle, claim)
            self.put(self.outbox)
            self.assertRaises(outbox.OutboxError, self.settle, claim)
            self.assertLessEqual(known, self.stored(), name)

    def settle(self, claim):
        outboxes.settle(self.outbox, claim=claim)

    def test_a_process_that_starts_meanwhile_mixes_nothing(self):
        for name, change, _ in self.each(READABLE):
            if change is restore:
                continue
            known = {self.put(self.outbox)}
            change(self.path.parent)
            instance = str(uuid.uuid4())
            subprocess.run(
                [sys.executable, "-c", STRANGER, self.path, instance],
                check=True,
                stderr=subprocess.DEVNULL,
            )
            known.add(instance)
            known |= {self.put(self.outbox), self.put(self.other)}
            self.assertEqual(known, self.stored(), name)

    def test_after_damage_the_next_is_stored_and_the_log_has_the_loss(self):
        for name, change, words in self.each(DAMAGED):
            self.put(self.outbox)
            change(self.path.parent)
            known = {self.put(box) for box in (self.outbox, self.other) * 3}
            self.assertLessEqual(known, self.stored(), name)
            self.assertIn(
                f"ERROR Outbox {self.path}: {words}", self.log.output
            )
        self.assertIn("there now. The others cannot be", self.log.output)

    def test_a_truncated_index_ends_no_process_and_loses_nothing(self):
        known = {self.put(self.outbox)}

        def child():
            self.put(self.other)
            truncate(INDEX)(self.path.parent)
            self.put(self.other)

        self.assertEqual(0, processes.forked(child))
        known.add(self.put(self.outbox))
        self.assertLessEqual(known, self.stored())
        self.assertEqual(4, len(self.stored()))


class OverwrittenTest(ReplacedTestCase):
    def overwritten(self, change):
        """Have it grow, change it, and return what is known then."""
        self.put(self.outbox)
        known = {self.put(self.outbox) for _ in range(100)}
        outboxes.run_sql(self.path, "PRAGMA wal_checkpoint(TRUNCATE)")
        known |= {self.put(box) for box in (self.outbox, self.other)}
        change()
        error = self.assertRaises(
            outbox.OutboxError, self.outbox.put, base.event()
        )
        self.assertIn("outbox.db was truncated or overwritten", str(error))
        return known

    def test_a_smaller_copy_over_an_open_file_is_noticed(self):
        def overwrite():
            subprocess.run(["cp", copy, self.path], check=True)

        copy = self.folder / "copy"
        self.put(self.outbox)
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            database.execute("VACUUM INTO ?", [str(copy)])
        self.overwritten(overwrite)
        later = {self.put(box) for box in (self.outbox, self.other) * 3}
        self.assertLessEqual(later, self.stored())

    def test_a_file_that_was_cut_is_noticed(self):
        self.overwritten(lambda: os.truncate(self.path, 4096))
        later = {self.put(box) for box in (self.outbox, self.other) * 3}
        self.assertLessEqual(later, self.stored())

    def test_a_vacuum_by_an_operator_loses_nothing(self):
        def vacuum():
            with contextlib.closing(
                sqlite3.connect(self.path, isolation_level=None)
            ) as database:
                database.execute("VACUUM")
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        self.outbox.put_all(base.event() for _ in range(500))
        outboxes.settle(self.outbox)
        with self.outbox._session.transaction() as database:
            database.execute("DELETE FROM entry")
        known = self.overwritten(vacuum)
        known |= {self.put(box) for box in (self.outbox, self.other) * 3}
        self.assertLessEqual(known, self.stored())


class TakenOverTest(ReplacedTestCase):
    def test_what_was_delivered_everywhere_is_left_behind(self):
        self.put(self.outbox)
        outboxes.settle(self.outbox)
        waits = self.put(self.outbox)
        remove(MAIN)(self.path.parent)
        self.assertEqual({waits, self.put(self.outbox)}, self.stored())

    def test_a_new_one_that_is_replaced_meanwhile_is_taken_over(self):
        known = {self.put(self.outbox)}
        remove(*ALL)(self.path.parent)
        report = rescue._report

        def replaced(*arguments):
            rescue._report = report
            remove(*ALL)(self.path.parent)
            instance = str(uuid.uuid4())
            subprocess.run(
                [sys.executable, "-c", STRANGER, self.path, instance],
                check=True,
            )
            known.add(instance)
            report(*arguments)

        self.patch(rescue, "_report", replaced)
        event = base.event()
        for words in ("was removed", "was replaced"):
            error = self.assertRaises(
                outbox.OutboxError, self.outbox.put, event
            )
            self.assertIn(words, str(error))
        self.outbox.put(event)
        known.add(event.instance_uuid)
        self.assertEqual(known, self.stored())

    def test_an_instance_is_taken_over_with_all_its_events(self):
        event = base.event()
        self.outbox.put(event)
        outboxes.settle(self.outbox)
        self.outbox.put(base.event(events.Verb.REFRESH, event.instance_uuid))
        self.outbox.put(events.Origin(event.request_id, "192.0.2.7"))
        remove(MAIN)(self.path.parent)
        self.put(self.outbox)
        first, second, _ = self.opened().claim("d", 100).entries
        self.assertEqual(event.message_id, first.event.message_id)
        self.assertEqual("192.0.2.7", second.event.record.user_remote_address)

    def test_what_is_buried_or_parked_is_taken_over(self):
        buried = self.put(self.outbox)
        outboxes.settle(self.outbox, state=outbox.State.BURIED)
        self.outbox.put(events.Parked({"message_id": "m"}, "i", "why"))
        remove(MAIN)(self.path.parent)
        self.assertEqual({buried, self.put(self.outbox)}, self.stored())
        self.assertEqual([(1, "i", "why")], outboxes.parked(self.outbox))

    def test_a_row_that_no_outbox_can_have_is_left_behind(self):
        known = [self.put(self.outbox) for _ in range(3)]
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            for statement in (
                "PRAGMA writable_schema = ON",
                "UPDATE sqlite_master SET sql ="
                " replace(sql, 'record TEXT NOT NULL', 'record TEXT')",
                "PRAGMA schema_version = 1000",
                "UPDATE entry SET record = NULL WHERE number = 2",
            ):
                database.execute(statement)
            database.commit()
        self.outbox.changes()
        remove(INDEX)(self.path.parent)
        later = self.put(self.outbox)
        self.assertEqual({known[0], known[2], later}, self.stored())
        self.assertIn("NOT NULL constraint failed: entry", self.log.output)

    def test_what_is_left_over_stays_beside_it_under_another_name(self):
        known = self.put(self.outbox)
        remove(LOG)(self.path.parent)
        self.put(self.outbox)
        (aside,) = self.path.parent.glob("outbox.db.broken-*[0-9]")
        (entry,) = outbox.Outbox(aside).claim("d", 100).entries
        self.assertEqual(known, entry.event.instance_uuid)

    def test_an_operator_is_told_and_changes_nothing(self):
        self.put(self.outbox)
        remove(LOG)(self.path.parent)
        manage = admin.OutboxAdmin(self.path)
        error = self.assertRaises(outbox.OutboxError, manage.retry, [None])
        self.assertIn("outbox.db-wal was removed", str(error))
        self.assertFalse((self.path.parent / LOG).exists())
