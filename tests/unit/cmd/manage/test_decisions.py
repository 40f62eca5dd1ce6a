# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import json

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.notifications import reader
from nova_dirsvc_plugin.outbox import admin, queries
from tests import outboxes, recordings
from tests.unit import base
from tests.unit.cmd.manage.base import A, ManageTestCase


class DecidingTestCase(ManageTestCase):
    def due(self, directory="log"):
        """Return number, attempts and deferrals of what is due."""
        return [
            (entry.number, entry.attempts, entry.deferrals)
            for turn in self.outbox.claim(directory, 1000).turns
            for entry in turn.entries
        ]

    def decisions(self, *whats):
        """Return the journal's notes of these kinds."""
        return outboxes.run_sql(
            self.path,
            "SELECT number, directory, state FROM journal"
            " WHERE state IN (SELECT value FROM json_each(?))"
            " ORDER BY number, directory",
            json.dumps(whats),
        )

    def park_real(self, version="2.0"):
        """Park alice's boot as a release that is too old for it does."""
        ctxt, message = recordings.create_end(A)
        payload = message["payload"]
        good = payload["nova_object.version"]
        payload["nova_object.version"] = version
        parked = reader.NotificationReader().read(ctxt, message)
        self.put(parked)
        return message["message_id"], good

    def rewrite(self, **states):
        """Change what is stored of the parked notification's payload."""
        ((text,),) = outboxes.run_sql(
            self.path, "SELECT notification FROM parked"
        )
        notification = json.loads(text)
        notification["payload"].update(states)
        outboxes.run_sql(
            self.path,
            "UPDATE parked SET notification = ?",
            json.dumps(notification),
        )


class RetryTest(DecidingTestCase):
    def test_a_buried_entry_is_due_again_with_all_its_attempts(self):
        self.bury(base.event(instance_uuid=A))
        self.assertEqual([], self.due())
        self.assertEqual(
            (
                0,
                f"1, directory log, register, instance {A}:"
                " to be delivered again\n",
                "",
            ),
            self.manage("outbox", "retry", 1),
        )
        self.assertEqual([(1, 0, 0)], self.due())
        self.assertEqual([(1, "log", "waiting")], self.listed())
        self.assertEqual([(1, "log", "waiting")], self.decisions("waiting"))

    def test_a_deferred_entry_is_due_now_and_keeps_its_counts(self):
        self.defer(base.event())
        self.assertEqual([], self.due())
        self.assertEqual(0, self.manage("outbox", "retry", 1)[0])
        self.assertEqual([(1, 1, 2)], self.due())

    def test_what_a_deferred_entry_waits_for_is_due_too(self):
        self.defer(base.event(instance_uuid=A))
        self.put(base.event(instance_uuid=A))
        self.settle()
        self.bury(base.event())
        outboxes.run_sql(
            self.path,
            "UPDATE backlog"
            " SET state = 'deferred', deferrals = 1, not_before = ?"
            " WHERE number = 2",
            self.now + 60,
        )
        self.assertEqual([], self.due())
        self.assertEqual(0, self.manage("outbox", "retry", 2)[0])
        self.assertEqual(1, self.due()[0][0])

    def test_one_directory_can_be_chosen(self):
        self.bury(base.event(), directory="log")
        self.bury(directory="ldap")
        self.manage("outbox", "retry", 1, "--directory", "ldap")
        self.assertEqual([], self.due("log"))
        self.assertEqual([(1, 0, 0)], self.due("ldap"))

    def test_all_is_all_that_is_stuck(self):
        self.bury(base.event(), base.event())
        self.defer(base.event())
        self.put(base.event())
        self.settle()
        _, good = self.park_real()
        self.rewrite(**{"nova_object.version": good})
        status, out, _ = self.manage("outbox", "retry", "--all")
        self.assertEqual((0, 4), (status, out.count("\n")))
        self.assertEqual({1, 2, 3, 5}, {number for number, *_ in self.due()})

    def test_all_with_nothing_stuck_is_no_error(self):
        self.put(base.event())
        nothing = (0, "there is nothing to do\n", "")
        self.assertEqual(nothing, self.manage("outbox", "retry", "--all"))
        self.assertEqual(
            nothing, self.manage("outbox", "drop", "--all-parked", "--yes")
        )

    def test_all_of_one_directory_leaves_what_is_parked(self):
        self.bury(base.event())
        self.park({"event_type": "t"})
        status, _, err = self.manage(
            "outbox", "retry", "--all", "--directory", "log"
        )
        self.assertEqual((0, ""), (status, err))

    def test_more_than_one_portion_is_retried(self):
        self.bury(*[base.event() for _ in range(admin.PORTION + 1)])
        self.manage("outbox", "retry", "--all")
        self.assertEqual(admin.PORTION + 1, len(self.due()))

    def test_what_is_delivered_is_refused_and_the_others_are_done(self):
        self.put(base.event())
        self.settle()
        self.bury(base.event())
        status, out, err = self.manage("outbox", "retry", 1, 9, 2)
        self.assertEqual(1, status)
        self.assertIn("2, directory log", out)
        self.assertEqual(
            "1 is delivered (log): neither buried, deferred nor parked\n"
            "there is no 9 in the outbox\n",
            err,
        )

    def test_numbers_and_all_are_a_wrong_use_and_so_is_neither(self):
        self.put(base.event())
        for arguments in ((), (1, "--all")):
            status, _, err = self.manage("outbox", "retry", *arguments)
            self.assertEqual(
                (2, "give either numbers or --all\n"), (status, err)
            )

    def test_what_another_decided_meanwhile_is_not_decided_again(self):
        self.bury(base.event())
        box = admin.OutboxAdmin(self.path)
        with box.snapshot() as database:
            items = queries.items(database, ["log"])
        self.assertEqual(items, box.retry(items))
        self.assertEqual([], box.retry(items))
        self.assertEqual([(1, "log", "waiting")], self.decisions("waiting"))

    def test_the_daemon_is_told_by_the_file_itself(self):
        self.bury(base.event())
        before = self.outbox.changes()
        self.manage("outbox", "retry", 1)
        self.assertNotEqual(before, self.outbox.changes())


