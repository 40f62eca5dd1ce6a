# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Entries that are not where the driver has put them, or not its own."""

import pathlib
import subprocess

import ldap

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from tests.functional import directory_contract
from tests.functional.test_directory_ldap import LdapDirectoryTestCase

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER
REFRESH, SOFTLY = events.Verb.REFRESH, events.Verb.SOFT_UNREGISTER

GUIDE = pathlib.Path(__file__).parents[2] / "doc/source/admin/operation.rst"


class ElsewhereTestCase(LdapDirectoryTestCase):
    def setUp(self):
        super().setUp()
        self.tree = self.server.hosts_tree_dn
        self.ours = self.driver()

    def registered(self):
        one = directory_contract.record()
        self.assertEqual([base.Done()], self.ask(self.ours, REGISTER, one))
        return one

    def rename(self, record, name="cn=plain", above=None):
        self.manager.rename_s(self.dn(record), name, above, delold=0)

    def found(self, record):
        """Give the entries of an instance by their DN, wherever they are."""
        return dict(
            self.manager.search_s(
                self.tree,
                ldap.SCOPE_SUBTREE,
                f"(novaInstanceUuid={record.instance_uuid})",
            )
        )

    def copy(self, record, name="cn=copy", owner="nova"):
        attributes = ldap_entry.attributes(record, owner, 0.0)
        attributes["cn"].append(name.partition("=")[2].encode())
        self.manager.add_s(f"{name},{self.tree}", list(attributes.items()))

    def add_below(self):
        """Add a container below ours."""
        below = f"ou=old,{self.tree}"
        self.manager.add_s(
            below, [("objectClass", [b"organizationalUnit"]), ("ou", [b"old"])]
        )
        return below


class RenamedTest(ElsewhereTestCase):
    """An administrator has renamed an entry."""

    def test_it_is_removed_where_it_is(self):
        for verb in (UNREGISTER, SOFTLY):
            one = self.registered()
            self.rename(one)
            self.assertEqual([base.Done()], self.ask(self.ours, verb, one))
            self.assertEqual({}, self.found(one))

    def test_it_is_removed_from_a_container_below(self):
        one = self.registered()
        self.rename(
            one, f"novaInstanceUuid={one.instance_uuid}", self.add_below()
        )
        self.assertEqual([base.Done()], self.ask(self.ours, UNREGISTER, one))
        self.assertEqual({}, self.found(one))

    def test_it_is_corrected_where_it_is_and_keeps_its_name(self):
        one = self.registered()
        self.rename(one)
        newer = directory_contract.record(
            one.instance_uuid, user_name="bob", host_name="renamed"
        )
        state = events.HostState(REFRESH, newer, 10.0)
        self.assertEqual([base.Done()], list(self.ours.apply([state])))
        ((dn, found),) = self.found(one).items()
        self.assertEqual(f"cn=plain,{self.tree}", dn.lower())
        self.assertEqual([b"bob"], found["novaUserName"])

    def test_it_is_listed(self):
        one = self.registered()
        self.rename(one, above=self.add_below())
        (listed,) = self.ours.entries()
        self.assertEqual(one.instance_uuid, listed.record.instance_uuid)

    def test_in_a_batch_each_gets_its_own_outcome(self):
        records = [self.registered() for _ in range(30)]
        for number, one in enumerate(records[::3]):
            self.rename(one, f"cn=plain{number}")
        for one in records[1::3]:
            self.manager.delete_s(self.dn(one))
        new = [directory_contract.record() for _ in range(10)]
        states = [
            *(events.HostState(UNREGISTER, one) for one in records),
            *(events.HostState(REGISTER, one) for one in new),
        ]
        self.assertEqual([base.Done()] * 40, list(self.ours.apply(states)))
        self.assertEqual(
            {one.instance_uuid for one in new},
            {entry.record.instance_uuid for entry in self.ours.entries()},
        )

    def test_one_of_another_owner_is_not_removed(self):
        one = directory_contract.record()
        self.copy(one, owner="somebody")
        (outcome,) = self.ask(self.ours, UNREGISTER, one)
        self.assertIsInstance(outcome, base.Foreign)
        self.assertIn(f"cn=copy,{self.tree}", outcome.reason)
        self.assertIn("'somebody'", outcome.reason)
        self.assertEqual(1, len(self.found(one)))


class SameUuidTest(ElsewhereTestCase):
    """Several entries have the uuid of one instance."""

    def test_they_are_named_and_none_is_removed(self):
        one = directory_contract.record()
        self.copy(one)
        self.copy(one, "cn=other")
        for verb in (UNREGISTER, REFRESH):
            (outcome,) = self.ask(self.ours, verb, one)
            self.assertIsInstance(outcome, base.Foreign)
            self.assertIn(f"cn=copy,{self.tree}", outcome.reason)
            self.assertIn(f"cn=other,{self.tree}", outcome.reason)
        self.assertEqual(2, len(self.found(one)))

    def test_the_one_that_is_ours_is_removed(self):
        one = directory_contract.record()
        self.copy(one)
        self.copy(one, "cn=theirs", owner="somebody")
        self.assertEqual([base.Done()], self.ask(self.ours, UNREGISTER, one))
        self.assertEqual(
            [f"cn=theirs,{self.tree}"], [dn.lower() for dn in self.found(one)]
        )


class OwnerMarkChangedTest(ElsewhereTestCase):
    """The owner mark was changed; entries carry the one before."""

    def test_what_the_guide_says_hands_them_over(self):
        one, another = self.registered(), self.registered()
        self.rename(another, "cn=n\N{LATIN SMALL LETTER E WITH ACUTE}")
        renamed = self.driver("new")
        outcomes = self.ask(renamed, UNREGISTER, one, another)
        for outcome in outcomes:
            self.assertIsInstance(outcome, base.Foreign)
            self.assertIn("'nova'", outcome.reason)
            self.assertIn("'new'", outcome.reason)
        self.hand_over("nova", "new")
        self.assertEqual(
            {one.instance_uuid, another.instance_uuid},
            {entry.record.instance_uuid for entry in renamed.entries()},
        )
        self.assertEqual(
            [base.Done()] * 2, self.ask(renamed, UNREGISTER, one, another)
        )
        self.assertEqual([], list(renamed.entries()))

    def hand_over(self, old, new):
        """Run the commands of the guide, as the server's manager."""
        _, _, after = GUIDE.read_text().partition(".. _owner-mark:")
        lines = after.partition("::\n\n")[2].splitlines()
        commands = []
        for line in lines:
            if line and not line.startswith("  "):
                break
            commands.append(line[2:])
        script = "\n".join(commands)
        for placeholder, value in (
            ("OLD", old),
            ("NEW", new),
            ("TREE", self.tree),
            ("OPTIONS", f"-H {self.server.ldapi_url} -Y EXTERNAL -Q"),
        ):
            self.assertIn(placeholder, script)
            script = script.replace(placeholder, value)
        subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            check=True,
            capture_output=True,
        )
