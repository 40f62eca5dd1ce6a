# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the driver reads of a real server, and what it would write to it."""

import dataclasses
import random
import uuid

import fixtures
import ldap
import testtools

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from tests import drivers, waiting
from tests.functional import directory_contract, openldap, replication389
from tests.functional.test_directory_ldap import (
    DriverTestCase,
    OwnServerTestCase,
)
from tests.functional.test_directory_ldap_elsewhere import ElsewhereTestCase

REGISTER, REFRESH = events.Verb.REGISTER, events.Verb.REFRESH
READING = "nova_dirsvc_plugin.directories.ldap.reading"


def states(records, as_of=0.0):
    return [events.HostState(REFRESH, one, as_of) for one in records]


class ContentTest(ElsewhereTestCase):
    def test_an_entry_is_read_with_all_that_it_has(self):
        one = directory_contract.record()
        self.ours.apply(states([one], 1795348800.25))
        self.manager.modify_s(
            self.dn(one),
            [
                (ldap.MOD_ADD, "objectClass", [b"extensibleObject"]),
                (ldap.MOD_ADD, "description", [b"rack 7", b"n\xc3\xa9"]),
                (ldap.MOD_ADD, "jpegPhoto", [b"\xff\xd8 no UTF-8"]),
            ],
        )
        (entry,) = self.ours.entries()
        self.assertEqual(1795348800.25, entry.as_of)
        self.assertEqual("nova", entry.owner)
        self.assertEqual(self.dn(one), entry.name)
        self.assertEqual("", entry.conflict)
        self.assertEqual(
            ["né", "rack 7"], sorted(entry.content["description"])
        )
        (on_server,) = self.found(one).values()
        self.assertEqual(
            on_server, ldap_entry.from_content(dict(entry.content))
        )
        self.assertEqual(
            [], self.ours.differences(entry, states([one], 1795348801.0)[0])
        )

    def test_attributes_that_others_spell_otherwise_are_ours_too(self):
        one = self.registered()
        newer = dataclasses.replace(one, user_name="bob")
        self.manager.modify_s(
            self.dn(one),
            [
                (ldap.MOD_DELETE, "novaUserName", None),
                (ldap.MOD_ADD, "NOVAUSERNAME", [b"bob"]),
            ],
        )
        (entry,) = self.ours.entries()
        self.assertEqual("bob", entry.record.user_name)
        self.assertEqual(
            [], self.ours.differences(entry, states([newer], 1.0)[0])
        )

    def test_a_uuid_that_is_none_is_named_as_a_conflict(self):
        one = directory_contract.record("no-uuid")
        self.copy(one)
        (entry,) = self.ours.entries()
        self.assertIn("not a UUID", entry.conflict)


class DifferencesTest(ElsewhereTestCase):
    """An entry differs if and only if the driver would write to it."""

    def modifications(self):
        ((_, found),) = self.manager.search_s(
            "cn=snmp,cn=monitor", ldap.SCOPE_BASE, attrlist=["modifyentryops"]
        )
        return int(found["modifyentryops"][0])

    def test_it_differs_exactly_when_a_refresh_writes(self):
        chance = random.Random(12)
        fields = {
            "display_name": ["web", "db", "né 名", ""],
            "host_name": ["web", "WEB", ""],
            "user_name": ["alice", "bob", ""],
            "image_uuid": ["5a1d32c6-2595-461c-bbd9-c94d0a4da72c", ""],
            "launched_at": ["2026-11-22T10:27:55Z", ""],
            "addresses": [
                None,
                (),
                (events.Address("192.0.2.1", directory_contract.MAC),),
                (
                    events.Address("192.0.2.1", "fa:16:3e:00:00:01"),
                    events.Address("2001:db8::1", "fa:16:3e:00:00:02"),
                ),
                (
                    events.Address("2001:db8::1", "fa:16:3e:00:00:02"),
                    events.Address("192.0.2.1", "fa:16:3e:00:00:01"),
                ),
            ],
        }

        def anything(instance_uuid):
            return directory_contract.record(
                instance_uuid,
                **{name: chance.choice(fields[name]) for name in fields},
            )

        uuids = [str(uuid.uuid4()) for _ in range(60)]
        self.ours.apply(states(map(anything, uuids), 100.0))
        seen = set()
        for number, entry in enumerate(list(self.ours.find(uuids))):
            if number % 10 == 9:
                self.rename(entry.record, f"cn=plain{number}")
                (entry,) = self.ours.find([entry.record.instance_uuid])
            newer = anything(entry.record.instance_uuid)
            # At the same time, so that the time is not written either.
            (state,) = states([newer], chance.choice([100.0, 100.0, 99.0]))
            differences = self.ours.differences(entry, state)
            before = self.modifications()
            self.assertEqual([base.Done()], list(self.ours.apply([state])))
            wrote = self.modifications() - before
            self.assertEqual(bool(differences), bool(wrote), differences)
            (after,) = self.ours.find([entry.record.instance_uuid])
            for one in differences:
                self.assertEqual(
                    sorted(one.new),
                    sorted(after.content.get(one.attribute, [])),
                )
            self.assertEqual([], self.ours.differences(after, state))
            seen.add(bool(differences))
        self.assertEqual({True, False}, seen)

    def test_a_difference_names_the_old_and_the_new_values(self):
        one = self.registered()
        newer = dataclasses.replace(one, user_name="bob", image_uuid="")
        (entry,) = self.ours.entries()
        self.assertEqual(
            [
                base.Difference("novaUserName", ["alice"], ["bob"]),
                base.Difference("novaImageUuid", [one.image_uuid], []),
            ],
            self.ours.differences(entry, states([newer], 1.0)[0]),
        )

    def test_the_name_that_an_administrator_gave_is_no_difference(self):
        one = self.registered()
        self.rename(one)
        (entry,) = self.ours.entries()
        newer = dataclasses.replace(one, host_name="other")
        self.assertEqual(
            [], self.ours.differences(entry, states([newer], 1.0)[0])
        )


