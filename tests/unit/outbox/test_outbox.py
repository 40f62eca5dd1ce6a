# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import os
import signal
import stat

from nova_dirsvc_plugin import events, outbox
from tests import outboxes, processes
from tests.unit import base

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER
A, B = "a" * 8 + "-0000-4000-8000-000000000000", "b" * 32
C = "c" * 32


class OutboxTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.path = self.folder / "outbox" / "outbox.db"
        self.outbox = outbox.Outbox(self.path, clock=lambda: self.now)
        self.addCleanup(self.outbox.close)

    def put(self, *pairs):
        for verb, instance in pairs:
            self.outbox.put(base.event(verb, instance))

    def claim(self, limit=100, directory="d"):
        return self.outbox.claim(directory, limit)

    def settle(
        self, claim, state=outbox.State.DELIVERED, directory="d", **fields
    ):
        outboxes.settle(self.outbox, directory, state, claim, **fields)

    def drain(self, directory="d"):
        """Settle all as done; give (verb, instance) in that order."""
        seen = []
        while claim := self.claim(directory=directory):
            seen += told(claim.entries)
            self.settle(claim, directory=directory)
        return seen


def told(entries):
    return [(entry.event.verb, entry.event.instance_uuid) for entry in entries]


class PutTest(OutboxTestCase):
    def test_an_event_comes_back_as_it_was_put(self):
        event = base.event(display_name="\ud800 \x00 é")
        self.assertEqual(1, self.outbox.put(event))
        (entry,) = self.claim().entries
        self.assertEqual(
            (1, event, 1000.0), (entry.number, entry.event, entry.stored_at)
        )

    def test_many_are_stored_at_once_or_none_of_them(self):
        event = base.event()
        items = [event, events.Parked({}, A, "why"), event, base.event()]
        self.assertEqual([1, 1, None, 3], self.outbox.put_all(items))
        broken = base.event(host_name=object())
        self.assertRaises(
            TypeError, self.outbox.put_all, [base.event(), broken]
        )
        self.assertEqual(2, self.outbox.pending("d"))

    def test_a_message_that_comes_twice_is_stored_once(self):
        event = base.event()
        self.outbox.put(event)
        self.assertIsNone(self.outbox.put(event))
        self.assertEqual(1, len(self.claim().entries))

    def test_folder_and_file_are_for_owner_and_group(self):
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        self.outbox.put(base.event())
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in (self.path.parent, *self.path.parent.iterdir())
        }
        self.assertEqual(
            {
                "outbox": 0o2770,
                "outbox.db": 0o660,
                "outbox.db-wal": 0o660,
                "outbox.db-shm": 0o660,
            },
            modes,
        )

    def test_four_processes_at_once_lose_nothing(self):
        writers = [
            processes.FORK.Process(target=put_many, args=(self.path, 100))
            for _ in range(4)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual([0] * 4, [writer.exitcode for writer in writers])
        self.assertEqual(400, self.outbox.pending("d"))

    def test_a_writer_killed_at_any_moment_loses_nothing_it_was_told(self):
        reader, writer = os.pipe()
        child = processes.FORK.Process(
            target=put_and_say, args=(self.path, writer)
        )
        child.start()
        os.close(writer)
        said = b""
        while len(said) < 50:
            said += os.read(reader, 1)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        while more := os.read(reader, 4096):
            said += more
        self.assertGreaterEqual(self.outbox.pending("d"), len(said))
        self.outbox.put(base.event())

    def test_what_cannot_be_understood_is_parked_once_with_its_reason(self):
        notification = {
            "message_id": "m",
            "event_type": "t",
            "payload": {1, 2},
        }
        parked = events.Parked(notification, A, "why")
        self.assertEqual(1, self.outbox.put(parked))
        self.assertIsNone(self.outbox.put(parked))
        self.assertEqual([(1, A, "why")], outboxes.parked(self.outbox))
        self.assertFalse(self.claim())


class OpenTest(OutboxTestCase):
    def refused(self):
        error = self.assertRaises(
            outbox.OutboxError, self.outbox.put, base.event()
        )
        self.assertIn(str(self.path), str(error))
        return str(error)

    def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(self):
        self.path.parent.write_text("a file in the way")
        self.assertIn("Not a directory", self.refused())

    def test_a_file_that_is_no_database_is_left_alone(self):
        self.path.parent.mkdir()
        self.path.write_text("not a database, and long enough to be one " * 9)
        self.assertIn("not a database", self.refused())

    def test_a_database_of_somebody_else_is_left_alone(self):
        self.path.parent.mkdir()
        outboxes.run_sql(self.path, "CREATE TABLE theirs (a)")
        self.assertIn("not an outbox", self.refused())

    def test_an_outbox_of_a_newer_release_asks_for_an_upgrade(self):
        self.outbox.put(base.event())
        outboxes.run_sql(self.path, "PRAGMA user_version = 99")
        self.outbox.close()
        self.assertIn("upgrade", self.refused())


class ClaimTest(OutboxTestCase):
    def test_a_turn_has_all_that_is_new_of_an_instance(self):
        self.put((REGISTER, A), (REGISTER, B), (UNREGISTER, A))
        first, second = self.claim().turns
        self.assertEqual([(REGISTER, A), (UNREGISTER, A)], told(first.entries))
        self.assertEqual([(REGISTER, B)], told(second.entries))

    def test_for_a_record_of_events_a_turn_has_one_and_the_rest_follows(self):
        self.put((REGISTER, A), (REGISTER, B), (UNREGISTER, A))
        claim = self.outbox.claim("d", 100, one_each=True)
        self.assertEqual([(REGISTER, A), (REGISTER, B)], told(claim.entries))
        self.settle(claim)
        self.assertEqual([(UNREGISTER, A)], told(self.claim().entries))

    def test_a_turn_tells_what_else_is_known_of_its_instance(self):
        self.put((REGISTER, A), (REGISTER, B))
        self.settle(self.claim())
        self.put((events.Verb.REFRESH, A))
        (turn,) = self.claim().turns
        self.assertEqual([(REGISTER, A)], told(turn.taken))

    def test_a_turn_has_all_that_was_put_off_and_what_came_since(self):
        self.put((REGISTER, A), (events.Verb.REFRESH, A))
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=1010.0)
        self.put((events.Verb.REFRESH, A))
        claim = self.claim()
        self.assertEqual(([], 1), (claim.turns, len(claim.waiting)))
        self.settle(claim)
        self.now = 1011.0
        self.put((UNREGISTER, A))
        (turn,) = self.claim().turns
        self.assertEqual([1, 2, 3, 4], [one.number for one in turn.entries])

    def test_nothing_of_an_instance_that_is_under_way_is_returned(self):
        self.put((REGISTER, A), (REGISTER, B), (REGISTER, C))
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=1010.0)
        self.now = 1011.0
        first = self.claim(limit=4)
        self.assertEqual([(REGISTER, A), (REGISTER, B)], told(first.entries))
        second = self.outbox.claim("d", 4, under_way=first)
        self.assertEqual([(REGISTER, C)], told(second.entries))
        self.settle(first)
        self.settle(second)
        self.assertFalse(self.claim())

    def test_a_second_removal_that_is_under_way_is_not_returned(self):
        self.put((UNREGISTER, A))
        self.settle(self.claim(), outbox.State.CONFIRM, not_before=1010.0)
        self.now = 1011.0
        first = self.claim()
        self.assertEqual([(UNREGISTER, A)], told(first.entries))
        self.put((events.Verb.RESTORE, A))
        self.assertFalse(self.outbox.claim("d", 100, under_way=first))

    def test_what_waits_behind_one_that_was_put_off_is_under_way_too(self):
        self.put((REGISTER, A))
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=1010.0)
        self.put((events.Verb.REFRESH, A))
        first = self.claim()
        self.assertEqual(1, len(first.waiting))
        self.now = 1011.0
        self.put((UNREGISTER, A))
        self.assertFalse(self.outbox.claim("d", 100, under_way=first))

    def test_nothing_is_under_way_in_files_that_were_opened_since(self):
        self.put((REGISTER, A))
        first = self.claim()
        self.outbox.close()
        error = self.assertRaises(
            outbox.OutboxError, self.outbox.claim, "d", 100, under_way=first
        )
        self.assertIn("was replaced", str(error))

    def test_what_is_new_after_an_instance_that_is_under_way_waits(self):
        self.put((REGISTER, A))
        first = self.claim()
        self.put((REGISTER, B), (UNREGISTER, A), (REGISTER, C))
        second = self.outbox.claim("d", 100, under_way=first)
        self.assertEqual([(REGISTER, B)], told(second.entries))
        self.settle(first)
        self.settle(second)
        self.assertEqual(
            [(UNREGISTER, A), (REGISTER, C)], told(self.claim().entries)
        )

    def test_novas_time_of_an_event_is_kept_whatever_the_clock_here(self):
        self.outbox.put(base.event(occurred_at=self.now + 1e9))
        (turn,) = self.claim().turns
        self.assertEqual(1e9, turn.entries[0].ahead)
        self.assertEqual(86400.0, turn.horizon - self.now)

    def test_the_clock_here_refutes_only_what_others_leave_alone(self):
        """Where all events are ahead, it is our own clock that is wrong."""
        for ahead in (3600.0, 3700.0):
            self.outbox.put(
                base.event(REGISTER, A, occurred_at=self.now + ahead)
            )
        self.assertEqual([False] * 2, [one.refuted for one in self.history()])
        self.outbox.put(base.event(REGISTER, A, occurred_at=self.now))
        self.assertEqual(
            [True, True, False], [one.refuted for one in self.history()]
        )

    def history(self):
        (turn,) = self.claim().turns
        return turn.entries

    def test_a_clock_that_is_set_back_delays_nothing_that_waits(self):
        self.now = 5000.0
        self.put((REGISTER, A), (REGISTER, B))
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=5005.0)
        for back in (4996.0, 4400.0, 1.0):
            self.now = back
            self.assertEqual(
                [(REGISTER, A), (REGISTER, B)], told(self.claim().entries)
            )
        self.now = 5001.0
        self.assertFalse(self.claim())

    def test_a_clock_that_is_set_back_is_known_to_a_removal_to_confirm(self):
        self.now = 5000.0
        self.put((UNREGISTER, A))
        self.settle(self.claim(), outbox.State.CONFIRM, not_before=5120.0)
        self.now = 4000.0
        (turn,) = self.claim().turns
        self.assertEqual(
            (True, True), (turn.confirm, turn.entries[0].set_back)
        )

    def test_what_was_refused_is_not_known_but_that_it_was_deleted_is(self):
        self.put((REGISTER, A))
        self.settle(self.claim(), outbox.State.BURIED)
        self.put((UNREGISTER, A))
        self.settle(self.claim(), outbox.State.BURIED)
        self.put((REGISTER, A))
        (turn,) = self.claim().turns
        self.assertEqual(
            ([], [(UNREGISTER, A)]), (turn.taken, told(turn.removals))
        )

    def test_a_removal_to_confirm_comes_when_it_is_time(self):
        self.put((UNREGISTER, A), (REGISTER, B))
        self.settle(self.claim(), outbox.State.CONFIRM, not_before=1060.0)
        self.assertEqual(0, self.outbox.pending("d"))
        self.assertFalse(self.claim())
        self.now = 1061.0
        first, second = self.claim().turns
        self.assertTrue(first.confirm and second.confirm)

    def test_a_removal_to_confirm_holds_back_nothing(self):
        self.put((UNREGISTER, A))
        self.settle(self.claim(), outbox.State.CONFIRM, not_before=1060.0)
        self.put((events.Verb.RESTORE, A))
        (turn,) = self.claim().turns
        self.assertFalse(turn.confirm)

    def test_the_origin_of_a_request_is_joined_to_all_it_caused(self):
        self.put((REGISTER, A), (REGISTER, B))
        request = "req-8217bf15-5838-4524-872f-3592fa99abb3"
        self.outbox.put(events.Origin(request, "192.0.2.7"))
        self.outbox.put(events.Origin(request, "192.0.2.8"))
        self.assertEqual(
            ["192.0.2.7"] * 2,
            [
                entry.event.record.user_remote_address
                for entry in self.claim().entries
            ],
        )

    def test_what_is_dropped_while_it_is_in_hand_stays_dropped(self):
        self.put((REGISTER, A))
        self.settle(self.claim(), outbox.State.DEFERRED)
        claim = self.claim()
        outboxes.run_sql(self.path, "DELETE FROM backlog")
        self.settle(claim, outbox.State.DEFERRED)
        self.assertEqual(0, self.outbox.pending("d"))

    def test_what_was_dropped_is_not_how_things_stand(self):
        self.put((REGISTER, A))
        self.settle(self.claim(), outbox.State.BURIED)
        outboxes.run_sql(self.path, "DELETE FROM backlog")
        outboxes.run_sql(self.path, "UPDATE journal SET state = 'dropped'")
        self.put((REGISTER, A))
        (turn,) = self.claim().turns
        self.assertEqual(([], []), (turn.taken, turn.removals))

    def test_a_claim_that_is_not_settled_comes_again(self):
        self.put((REGISTER, A))
        self.assertEqual(self.claim(), self.claim())

    def test_each_directory_has_its_own_progress(self):
        self.put((REGISTER, A), (REGISTER, B))
        self.settle(self.claim(), directory="d")
        self.assertEqual(2, len(self.claim(directory="other").entries))
        self.assertFalse(self.claim(directory="d"))

    def test_a_claim_is_no_larger_than_asked_for(self):
        self.put(*[(REGISTER, str(number)) for number in range(10)])
        self.assertEqual(4, len(self.claim(limit=4).entries))
        self.assertEqual(10, len(self.drain()))

    def test_a_deferred_entry_holds_back_its_instance_and_no_other(self):
        self.put((REGISTER, A))
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=1010.0)
        self.put((UNREGISTER, A), (REGISTER, B))
        self.assertEqual([(REGISTER, B)], self.drain())
        self.now = 1011.0
        self.assertEqual([(REGISTER, A), (UNREGISTER, A)], self.drain())

    def test_counts_of_a_deferred_entry_come_back_with_it(self):
        self.put((REGISTER, A))
        self.settle(
            self.claim(), outbox.State.DEFERRED, attempts=2, deferrals=3
        )
        (entry,) = self.claim().entries
        self.assertEqual((2, 3), (entry.attempts, entry.deferrals))

    def test_a_buried_entry_holds_back_nothing_and_is_listed(self):
        self.put((REGISTER, A))
        self.settle(self.claim(), outbox.State.BURIED, reason="no")
        self.put((UNREGISTER, A))
        self.assertEqual([(UNREGISTER, A)], self.drain())
        ((entry, reason),) = outboxes.buried(self.outbox, "d")
        self.assertEqual((REGISTER, "no"), (entry.event.verb, reason))
        self.assertEqual(0, self.outbox.pending("d"))

    def test_half_the_room_is_for_what_is_new(self):
        self.put(*[(REGISTER, f"old {number}") for number in range(10)])
        self.settle(self.claim(), outbox.State.DEFERRED)
        self.put(*[(REGISTER, f"new {number}") for number in range(10)])
        names = [name for _, name in told(self.claim(limit=8).entries)]
        self.assertEqual(4, sum(name.startswith("new") for name in names))
        self.assertEqual(8, len(names))

    def test_what_was_put_off_most_often_comes_last(self):
        self.put((REGISTER, A), (REGISTER, B))
        first = self.claim()
        self.outbox.settle(
            "d",
            first,
            [
                outbox.Settlement(
                    entry, outbox.State.DEFERRED, deferrals=count
                )
                for entry, count in zip(first.entries, (7, 2), strict=True)
            ],
        )
        self.put((REGISTER, "new"))
        names = [name for _, name in told(self.claim().entries)]
        self.assertEqual(["new", B, A], names)

    def test_a_clock_that_went_back_blocks_nothing(self):
        self.now = 1_000_000.0
        self.put((REGISTER, A))
        self.settle(
            self.claim(), outbox.State.DEFERRED, not_before=self.now + 5
        )
        self.assertFalse(self.claim())
        self.now -= 86_400
        self.assertEqual([(REGISTER, A)], self.drain())

    def test_changes_move_when_another_writes(self):
        before = self.outbox.changes()
        outbox.Outbox(self.path).put(base.event())
        self.assertNotEqual(before, self.outbox.changes())


