# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import multiprocessing
import os
import time

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.cmd.manage import formatting
from nova_dirsvc_plugin.outbox import unstored
from tests import outboxes
from tests.unit import base
from tests.unit.cmd.manage.base import A, B, ManageTestCase


class ListTest(ManageTestCase):
    def test_what_is_delivered_is_listed_only_when_asked_for(self):
        self.put(base.event())
        self.settle()
        self.assertEqual([], self.listed())
        self.assertEqual([(1, "log", "delivered")], self.listed("--all"))
        self.assertEqual(
            [(1, "log", "delivered")], self.listed("--state", "delivered")
        )

    def test_what_needs_a_decision_comes_first(self):
        self.defer(base.event())
        self.put(base.event())
        self.settle(outbox.State.CONFIRM, not_before=9e9)
        self.bury(base.event())
        self.put(base.event())
        self.park({"event_type": "t"})
        self.assertEqual(
            [
                (3, "log", "buried"),
                ("parked-1", "", "parked"),
                (1, "log", "deferred"),
                (4, "log", "waiting"),
                (2, "log", "confirm"),
            ],
            self.listed(),
        )

    def test_each_directory_has_its_own_line(self):
        self.put(base.event())
        self.settle(directory="ldap")
        self.bury(directory="log")
        self.assertEqual(
            [(1, "log", "buried"), (1, "ldap", "delivered")],
            self.listed("--all"),
        )
        self.assertEqual([], self.listed("--directory", "ldap"))

    def test_what_stands_behind_a_deferred_one_waits(self):
        self.defer(base.event(instance_uuid=A))
        self.put(base.event(instance_uuid=A))
        self.settle()
        self.assertEqual(
            [(1, "log", "deferred"), (2, "log", "waiting")], self.listed()
        )

    def test_a_line_has_all_that_a_decision_needs(self):
        self.bury(base.event(events.Verb.UNREGISTER, A))
        self.assertEqual(
            [
                {
                    "Number": 1,
                    "Directory": "log",
                    "State": "buried",
                    "Verb": "unregister",
                    "Event Type": "instance.create.end",
                    "Instance": A,
                    "Attempts": 5,
                    "Stored At": "2026-11-22T10:28:00.250Z",
                    "Next Try": "",
                    "Reason": "no such attribute",
                }
            ],
            self.told("outbox", "list"),
        )

    def test_a_deferred_one_says_when_it_is_tried_next(self):
        self.now = time.time() - 10
        later = self.now + 600
        for until in (later, 1.0):
            self.defer(base.event(), until=until)
        self.now += 100  # by a clock that was ahead
        self.defer(base.event(), until=self.now + 5)
        self.assertEqual(
            [formatting.stamp(later), "now", "now"],
            [
                line["Next Try"]
                for line in self.told("outbox", "list", "--state", "deferred")
            ],
        )

    def test_an_instance_is_found_in_any_spelling_of_its_uuid(self):
        self.bury(base.event(instance_uuid=A), base.event(instance_uuid=B))
        self.park({"event_type": "t"}, B)
        self.assertEqual(
            [(2, "log", "buried"), ("parked-1", "", "parked")],
            self.listed("--instance", B.upper()),
        )

    def test_states_can_be_asked_for_together(self):
        self.defer(base.event())
        self.bury(base.event())
        self.put(base.event())
        self.assertEqual(
            [(2, "log", "buried"), (3, "log", "waiting")],
            self.listed("--state", "waiting", "--state", "buried"),
        )

    def test_a_limit_says_that_there_is_more(self):
        self.bury(*[base.event() for _ in range(3)])
        status, out, err = self.manage(
            "outbox", "list", "--limit", 2, "-f", "value", "-c", "Number"
        )
        self.assertEqual((0, "1\n2\n"), (status, out))
        self.assertIn("--limit 0 lists all", err)
        self.assertEqual(3, len(self.listed("--limit", 3)))
        self.assertEqual(3, len(self.listed("--limit", 0)))

    def test_a_skipped_one_says_why(self):
        self.put(base.event())
        self.settle(
            outbox.State.SKIPPED, reason="instance already unregistered"
        )
        (line,) = self.told("outbox", "list", "--all")
        self.assertEqual(
            ("skipped", "instance already unregistered"),
            (line["State"], line["Reason"]),
        )

    def test_what_was_delivered_and_not_once_more_is_delivered(self):
        self.put(base.event(events.Verb.UNREGISTER))
        self.settle(outbox.State.CONFIRM)
        self.settle(outbox.State.SKIPPED, reason="second removal refused: no")
        self.assertEqual([(1, "log", "delivered")], self.listed("--all"))

    def test_before_any_daemon_ran_the_default_directory_waits(self):
        self.put(base.event())
        self.assertEqual([(1, "ldap", "waiting")], self.listed())

    def test_a_directory_that_is_not_there_is_named_with_those_that_are(self):
        self.bury(base.event())
        status, _, err = self.manage("outbox", "list", "--directory", "ldpa")
        self.assertEqual(2, status)
        self.assertEqual("there is no directory 'ldpa'; there are: log\n", err)


