# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The operator's tool as it is used: beside a daemon, and beside Nova."""

import json
import os
import pathlib
import sys
import threading
import time

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.notifications import reader
from nova_dirsvc_plugin.outbox import admin, lock, queries
from tests import outboxes, processes, recordings, waiting
from tests.functional import directory389
from tests.functional.test_sync import UUID, SyncTestCase, command
from tests.unit import base

PROGRAM = pathlib.Path(sys.executable).with_name("nova-dirsvc-manage")

#: Events: more than are stored while a program starts.
MANY = 5000


class ManageTestCase(SyncTestCase):
    """The operator's tool, beside a daemon.

    :cvar program: what is run, and its first arguments
    """

    program = (PROGRAM,)

    def setUp(self):
        super().setUp()
        self.files = ()

    def run_tool(self, *arguments):
        """Run the program with the daemon's options; give what it did."""
        files = self.files or [self.write_options()]
        result = processes.run(*command(self.program, files), *arguments)
        self.assertNotIn("Traceback", result.stderr)
        return result

    def told(self, *arguments):
        """Run what should succeed; give its output, read as JSON."""
        result = self.run_tool(*arguments, "-f", "json")
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        return json.loads(result.stdout)

    def listed(self, *arguments):
        return [
            (line["Number"], line["Directory"], line["State"])
            for line in self.told("outbox", "list", *arguments)
        ]

    def wait_for_list(self, *lines):
        """Wait until that is under way, and see that the program says so."""

        def under_way():
            with admin.OutboxAdmin(self.outbox.path).snapshot() as database:
                names = queries.directories(database)
                return [
                    (item.number, item.directory, item.state.value)
                    for item in queries.items(database, names)
                ]

        waiting.until(
            lambda: under_way() == list(lines), f"the list to be {lines}"
        )
        self.assertEqual(list(lines), self.listed())

    def history(self):
        return [
            (line["Number"], line["What"], line["Directory"])
            for line in self.told("history", UUID)
        ]


