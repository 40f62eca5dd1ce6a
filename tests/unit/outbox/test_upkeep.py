# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox gets smaller again, and nobody waits for that."""

import sqlite3

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import schema, sql, transactions, upkeep
from tests import outboxes
from tests.unit import base

#: Bytes in a record, so that few of them fill the write-ahead log.
LARGE = "x" * 50_000


class UpkeepTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path, clock=lambda: 1000.0)
        self.addCleanup(self.outbox.close)

    def put(self, count, **fields):
        self.outbox.put_all([base.event(**fields) for _ in range(count)])


class LogTest(UpkeepTestCase):
    def setUp(self):
        super().setUp()
        self.put(1)
        self.reader = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.reader.close)
        self.reader.execute("BEGIN")
        self.reader.execute("SELECT count(*) FROM entry").fetchone()
        for _ in range(120):
            self.put(1, display_name=LARGE)

    def size(self):
        return self.path.with_name("outbox.db-wal").stat().st_size

    def test_after_a_long_reader_the_next_writers_cut_it(self):
        self.assertGreater(self.size(), schema.LOG_SIZE)
        self.reader.execute("ROLLBACK")
        for _ in range(transactions.COPY_LARGE_AFTER + 2):
            self.put(1)
        self.assertLessEqual(self.size(), schema.LOG_SIZE)

    def test_it_is_copied_after_so_many_rows_and_begins_anew(self):
        self.reader.execute("ROLLBACK")
        self.outbox.shrink_log()
        for _ in range(4 * transactions.COPY_AFTER):
            self.put(1)
        self.assertLessEqual(self.size(), schema.LOG_SIZE)

    def test_others_wait_for_no_copy_but_of_a_large_log(self):
        queue = self.outbox._session._transactions._queue
        waited = []
        self.patch(
            transactions,
            "copy_log",
            lambda database: waited.append(queue._is_our_turn),
        )
        self.reader.execute("ROLLBACK")
        self.patch(transactions, "COPY_LARGE_AFTER", 1)
        self.put(1)
        self.patch(transactions, "LARGE_LOG", 0)
        self.put(1)
        self.assertEqual([False, True], waited)

    def test_without_a_writer_the_daemon_empties_it(self):
        self.outbox.shrink_log()
        self.assertGreater(self.size(), schema.LOG_SIZE)
        self.reader.execute("ROLLBACK")
        self.outbox.shrink_log()
        self.assertEqual(0, self.size())
        self.put(1)
        self.assertEqual(122, self.outbox.pending("d"))

    def test_nobody_waits_while_another_writes(self):
        self.reader.execute("ROLLBACK")
        self.reader.execute("BEGIN IMMEDIATE")
        self.outbox.shrink_log()
        self.reader.execute("ROLLBACK")

    def test_an_operator_is_told_of_a_large_one(self):
        self.patch(upkeep, "LARGE_LOG", 5 * 2**20)
        self.outbox.shrink_log()
        self.assertIn(
            f"WARNING Outbox {self.path}: the write-ahead log has ",
            self.log.output,
        )


class PurgeTest(UpkeepTestCase):
    def deliver(self, state=outbox.State.DELIVERED):
        while outboxes.settle(self.outbox, state=state, reason="no"):
            pass

    def test_each_transaction_is_small_and_what_stays_is_seen_once(self):
        self.put(250)
        self.deliver(outbox.State.BURIED)
        self.put(250)
        self.deliver()
        steps = []
        self.outbox.check_writable()
        with self.outbox._session as database:
            database.set_trace_callback(steps.append)
        gone = upkeep.purge(
            self.outbox._session, ["d"], 2000.0, pause=lambda seconds: None
        )
        self.assertEqual(250, gone)
        begins = [step for step in steps if step.startswith("BEGIN")]
        # Five portions of 50 are deleted; and origins, repairs, runs.
        self.assertEqual(8, len(begins))
        deleted = [step for step in steps if "DELETE FROM entry" in step]
        self.assertEqual(250, len(deleted))

    def test_what_is_looked_up_is_found_by_an_index(self):
        self.outbox.check_writable()
        plan = outboxes.query_plan(self.path, sql.OLD)
        self.assertNotIn("SCAN entry", plan)
        self.assertNotIn("SCAN x", plan)

    def test_origins_go_in_portions_too(self):
        self.put(1)
        with self.outbox._session.transaction() as database:
            database.executemany(
                "INSERT INTO origin VALUES (?, '192.0.2.1', 1000.0)",
                [(f"req-{number}",) for number in range(250)],
            )
        self.outbox.purge(["d"], before=2000.0)
        self.assertEqual(
            [], outboxes.run_sql(self.path, "SELECT * FROM origin")
        )
