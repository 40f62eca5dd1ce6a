# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reconciling, as an operator does it, with Nova's wire format."""

import json
import sys
import threading
import time
import uuid

import ddt

from nova_dirsvc_plugin import events
from tests import processes, waiting
from tests.functional import (
    nova_service,
    rest_service,
    test_manage,
)
from tests.unit import base

OWNER = "my-cloud"

#: The program with less patience.
IMPATIENT = """
import functools, sys
from nova_dirsvc_plugin.cmd import scripts
from nova_dirsvc_plugin.nova_api import listing
listing.Listing = functools.partial(listing.Listing, page_limit=5.0)
sys.exit(scripts.manage())
"""


class ReconcileTestCase(test_manage.ManageTestCase):
    """A cloud, a directory and the daemon's options.

    :cvar owner: the owner mark
    """

    owner = OWNER

    def setUp(self):
        super().setUp()
        self.nova = self.useFixture(nova_service.NovaService())
        self.options["owner"] = self.owner
        self.more = {}
        self.use_directory()
        self.outbox.check_writable()
        self.configure()

    def use_directory(self):
        """Start the directory, and take its options."""
        self.service = self.useFixture(rest_service.RestService())
        self.options["directories"] = "rest"
        self.conf_file = self.service.conf_file

    def configure(self, **options):
        """Write the options, with more of ``[nova_dirsvc]``."""
        self.options |= options
        own = self.write_options(nova=self.nova.options(), **self.more)
        self.files = (self.conf_file, own)

    def entries(self):
        """Give the directory's content: instance uuid -> entry."""
        found, page = {}, {}
        with self.service.session("reader") as session:
            while part := session.get(self.service.url, params=page).json()[
                "instances"
            ]:
                found |= {one["instance_uuid"]: one for one in part}
                page = {"marker": part[-1]["instance_uuid"]}
        return found

    def run_verb(self, status, verb, *arguments):
        """Run a verb; see how it ends, and give its lines."""
        result = self.run_tool(verb, *arguments, "-f", "json")
        self.assertEqual(
            status, result.returncode, result.stdout + result.stderr
        )
        self.said_last = result.stderr
        return json.loads(result.stdout) if result.stdout else None

    def reconcile(self, status, *arguments, policy="sync"):
        """Reconcile the one directory; give its line."""
        lines = self.run_verb(
            status, "reconcile", "--policy", policy, *arguments
        )
        return lines[0] if lines else None

    def found(self, status, *arguments):
        """Audit; give instance -> what was found."""
        return {
            line["Instance"]: line["Found"]
            for line in self.run_verb(status, "audit", *arguments)
        }

    def fill(self, count):
        """Boot, start the daemon and reconcile; give the uuids."""
        booted = self.nova.boot_many(count)
        self.daemon = self.start(*self.files)
        self.reconcile(4, policy="upsert-only")
        self.assertEqual(set(booted), set(self.entries()))
        return booted

    def metrics(self):
        """Return what the tool says of the last comparison, by its lines."""
        said = self.run_tool("metrics").stdout
        return dict(
            line.removeprefix("nova_dirsvc_").rsplit(" ", 1)
            for line in said.splitlines()
            if line[0] != "#"
        )