class ShowTest(ManageTestCase):
    def test_an_entry_is_shown_with_its_record_directories_and_journal(self):
        event = base.event(instance_uuid=A, display_name="web")
        self.bury(event)
        self.settle(directory="ldap")
        found = self.told("outbox", "show", 1)
        self.assertEqual("web", found["record"]["display_name"])
        self.assertEqual(
            formatting.stamp(event.occurred_at), found["happened_at"]
        )
        self.assertEqual(
            {"log": "buried", "ldap": "delivered"},
            {
                name: directory["state"]
                for name, directory in found["directories"].items()
            },
        )
        self.assertEqual(
            [
                ("buried", "log", "no such attribute"),
                ("delivered", "ldap", ""),
            ],
            [
                (note["state"], note["directory"], note["reason"])
                for note in found["journal"]
            ],
        )

    def test_a_parked_notification_is_shown_as_it_was_kept(self):
        notification = {"event_type": "t", "payload": {"uuid": A}}
        self.park(notification, A)
        found = self.told("outbox", "show", "parked-1")
        self.assertEqual("malformed", found["reason"])
        self.assertEqual(notification, found["notification"])

    def test_the_address_of_the_request_is_in_the_record(self):
        event = base.event()
        self.put(event)
        self.outbox.put(events.Origin(event.request_id, "192.0.2.7"))
        found = self.told("outbox", "show", 1)
        self.assertEqual("192.0.2.7", found["record"]["user_remote_address"])

    def test_a_record_that_cannot_be_read_says_why(self):
        self.put(base.event())
        outboxes.run_sql(self.path, "UPDATE entry SET record = '{'")
        self.assertIn("unreadable", self.told("outbox", "show", 1))

    def test_no_name_of_a_tenant_moves_the_cursor(self):
        self.put(base.event(display_name="a\x1b[2Jb\nc\ud800é"))
        for form in ("table", "value", "yaml", "json"):
            status, out, _ = self.manage("outbox", "show", 1, "-f", form)
            self.assertEqual(0, status)
            self.assertNotIn("\x1b", out)
            out.encode()
        _, out, _ = self.manage("outbox", "show", 1)
        self.assertIn(r"a\x1b[2Jb\nc\ud800é", out)

    def test_a_number_that_is_not_there_is_named(self):
        self.put(base.event())
        for name in ("7", "parked-7"):
            self.assertEqual(
                (1, "", f"there is no {name} in the outbox\n"),
                self.manage("outbox", "show", name),
            )

    def test_what_is_no_number_is_a_wrong_use(self):
        status, _, err = self.manage("outbox", "show", "seven")
        self.assertEqual(2, status)
        self.assertIn("'seven'", err)