class ConflictTest(ElsewhereTestCase):
    """Of the entries of a uuid, at most the one that we change has none."""

    def conflicts(self, driver=None):
        driver = driver or self.ours
        conflicts = {
            entry.name.partition(",")[0]: entry.conflict
            for entry in driver.entries()
        }
        for entry in driver.find([self.one.instance_uuid]):
            if entry.owner == "nova":
                rdn = entry.name.partition(",")[0]
                self.assertEqual(conflicts[rdn], entry.conflict)
        return conflicts

    def setUp(self):
        super().setUp()
        self.one = directory_contract.record()
        self.usual = f"novaInstanceUuid={self.one.instance_uuid}"

    def test_one_that_was_renamed_has_none(self):
        self.ask(self.ours, REGISTER, self.one)
        self.rename(self.one, above=self.add_below())
        self.assertEqual({"cn=plain": ""}, self.conflicts())

    def test_a_copy_of_the_one_that_we_change_has_one(self):
        self.ask(self.ours, REGISTER, self.one)
        self.copy(self.one)
        conflicts = self.conflicts()
        self.assertEqual("", conflicts[self.usual])
        self.assertIn(f"{self.usual},{self.tree}", conflicts["cn=copy"])

    def test_of_two_elsewhere_each_has_one(self):
        self.copy(self.one)
        self.copy(self.one, "cn=other")
        conflicts = self.conflicts()
        self.assertIn(f"cn=other,{self.tree}", conflicts["cn=copy"])
        self.assertIn(f"cn=copy,{self.tree}", conflicts["cn=other"])
        for verb in (REFRESH, events.Verb.UNREGISTER):
            (outcome,) = self.ask(self.ours, verb, self.one)
            self.assertIsInstance(outcome, base.Foreign)

    def test_one_beside_a_foreign_entry_elsewhere_has_none(self):
        self.copy(self.one)
        self.copy(self.one, "cn=theirs", owner="somebody")
        self.assertEqual({"cn=copy": ""}, self.conflicts())
        found = self.ours.find([self.one.instance_uuid])
        self.assertEqual(
            {"nova", "somebody"}, {entry.owner for entry in found}
        )

    def test_one_beside_a_foreign_entry_in_its_place_has_one(self):
        self.copy(self.one, self.usual, owner="somebody")
        self.copy(self.one)
        self.assertIn(f"{self.usual},{self.tree}", self.conflicts()["cn=copy"])
        (outcome,) = self.ask(self.ours, REFRESH, self.one)
        self.assertIsInstance(outcome, base.Foreign)


class FindTest(ElsewhereTestCase):
    def test_each_is_found_whoever_owns_it_and_no_other(self):
        ours = [self.registered() for _ in range(40)]
        theirs = [directory_contract.record() for _ in range(3)]
        for number, one in enumerate(theirs):
            self.copy(one, f"cn=theirs{number}", owner="somebody")
        unmarked = directory_contract.record()
        self.copy(unmarked, "cn=marked", owner="Nova")
        wanted = [*ours[:35], *theirs, unmarked]
        absent = [str(uuid.uuid4()) for _ in range(5)]
        found = list(
            self.ours.find([one.instance_uuid for one in wanted] + absent)
        )
        self.assertEqual(
            sorted(one.instance_uuid for one in wanted),
            sorted(entry.record.instance_uuid for entry in found),
        )
        marks = [entry.owner for entry in found]
        self.assertEqual(
            (35, 3, 1),
            tuple(marks.count(one) for one in ("nova", "somebody", "Nova")),
        )
        self.assertEqual([], list(self.ours.find([])))