class FirstRunTest(ReconcileTestCase):
    def test_a_cloud_that_runs_for_years_fills_an_empty_directory(self):
        booted = self.nova.boot_many(60)
        self.nova.boot(99, status="BUILD", **{"OS-SRV-USG:launched_at": None})
        self.assertEqual(dict.fromkeys(booted, "missing"), self.found(3))
        self.start(*self.files)
        line = self.reconcile(4, policy="upsert-only")
        self.assertEqual((60, 60, 0), numbers(line, "Missing Stored Waiting"))
        entries = self.entries()
        self.assertEqual(set(booted), set(entries))
        self.assertEqual(
            {"demo"}, {one["project_name"] for one in entries.values()}
        )
        self.assertEqual({}, self.found(0))
        line = self.reconcile(0)
        self.assertEqual((0, 60), numbers(line, "Stored Entries"))
        self.assertEqual(entries, self.entries())

    def test_a_dry_run_and_an_audit_write_nothing(self):
        self.nova.boot_many(3)
        self.start(*self.files)
        line = self.reconcile(3, "--dry-run")
        self.assertEqual((3, 0, 3), numbers(line, "Missing Stored Left"))
        self.found(3)
        self.assertEqual({}, self.entries())
        self.assertEqual([], self.run_verb(0, "undo"))
        found = self.metrics()
        for name, value in (
            ('drift_entries{directory="rest",kind="missing"}', "3.0"),
            ('drift_entries{directory="rest",kind="removal"}', "0.0"),
            ('comparison_instances{directory="rest"}', "3.0"),
            ('comparison_whole{directory="rest"}', "1.0"),
            ('guard_stopped{directory="rest"}', "0.0"),
        ):
            self.assertEqual(value, found[name], name)

    def test_max_count_leaves_the_rest_for_later(self):
        self.nova.boot_many(5)
        self.start(*self.files)
        line = self.reconcile(3, "--max-count", 2)
        self.assertEqual((2, 3), numbers(line, "Stored Left"))
        self.assertEqual(2, len(self.entries()))
        self.reconcile(4)
        self.assertEqual(5, len(self.entries()))

    def test_without_a_daemon_what_is_stored_is_said(self):
        self.nova.boot_many(3)
        line = self.reconcile(1, "--patience", 1)
        self.assertEqual((3, 3), numbers(line, "Stored Waiting"))
        self.assertIn("3 repairs are stored and not delivered", self.said_last)
        again = self.reconcile(1, "--patience", 1)
        self.assertEqual((0, 3), numbers(again, "Stored Waiting"))
        self.start(*self.files)
        waiting.until(lambda: len(self.entries()) == 3, "all to be there")
        self.reconcile(0)

    def test_the_summary_tells_what_has_an_entry_and_why_the_rest_has_none(
        self,
    ):
        self.fill(4)
        self.nova.boot(5)
        self.nova.boot(6, tenant_id="p2")
        lines = self.run_verb(3, "audit", "--summary")
        self.assertEqual(
            [("demo", 5, 4), ("other", 1, 0)],
            [
                (line["Project"], line["Instances"], line["With Entry"])
                for line in lines
            ],
        )
        self.assertEqual({"missing": 1}, lines[1]["Without"])

    def test_an_audit_can_be_of_one_project_or_one_instance(self):
        one, other = self.nova.boot(1), self.nova.boot(2, tenant_id="p2")
        self.assertEqual([other], [*self.found(3, "--project", "other")])
        self.assertEqual([one], [*self.found(3, "--project", "p1")])
        self.assertEqual([one], [*self.found(3, "--instance", one)])
        self.assertEqual({}, self.found(0, "--instance", uuid.uuid4()))


class DriftTest(ReconcileTestCase):
    def test_all_kinds_of_drift_are_repaired_and_nothing_else_is_written(self):
        booted = self.fill(60)
        gone, lost, changed = booted[:5], booted[5:15], booted[15:25]
        for key in gone:
            self.nova.delete(key)
        with self.service.session("manager") as session:
            for key in lost:
                session.delete(f"{self.service.url}/{key}")
        for key in changed:
            self.nova.change(
                key, addresses={"private": [nova_service.address(200)]}
            )
        before = self.entries()
        audited = self.found(3)
        self.assertEqual(
            dict.fromkeys(gone, "removal")
            | dict.fromkeys(lost, "missing")
            | dict.fromkeys(changed, "differing"),
            audited,
        )
        line = self.reconcile(4)
        self.assertEqual(
            (10, 10, 5, 25),
            numbers(line, "Missing Differing Removals Stored"),
        )
        after = self.entries()
        self.assertEqual(set(booted) - set(gone), set(after))
        for key in booted[25:]:
            self.assertEqual(before[key], after[key])
        self.assertEqual({}, self.found(0))
        self.reconcile(0)
        history = self.told("history", gone[0])
        self.assertIn(
            ("soft-unregister", "dirsvc.reconcile"),
            [(one["Verb"], one["Event Type"]) for one in history],
        )

    def test_what_an_unregister_keeps_away_is_not_said_to_be_repaired(self):
        """Nova's database was restored from yesterday, for one."""
        booted = self.fill(3)
        self.outbox.put(base.event(events.Verb.UNREGISTER, booted[0]))
        waiting.until(lambda: len(self.entries()) == 2, "it to be removed")
        self.reconcile(3)
        self.assertIn("1 instances were unregistered for", self.said_last)
        self.assertEqual({booted[0]: "missing"}, self.found(3))