class ReadAgainTest(DecidingTestCase):
    def test_what_is_understood_now_becomes_an_entry(self):
        message_id, good = self.park_real()
        self.rewrite(**{"nova_object.version": good})
        self.assertEqual(
            (0, "parked-1: is entry 1 now\n", ""),
            self.manage("outbox", "retry", "parked-1"),
        )
        found = self.told("outbox", "show", 1)
        self.assertEqual(
            (message_id, A, "register"),
            (found["message_id"], found["instance_uuid"], found["verb"]),
        )
        self.assertEqual([], outboxes.parked(self.outbox))

    def test_its_history_begins_where_it_was_parked(self):
        _, good = self.park_real()
        self.rewrite(**{"nova_object.version": good})
        self.manage("outbox", "retry", "parked-1")
        self.assertEqual(
            ["parked", "stored"],
            [line["What"] for line in self.told("history", A)],
        )

    def test_what_is_not_stays_with_the_new_reason(self):
        self.park_real()
        self.rewrite(**{"nova_object.version": "3.0"})
        status, out, err = self.manage("outbox", "retry", "parked-1")
        self.assertEqual((1, ""), (status, out))
        self.assertEqual(1, err.count("\n"))
        self.assertIn("parked-1 stays parked", err)
        ((_, _, reason),) = outboxes.parked(self.outbox)
        self.assertIn("3.0", reason)

    def test_what_asks_for_nothing_stays_for_the_operator_to_drop(self):
        self.park({"event_type": "instance.paint.end", "message_id": "m"})
        status, _, err = self.manage("outbox", "retry", "parked-1")
        self.assertEqual(1, status)
        self.assertIn("ignores notifications of this type", err)
        self.assertEqual(1, len(outboxes.parked(self.outbox)))

    def test_what_is_spoilt_stays(self):
        self.park({"event_type": "t"})
        outboxes.run_sql(self.path, "UPDATE parked SET notification = x'ff'")
        status, _, err = self.manage("outbox", "retry", "parked-1")
        self.assertEqual(1, status)
        self.assertIn("damaged", err)

    def test_an_event_that_came_by_another_way_is_not_stored_twice(self):
        message_id, good = self.park_real()
        self.rewrite(**{"nova_object.version": good})
        self.put(base.event(instance_uuid=A, message_id=message_id))
        self.assertEqual(
            (0, "parked-1: is entry 1 now\n", ""),
            self.manage("outbox", "retry", "parked-1"),
        )
        self.assertEqual([(1, 0, 0)], self.due("ldap"))

    def test_users_are_left_out_where_the_options_say_so(self):
        _, good = self.park_real()
        self.rewrite(**{"nova_object.version": good})
        file = self.folder / "options.conf"
        file.write_text(
            f"[nova_dirsvc]\noutbox = {self.path}\nrecord_users = false\n"
        )
        options = ("--config-file", str(file))
        self.manage("outbox", "retry", "parked-1", options=options)
        record = self.told("outbox", "show", 1)["record"]
        self.assertEqual("", record["user_name"])
        self.assertNotEqual("", record["project_name"])