class ManageTest(ManageTestCase):
    def spoil(self, record):
        """Change the stored record of entry 1; give what it was."""
        path = self.outbox.path
        ((good,),) = outboxes.run_sql(
            path, "SELECT record FROM entry WHERE number = 1"
        )
        outboxes.run_sql(
            path, "UPDATE entry SET record = ? WHERE number = 1", record
        )
        return good

    def test_what_was_buried_is_delivered_when_its_cause_is_mended(self):
        self.outbox.put(base.event(instance_uuid=UUID))
        good = self.spoil("{")
        self.start()
        self.wait_for_list((1, "log", "buried"))
        self.assertIn("unreadable", self.told("outbox", "show", 1))
        self.spoil(good)
        retried = self.run_tool("outbox", "retry", 1)
        self.assertEqual(0, retried.returncode, retried.stderr)
        self.wait_for_line(UUID)
        self.wait_for_list()
        self.assertEqual(
            [
                (1, "stored", ""),
                (1, "buried", "log"),
                (1, "waiting", "log"),
                (1, "delivered", "log"),
            ],
            self.history(),
        )

    def test_what_was_dropped_is_not_delivered_and_delays_nothing(self):
        self.outbox.put(base.event(instance_uuid=UUID))
        good = self.spoil("{")
        self.start()
        self.wait_for_list((1, "log", "buried"))
        self.spoil(good)
        dropped = self.run_tool("outbox", "drop", "--all-buried", "--yes")
        self.assertEqual(0, dropped.returncode, dropped.stderr)
        self.outbox.put(base.event(events.Verb.UNREGISTER, UUID))
        self.wait_for_line(UUID, "Unregistering")
        self.assertNotIn("Registering", self.logged())
        self.assertIn((1, "dropped", "log"), self.history())

    def test_what_was_parked_is_delivered_once_it_is_understood(self):
        ctxt, message = recordings.create_end(UUID)
        payload = message["payload"]
        payload["nova_object.version"] = "9.0"
        self.outbox.put(reader.NotificationReader().read(ctxt, message))
        self.start()
        self.assertEqual([("parked-1", "", "parked")], self.listed())
        refused = self.run_tool("outbox", "retry", "--all")
        self.assertEqual(1, refused.returncode)
        self.assertIn("9.0", refused.stderr)
        self.assertEqual(1, refused.stderr.count("\n"))
        outboxes.run_sql(
            self.outbox.path,
            "UPDATE parked SET notification ="
            " replace(notification, '\"9.0\"', '\"1.4\"')",
        )
        understood = self.run_tool("outbox", "retry", "parked-1")
        self.assertEqual(
            (0, "parked-1: is entry 1 now\n"),
            (understood.returncode, understood.stdout),
        )
        self.wait_for_line(UUID)
        waiting.until(
            lambda: not self.outbox.pending("log"), "it to be settled"
        )
        self.assertEqual(
            [(1, "parked", ""), (1, "stored", ""), (1, "delivered", "log")],
            self.history(),
        )

    def test_an_outage_is_seen_and_its_end_need_not_be_waited_for(self):
        self.log_file.mkdir()
        self.start()
        self.outbox.put(base.event(instance_uuid=UUID))
        self.wait_for_list((1, "log", "deferred"))
        self.log_file.rmdir()
        self.run_tool("outbox", "retry", 1)
        self.wait_for_line(UUID)
        self.assertEqual(
            ["stored", "deferred"], [what for _, what, _ in self.history()][:2]
        )

    def test_status_sees_a_daemon_that_delivers_and_one_that_is_dead(self):
        self.outbox.put(base.event(instance_uuid=UUID))
        before = time.time()
        daemon = self.start()
        self.wait_for_line(UUID)
        waiting.until(
            lambda: not self.outbox.pending("log"), "it to be settled"
        )
        status = self.run_tool("outbox", "status", "-f", "json")
        self.assertEqual((0, ""), (status.returncode, status.stderr))
        [log] = json.loads(status.stdout)["directories"].values()
        self.assertEqual(
            (True, daemon.pid), (log["delivered"], log["process"])
        )
        file = lock.path_of(self.outbox.path, "log")
        touched = waiting.until(
            lambda: (seen := file.stat().st_mtime) > before and seen,
            "the file of the lock to be touched",
        )
        waiting.until(
            lambda: file.stat().st_mtime > touched, "it to be touched again"
        )
        processes.kill_group(daemon)
        status = self.run_tool("outbox", "status")
        self.assertEqual((3, ""), (status.returncode, status.stderr))
        self.assertIn("log: nobody delivers, last seen", status.stdout)

    def test_a_directory_that_is_not_delivered_to_any_more_is_forgotten(self):
        self.options["directories"] = "log,memory"
        self.outbox.put(base.event(instance_uuid=UUID))
        daemon = self.start()
        waiting.until(
            lambda: not self.outbox.pending("memory"), "both to have it"
        )
        refused = self.run_tool("outbox", "forget", "memory", "--yes")
        self.assertEqual(2, refused.returncode)
        self.options["directories"] = "log"
        self.files = (self.write_options(),)
        refused = self.run_tool("outbox", "forget", "memory", "--yes")
        self.assertEqual(1, refused.returncode)
        self.assertIn("another nova-dirsvc-sync delivers", refused.stderr)
        processes.kill_group(daemon)
        self.start(*self.files)
        status = self.run_tool("outbox", "status")
        self.assertEqual(4, status.returncode, status.stdout)
        self.assertIn("nova-dirsvc-manage outbox forget memory", status.stdout)
        forgotten = self.run_tool("outbox", "forget", "memory", "--yes")
        self.assertEqual(
            (
                0,
                "memory: forgotten, with its entries: 0 waiting, 0 deferred,"
                " 0 buried, 0 to confirm\n",
            ),
            (forgotten.returncode, forgotten.stdout),
        )
        self.assertEqual(0, self.run_tool("outbox", "status").returncode)

    def test_decisions_and_news_at_the_same_time_lose_nothing(self):
        numbers = [self.outbox.put(base.event()) for _ in range(100)]
        outboxes.settle(self.outbox, "log", outbox.State.BURIED, reason="no")
        self.start()
        stop, stored = threading.Event(), []
        writer = threading.Thread(target=self.write, args=(stop, stored))
        writer.start()
        self.addCleanup(stop.set)
        retried = self.run_tool("outbox", "retry", "--all")
        stop.set()
        writer.join()
        self.assertEqual(0, retried.returncode, retried.stderr)
        self.assertEqual(100, retried.stdout.count("again\n"))
        waiting.until(
            lambda: not self.outbox.pending("log"), "all to be delivered"
        )
        # Where the outbox was locked when a batch was to be settled, that is
        # delivered again: a log may have an instance's line twice.
        lines = [
            line.partition(": ")[2] for line in self.logged().splitlines()
        ]
        self.assertEqual(len(numbers) + len(stored), len(set(lines)))

    def write(self, stop, stored):
        """Store events as fast as it goes, as Nova does on a bad day.

        Not without an end: on a slow machine it would be a bad month.
        """
        box = outbox.Outbox(self.outbox.path)
        while not stop.is_set() and len(stored) < MANY:
            stored.append(box.put(base.event()))

    def test_a_user_without_a_right_to_it_is_told_so_in_one_line(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        if self.as_nobody("--version").returncode:
            self.skipTest(
                "the program is in a folder that is closed to others"
            )
        self.outbox.put(base.event())
        self.folder.chmod(0o755)
        result = self.as_nobody("--outbox", self.outbox.path, "outbox", "list")
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertEqual(1, result.stderr.count("\n"), result.stderr)
        self.assertIn("is not for this user", result.stderr)

    def as_nobody(self, *arguments):
        """Run the program as a user of no group that matters."""
        become = ("setpriv", "--reuid=61617", "--regid=61617")
        return processes.run(*become, "--clear-groups", PROGRAM, *arguments)


class ManageWithLdapTest(ManageTestCase):
    def test_an_entry_of_somebody_else_is_seen_and_then_replaced(self):
        server = self.useFixture(directory389.Directory389())
        dn = ldap_entry.dn(UUID, server.hosts_tree_dn)
        event = base.event(instance_uuid=UUID, host_name="web")
        foreign = ldap_entry.attributes(event.record, "somebody", 0.0)
        connection = server.connect_as_manager()
        self.addCleanup(connection.unbind_ext)
        connection.add_s(dn, list(foreign.items()))
        self.options |= {"directories": "ldap", "max_attempts": "1"}
        self.files = (server.conf_file, self.write_options())
        self.start(*self.files)
        self.outbox.put(event)
        self.wait_for_list((1, "ldap", "deferred"))
        (line,) = self.told("outbox", "list", "--state", "deferred")
        self.assertIn("owner", line["Reason"])
        connection.delete_s(dn)
        self.wait_for_list()
        ((_, found),) = connection.search_s(dn, 0)
        self.assertEqual([server.owner.encode()], found["novaOwnerMark"])
        self.assertEqual(
            ["stored", "deferred", "delivered"],
            [what for _, what, _ in self.history()],
        )