class GuardTest(ReconcileTestCase):
    def test_many_removals_stop_and_can_be_allowed_once_and_undone(self):
        booted = self.fill(60)
        before = self.entries()
        gone = {key: self.nova.servers.pop(key) for key in booted[:30]}
        line = self.reconcile(5)
        self.assertEqual((30, 0), numbers(line, "Removals Stored"))
        self.assertIn("30 of 60 entries would be removed", self.said_last)
        self.assertIn(f"--allow {line['Plan']}", self.said_last)
        self.assertEqual(before, self.entries())
        guard = 'guard_stopped{directory="rest"}'
        self.assertEqual("1.0", self.metrics()[guard])
        self.reconcile(5, "--allow", "000000000000")
        self.assertEqual(before, self.entries())
        line = self.reconcile(4, "--allow", line["Plan"])
        self.assertEqual(30, len(self.entries()))
        self.assertEqual("0.0", self.metrics()[guard])
        # It was Nova's database that was of yesterday.
        self.nova.servers |= gone
        [done] = {one["Done"] for one in self.run_verb(4, "undo", line["Run"])}
        self.assertEqual("restored", done)
        self.assertEqual(before, _without_times(self.entries(), before))
        self.assertEqual({}, self.found(0))

    def test_what_waits_stops_no_later_run_and_can_be_undone(self):
        booted = self.fill(40)
        before = self.entries()
        processes.kill_group(self.daemon)
        for key in booted[:30]:
            self.nova.change(key, name="wrong")
        line = self.reconcile(1, "--patience", 1)
        self.assertEqual((30, 30), numbers(line, "Stored Waiting"))
        again = self.reconcile(1, "--patience", 1)
        self.assertEqual((0, 30), numbers(again, "Stored Waiting"))
        for number, key in enumerate(booted[:30]):
            self.nova.change(key, name=f"web-{number}")
        undone = self.run_verb(1, "undo", line["Run"], "--patience", 1)
        self.assertEqual({"restored"}, {one["Done"] for one in undone})
        self.start(*self.files)
        self.reconcile(0)
        waiting.until(
            lambda: self.run_verb(0, "outbox", "list") == [],
            "all to be delivered",
        )
        self.assertEqual(_names(before), _names(self.entries()))

    def test_many_changes_of_an_attribute_stop(self):
        booted = self.fill(60)
        before = self.entries()
        for key in booted[:55]:
            self.nova.change(key, **{"OS-EXT-SRV-ATTR:host": "host2"})
        line = self.reconcile(5)
        self.assertEqual((55, 0), numbers(line, "Differing Stored"))
        self.assertIn("would be changed in 55 of 60", self.said_last)
        self.assertEqual(before, self.entries())
        self.configure(guard_max_changes=60)
        self.reconcile(4)

    def test_an_instance_that_nova_says_is_gone_is_not_brought_back(self):
        [key] = self.fill(1)
        self.nova.delete(key)
        line = self.reconcile(4)
        [undone] = self.run_verb(0, "undo", line["Run"])
        self.assertEqual(("left", key), (undone["Done"], undone["Instance"]))
        self.assertIn("gone", undone["Reason"])
        self.assertEqual({}, self.entries())

    def test_the_last_instance_goes_where_each_removal_is_to_be_allowed(self):
        [key] = self.fill(1)
        self.configure(guard_max_removals=0, guard_max_removals_percent=0)
        self.nova.delete(key)
        line = self.reconcile(5)
        self.assertIn("1 of 1 entries would be removed", self.said_last)
        self.reconcile(4, "--allow", line["Plan"])
        self.assertEqual({}, self.entries())