class StatusTest(ManageTestCase):
    def test_each_directory_is_counted(self):
        self.defer(base.event(instance_uuid=A))
        self.put(base.event(instance_uuid=A))
        self.settle()
        self.bury(base.event(), base.event())
        self.put(base.event())
        self.park({"event_type": "t"})
        found = self.status()
        self.assertEqual(
            (5, 1, str(self.path)),
            (found["entries"], found["parked"], found["outbox"]),
        )
        self.assertGreater(found["bytes"], 4096)
        self.assertEqual("2026-11-22T10:28:06.250Z", found["last_stored"])
        counts = found["directories"]["log"]
        self.assertEqual(
            {
                "position": 4,
                "waiting": 2,
                "deferred": 1,
                "buried": 2,
                "confirm": 0,
                "oldest": "2026-11-22T10:28:00.250Z",
            },
            {name: counts[name] for name in list(counts)[:6]},
        )

    def test_an_outbox_that_nothing_was_stored_in_says_so(self):
        self.outbox.check_writable()
        found = self.status()
        self.assertEqual((0, ""), (found["entries"], found["last_stored"]))

    def test_what_processes_of_nova_keep_in_memory_is_counted(self):
        self.put(base.event())
        self.assertEqual([], self.status()["unstored"])
        since = int(time.time()) - 100

        def keep(events, end):
            unstored.Report(self.path).show(events, since)
            shown.set()
            end.wait()
            os._exit(0)

        fork = multiprocessing.get_context("fork")
        shown, ends, processes = fork.Event(), [fork.Event() for _ in "ab"], []
        for number, end in enumerate(ends):
            shown.clear()
            process = fork.Process(target=keep, args=(5470 + number, end))
            process.start()
            self.addCleanup(process.join)
            self.addCleanup(end.set)
            shown.wait()
            processes.append(process)
        ends[1].set()
        processes[1].join()
        found = self.status()["unstored"]
        self.assertEqual(
            [
                (processes[0].pid, 5470, True),
                (processes[1].pid, 5471, False),
            ],
            sorted(
                (one["process"], one["events"], one["running"])
                for one in found
            ),
        )
        for one in found:
            self.assertEqual(formatting.stamp(since), one["oldest"])
            self.assertGreaterEqual(one["oldest_seconds"], 100)
        _, out, _ = self.manage("outbox", "status")
        self.assertIn(
            f"process {processes[0].pid} keeps 5470 events in memory; oldest"
            " 1 min 4",
            out,
        )
        self.assertIn(
            f"process {processes[1].pid} has ended: the last that it reported"
            " is 5471 events not stored",
            out,
        )

    def test_people_read_one_line_a_directory(self):
        self.bury(base.event())
        self.settle(directory="ldap")
        _, out, _ = self.manage("outbox", "status", "-f", "value")
        self.assertEqual(2, len(self.status()["directories"]))
        _, out, _ = self.manage("outbox", "status")
        self.assertIn(
            "log: nobody delivers; read up to entry 1;"
            " 0 waiting, 0 deferred, 1 buried, 0 confirm ",
            out,
        )


class HistoryTest(ManageTestCase):
    def history(self, *columns):
        return [
            tuple(line[column] for column in columns)
            for line in self.told("history", A)
        ]

    def test_it_follows_an_instance_from_nova_to_the_directories(self):
        self.defer(base.event(instance_uuid=A), until=0.0)
        self.settle(outbox.State.BURIED, reason="no", attempts=5, deferrals=3)
        self.settle(directory="ldap")
        self.put(base.event(events.Verb.UNREGISTER, A), base.event())
        self.settle(outbox.State.SKIPPED, reason="nothing to remove")
        self.assertEqual(
            [
                (1, "stored", "", "register", ""),
                (1, "deferred", "log", "register", "busy"),
                (1, "buried", "log", "register", "no"),
                (1, "delivered", "ldap", "register", ""),
                (2, "stored", "", "unregister", ""),
                (2, "skipped", "log", "unregister", "nothing to remove"),
            ],
            self.history("Number", "What", "Directory", "Verb", "Reason"),
        )

    def test_every_line_has_novas_request(self):
        event = base.event(instance_uuid=A)
        self.put(event)
        self.settle()
        self.assertEqual(
            [("stored", event.request_id), ("delivered", event.request_id)],
            self.history("What", "Request ID"),
        )

    def test_times_are_utc_with_milliseconds(self):
        event = base.event(instance_uuid=A)
        self.put(dataclasses.replace(event, occurred_at=1795343275.5))
        self.assertEqual(
            [("2026-11-22T10:28:00.250Z", "2026-11-22T10:27:55.500Z")],
            self.history("At", "Happened At"),
        )

    def test_what_happened_again_and_again_is_one_line(self):
        self.defer(base.event(instance_uuid=A), until=0.0)
        self.defer(until=0.0)
        self.defer()
        self.assertEqual(
            [
                ("stored", 1, ""),
                ("deferred", 3, "2026-11-22T10:28:05.250Z"),
            ],
            self.history("What", "Times", "Until"),
        )

    def test_what_is_parked_is_part_of_it(self):
        self.park({"event_type": "t", "ctxt": {"request_id": "req-7"}}, A)
        self.park({"event_type": "t", "ctxt": 7}, A)
        self.assertEqual(
            [
                ("parked-1", "parked", "req-7", "malformed"),
                ("parked-2", "parked", "", "malformed"),
            ],
            self.history("Number", "What", "Request ID", "Reason"),
        )

    def test_an_instance_that_nobody_knows_is_said_in_one_line(self):
        self.put(base.event())
        status, out, err = self.manage("history", A)
        self.assertEqual((1, ""), (status, out))
        self.assertIn(A, err)
        self.assertEqual(1, err.count("\n"))

    def test_a_wrong_uuid_is_named(self):
        status, _, err = self.manage("history", "10.0.0.54")
        self.assertEqual(2, status)
        self.assertIn("'10.0.0.54' is not a UUID", err)