class ReplicationTest(DriverTestCase):
    """Two suppliers that were apart were given the same entry."""

    def test_what_the_server_hides_is_named(self):
        suppliers = self.useFixture(replication389.Suppliers())
        one, theirs = directory_contract.record(), directory_contract.record()
        suppliers.keep_apart()
        for server in suppliers.servers:
            self.server = server
            self.ask(self.driver(), REGISTER, one)
            self.ask(self.driver("other"), REGISTER, theirs)
        suppliers.bring_together()
        driver = drivers.load(self, "ldap", "nova", self.server.conf_file)

        def found():
            wanted = [one.instance_uuid, theirs.instance_uuid]
            entries = list(driver.find(wanted))
            return len(entries) == 4 and entries

        for entry in waiting.until(found, "the servers to be one"):
            hidden = "nsuniqueid=" in entry.name
            self.assertEqual(
                hidden, entry.conflict.startswith("replication conflict: ")
            )
        named = {
            entry.conflict.partition(":")[0]: entry.record.instance_uuid
            for entry in driver.entries()
        }
        self.assertEqual(
            {
                "": one.instance_uuid,
                "replication conflict": one.instance_uuid,
            },
            named,
        )


class CutTest(OwnServerTestCase):
    """A reading that ends in the middle is never taken for all."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(f"{READING}._PAGE_SIZE", 3))
        self.ours = self.driver(operation_timeout=2.0)
        self.uuids = [
            directory_contract.record().instance_uuid for _ in range(40)
        ]
        outcomes = self.ask(
            self.ours, REGISTER, *map(directory_contract.record, self.uuids)
        )
        self.assertEqual({base.Done()}, set(outcomes))

    def begun(self):
        entries = self.ours.entries()
        next(entries)
        return entries

    def assert_cut(self, entries):
        error = self.assertRaises(base.DirectoryUnavailable, list, entries)
        self.assertNotEqual("", str(error))

    def test_a_server_that_dies(self):
        for begun in (self.begun(), self.ours.find(self.uuids)):
            next(begun)
            self.server.kill()
            self.assert_cut(begun)
            self.server.start()
        self.assertEqual(40, len(list(self.ours.entries())))

    def test_a_server_that_hangs(self):
        entries = self.begun()
        self.server.freeze()
        self.addCleanup(self.server.thaw)
        self.assert_cut(entries)
        self.server.thaw()
        self.assertEqual(40, len(list(self.ours.entries())))

    def test_a_connection_that_is_closed_meanwhile(self):
        entries = self.begun()
        self.ours.close()
        self.assert_cut(entries)

    def test_a_connection_that_is_made_anew_meanwhile(self):
        entries = self.begun()
        self.ours.close()
        self.ask(self.ours, REGISTER, directory_contract.record())
        self.assert_cut(entries)

    def test_a_server_that_looks_through_no_more_than_some(self):
        self.replace(
            self.server.bind_dn,
            nsLookThroughLimit="20",
            nsPagedLookThroughLimit="20",
        )
        self.ours.close()
        self.assert_cut(self.ours.entries())

    def test_one_page_after_the_other_gives_all(self):
        found = [entry.record.instance_uuid for entry in self.ours.entries()]
        self.assertEqual(sorted(self.uuids), sorted(found))


class OpenLdapTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(f"{READING}._PAGE_SIZE", 3))
        self.server = self.useFixture(openldap.OpenLdap())
        self.manager = self.server.connect()
        self.addCleanup(self.manager.unbind_ext)

    def driver(self):
        return drivers.load(self, "ldap", **self.server.options())

    def test_renamed_and_copied_entries_are_looked_up_between_pages(self):
        ours, tree = self.driver(), self.server.hosts_tree_dn
        records = [directory_contract.record() for _ in range(20)]
        ours.apply(states(records))
        for number, one in enumerate(records[::2]):
            self.manager.rename_s(
                ldap_entry.dn(one.instance_uuid, tree),
                f"cn=plain{number}",
                delold=0,
            )
        for number, one in enumerate(records[:8]):
            attributes = ldap_entry.attributes(one, "nova", 0.0)
            attributes["cn"].append(f"copy{number}".encode())
            self.manager.add_s(
                f"cn=copy{number},{tree}", list(attributes.items())
            )
        found = list(ours.entries())
        self.assertEqual(28, len(found))
        # Four whose own entry is in its place, four whose is not.
        self.assertEqual(8 + 4, sum(bool(entry.conflict) for entry in found))
        uuids = [one.instance_uuid for one in records]
        self.assertEqual(28, len(list(ours.find(uuids))))

    def test_a_limit_of_all_pages_is_no_end(self):
        ours = self.driver()
        ours.apply(states(directory_contract.record() for _ in range(20)))
        self.assertEqual(20, len(list(ours.entries())))
        account = self.server.add_account()
        self.server.configure(f'limits dn.exact="{account}" size.prtotal=10')
        self.server.user = account
        self.assertRaises(
            base.DirectoryUnavailable, list, self.driver().entries()
        )