class PurgeTest(OutboxTestCase):
    def test_only_what_is_old_and_done_everywhere_goes(self):
        self.put((REGISTER, A), (REGISTER, B))
        self.drain("d")
        self.now = 2000.0
        self.put((REGISTER, "young"))
        self.assertEqual(0, self.outbox.purge(["d", "e"], before=1500.0))
        self.drain("e")
        self.assertEqual(2, self.outbox.purge(["d", "e"], before=1500.0))

    def test_what_another_process_has_still_to_deliver_stays(self):
        self.put((REGISTER, A))
        self.drain("d")
        self.drain("theirs")
        self.put((REGISTER, B))
        self.drain("d")
        self.assertEqual(1, self.outbox.purge(["d"], before=9e9))
        self.assertEqual([(REGISTER, B)], self.drain("theirs"))

    def test_a_great_many_go_in_small_portions(self):
        self.put(*[(REGISTER, str(number)) for number in range(1200)])
        self.drain()
        self.assertEqual(1200, self.outbox.purge(["d"], before=9e9))

    def test_what_is_buried_stays(self):
        self.put((REGISTER, A))
        self.settle(self.claim(), outbox.State.BURIED, reason="no")
        self.assertEqual(0, self.outbox.purge(["d"], before=9e9))
        self.assertEqual(1, len(outboxes.buried(self.outbox, "d")))

    def test_numbers_are_never_used_again(self):
        self.put((REGISTER, A))
        self.drain()
        self.outbox.purge(["d"], before=9e9)
        self.assertEqual(2, self.outbox.put(base.event()))


def put_many(path, count):
    box = outbox.Outbox(path, busy_timeout=60)
    for _ in range(count):
        box.put(base.event())


def put_and_say(path, descriptor):
    box = outbox.Outbox(path)
    while True:
        box.put(base.event())
        os.write(descriptor, b".")