class FewEntriesTest(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.fill(2)

    def test_they_stay_when_the_endpoint_is_of_another_cloud(self):
        before = self.entries()
        self.nova = self.useFixture(nova_service.NovaService())
        self.configure()
        self.nova.boot_many(5)
        for _ in range(2):
            line = self.reconcile(5)
            self.assertIn("Not one of 2 entries", self.said_last)
            self.assertEqual((2, 5), numbers(line, "Removals Missing"))
            self.assertEqual(before, self.entries())

    def test_others_come_instead_of_them_in_the_same_cloud(self):
        self.nova.servers.clear()
        self.nova.boot_many(5)
        self.reconcile(4)
        self.assertEqual({*self.nova.servers}, {*self.entries()})


@ddt.ddt
class NothingRemovedTest(ReconcileTestCase):
    """Whatever is wrong with a reading: no entry is removed."""

    def setUp(self):
        super().setUp()
        self.booted = self.fill(30)
        self.nova.max_limit = 10
        self.before = self.entries()

    def unharmed(self, status, word):
        """Reconcile; see how it ends, and that no entry is removed."""
        line = self.reconcile(status, "--patience", 5)
        self.assertIn(word, self.said_last)
        self.assertEqual(set(self.before), set(self.entries()))
        return line

    def fail_at_page(self, number, answer):
        """Answer something else from that page on, or nothing until then."""
        pages = []

        def fault(path, params):
            if not path.endswith("/servers/detail"):
                return None
            pages.append(params.get("marker"))
            if len(pages) < number:
                return None
            if isinstance(answer, threading.Event):
                answer.wait(waiting.LIMIT)
                return nova_service.HANG_UP
            return answer

        self.nova.fault = fault

    def test_an_empty_list(self):
        servers, self.nova.servers = self.nova.servers, {}
        self.addCleanup(servers.clear)
        self.unharmed(6, "fewer than half of the 30")

    @ddt.data(1, 3)
    def test_an_error_of_nova(self, page):
        self.fail_at_page(page, (500, {"computeFault": {"code": 500}}))
        self.unharmed(6, "(500)")

    def test_a_connection_that_ends_in_page_3(self):
        self.fail_at_page(3, nova_service.HANG_UP)
        self.unharmed(6, "page 3")

    def test_a_page_that_does_not_come_in_time(self):
        ends = threading.Event()
        self.addCleanup(ends.set)
        self.program = (sys.executable, "-c", IMPATIENT)
        self.fail_at_page(3, ends)
        self.unharmed(6, "page 3: Nova did not answer within 5 s")

    def test_a_page_that_comes_twice(self):
        again = self.nova.answer("/v2.1/servers/detail", {"limit": "10"})
        self.fail_at_page(3, again)
        self.unharmed(6, "page 3")

    def test_an_account_without_admin(self):
        self.nova.is_admin = False
        self.unharmed(6, "give it the role admin")

    def test_a_cell_that_is_down(self):
        self.nova.services.append(
            nova_service.service("compute", "host9", status="UNKNOWN")
        )
        for key in self.booted[:10]:
            self.nova.delete(key)
        self.unharmed(6, "a cell of Nova is down")

    def test_the_endpoint_of_another_cloud(self):
        self.nova.servers.clear()
        self.nova.boot_many(30)
        line = self.reconcile(5)
        self.assertIn("Not one of 30 entries", self.said_last)
        self.assertEqual(0, line["Stored"])
        self.assertEqual(self.before, self.entries())

    def test_the_endpoint_of_another_cloud_that_is_empty(self):
        for key in self.booted[15:]:
            self.nova.delete(key)
        self.reconcile(4)
        self.before = self.entries()
        self.nova = self.useFixture(nova_service.NovaService())
        self.configure()
        line = self.unharmed(5, "of the 0 instances that Nova lists")
        self.assertEqual((15, 0), numbers(line, "Removals Stored"))

    def test_the_database_of_nova_is_of_yesterday(self):
        for key in self.booted[:21]:
            self.nova.delete(key)
        self.configure(guard_max_removals=20)
        self.nova.boot_many(10)
        self.unharmed(5, "would be removed")

    def test_a_keystone_without_names(self):
        def fault(path, params):
            if "/users" in path or "/projects" in path:
                return 403, {"error": {"code": 403}}
            return None

        self.nova.fault = fault
        self.reconcile(0)
        self.assertEqual(self.before, self.entries())

    def test_instances_that_live_and_are_not_listed(self):
        self.nova.max_limit = 25
        answer = self.nova.answer("/v2.1/servers/detail", {"limit": "25"})

        def fault(path, params):
            if not path.endswith("/servers/detail"):
                return None
            return (200, {"servers": []}) if "marker" in params else answer

        self.nova.fault = fault
        line = self.reconcile(0)
        self.assertEqual((0, 5), numbers(line, "Removals Unsure"))
        self.assertEqual(self.before, self.entries())

    def test_a_directory_that_cannot_be_read(self):
        self.service.kill()
        self.reconcile(1)
        self.assertIn("directory rest cannot be read", self.said_last)
        self.service.start()
        self.assertEqual(self.before, self.entries())


@ddt.ddt
class ClockTest(ReconcileTestCase):
    """The clocks of Nova and of the daemon's host do not agree."""

    # By a clock that is behind Nova's, the entries are of a time to come.
    @ddt.data((3600.0, 0), (-3600.0, 1))
    @ddt.unpack
    def test_only_what_is_gone_is_removed(self, ahead, removals):
        self.nova.ahead = ahead
        booted = self.fill(6)
        gone, moved = booted[:2]
        # Booted while the list was read, which has it not.
        new = self.nova.boot(7)
        page = self.nova.answer("/v2.1/servers/detail", {"limit": "500"})
        page[1]["servers"] = [
            one for one in page[1]["servers"] if one["id"] not in (new, gone)
        ]

        def fault(path, params):
            if not path.endswith("/servers/detail"):
                return None
            return (200, {"servers": []}) if "marker" in params else page

        self.nova.fault = fault
        self.outbox.put(
            base.event(instance_uuid=new, occurred_at=time.time() + ahead)
        )
        waiting.until(lambda: new in self.entries(), "the entry of an event")
        self.nova.delete(gone)
        address = nova_service.address(200)
        self.nova.servers[moved]["addresses"] = {"private": [address]}
        line = self.reconcile(4)
        self.assertEqual(
            (0, 1, removals, 2 - removals, 1 + removals),
            numbers(line, "Missing Differing Removals Unsure Stored"),
        )
        left = {*booted, new} - ({gone} if removals else set())
        self.assertEqual(left, {*self.entries()})
        seen = self.entries()[moved]["host_record"]["addresses"][0]["ip"]
        self.assertEqual(address["addr"], seen)


class DefaultOwnerTest(ReconcileTestCase):
    owner = "nova"

    def test_with_the_default_owner_mark_nothing_is_removed(self):
        booted = self.fill(3)
        self.nova.delete(booted[0])
        line = self.reconcile(3)
        self.assertEqual((0, 1, 0), numbers(line, "Removals Unsure Stored"))
        [audited] = self.run_verb(3, "audit")
        self.assertIn("[nova_dirsvc] owner", audited["Reason"])
        self.assertEqual(3, len(self.entries()))


def _without_times(entries, others):
    """Return entries with the times of others: those of their states."""
    return {
        key: entry | {"as_of": others[key]["as_of"]}
        for key, entry in entries.items()
    }


def _names(entries):
    return {
        key: entry["host_record"]["display_name"]
        for key, entry in entries.items()
    }


def numbers(line, names):
    return tuple(line[name] for name in names.split())