class DropTest(DecidingTestCase):
    def test_with_yes_it_is_given_up_and_noted(self):
        self.bury(base.event(instance_uuid=A))
        self.assertEqual(
            (0, f"1, directory log, register, instance {A}: dropped\n", ""),
            self.manage("outbox", "drop", 1, "--yes"),
        )
        self.assertEqual([], self.listed())
        self.assertEqual([(1, "log", "dropped")], self.listed("--all"))
        self.assertEqual([(1, "log", "dropped")], self.decisions("dropped"))
        self.assertEqual([], self.due())

    def test_without_a_terminal_it_wants_a_yes(self):
        self.bury(base.event())
        status, _, err = self.manage("outbox", "drop", 1)
        self.assertEqual(2, status)
        self.assertIn("--yes", err)
        self.assertEqual([(1, "log", "buried")], self.listed())

    def test_on_a_terminal_it_asks_and_shows_about_what(self):
        self.bury(base.event(instance_uuid=A))
        status, out, _ = self.manage("outbox", "drop", 1, typed="y\n")
        self.assertEqual(0, status)
        self.assertIn("no such attribute", out)
        self.assertEqual([], self.listed())

    def test_any_other_answer_drops_nothing(self):
        self.bury(base.event())
        for typed in ("n\n", "\n", "", "yesterday\n"):
            status, _, err = self.manage("outbox", "drop", 1, typed=typed)
            self.assertEqual((1, "nothing is dropped\n"), (status, err))
        self.assertEqual([(1, "log", "buried")], self.listed())

    def test_a_deferred_one_makes_way_for_the_next_of_its_instance(self):
        self.defer(base.event(instance_uuid=A))
        self.put(base.event(events.Verb.UNREGISTER, A))
        self.settle()
        self.assertEqual([], self.due())
        self.manage("outbox", "drop", 1, "--yes")
        self.assertEqual([(2, 0, 0)], self.due())

    def test_what_waits_or_is_to_be_confirmed_is_refused(self):
        self.put(base.event())
        self.settle(outbox.State.CONFIRM, not_before=9e9)
        self.put(base.event())
        status, out, err = self.manage("outbox", "drop", 1, 2, "--yes")
        self.assertEqual((1, ""), (status, out))
        self.assertIn("1 is confirm (log)", err)
        self.assertIn("2 is waiting (log)", err)

    def test_what_is_parked_can_be_dropped(self):
        self.park({"event_type": "t"})
        self.assertEqual(
            (0, "parked-1, t, instance unknown: dropped\n", ""),
            self.manage("outbox", "drop", "parked-1", "--yes"),
        )
        self.assertEqual([], outboxes.parked(self.outbox))

    def test_all_buried_leaves_the_rest(self):
        self.bury(base.event(), base.event())
        self.defer(base.event())
        self.park({"event_type": "t"})
        self.manage("outbox", "drop", "--all-buried", "--yes")
        self.assertEqual(
            [("parked-1", "", "parked"), (3, "log", "deferred")],
            self.listed(),
        )

    def test_all_buried_of_one_directory_leaves_the_other(self):
        self.bury(base.event())
        self.bury(directory="ldap")
        self.manage(
            "outbox", "drop", "--all-buried", "--directory", "ldap", "--yes"
        )
        self.assertEqual([(1, "log", "buried")], self.listed())

    def test_what_was_dropped_can_be_purged(self):
        self.bury(base.event())
        self.manage("outbox", "drop", 1, "--yes")
        self.assertEqual(1, self.outbox.purge(["log"], before=9e9))
