# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reconciling a real 389 DS with Nova's wire format."""

import uuid

import ldap

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from tests import processes
from tests.functional import directory389, nova_service
from tests.functional.test_reconcile import ReconcileTestCase, numbers


class LdapTestCase(ReconcileTestCase):
    """The daemon acts as the manager, who may write any owner mark."""

    def use_directory(self):
        self.server = self.useFixture(directory389.Directory389())
        self.options["directories"] = "ldap"
        self.manager = self.server.connect_as_manager()
        self.addCleanup(self.manager.unbind_ext)
        self.more = {
            "ldap": {
                "user": self.server.manager_dn,
                "password_file": self.server.folder / "manager.password",
            }
        }
        self.conf_file = self.server.conf_file

    def content(self, *more):
        """Give all below the container.

        :param more: ``+`` for what the server adds
        """
        found = self.manager.search_s(
            self.server.hosts_tree_dn,
            ldap.SCOPE_ONELEVEL,
            attrlist=["*", *more],
        )
        return {dn.lower(): entry for dn, entry in found}

    def entries(self):
        """Give our entries: instance uuid -> attributes, but their times."""
        return {
            entry["novaInstanceUuid"][0].decode(): {
                name: sorted(values)
                for name, values in entry.items()
                if name != ldap_entry.AS_OF
            }
            for entry in self.content().values()
            if entry.get("novaOwnerMark") == [self.owner.encode()]
        }

    def add(self, record, owner, dn=None, **changes):
        attributes = ldap_entry.attributes(record, owner, 0.0) | changes
        dn = dn or ldap_entry.dn(
            record.instance_uuid, self.server.hosts_tree_dn
        )
        self.manager.add_s(
            dn, [(name, values) for name, values in attributes.items()]
        )
        return dn.lower()

    def modify(self, file):
        """Apply LDIF, as the directory's administrator."""
        where = ("-H", self.server.ldapi_url, "-Y", "EXTERNAL", "-Q")
        done = processes.run("ldapmodify", *where, "-f", file)
        self.assertEqual(0, done.returncode, done.stderr)


class DriftTest(LdapTestCase):
    def test_one_run_makes_all_equal_and_leaves_others_as_they_are(self):
        booted = self.fill(60)
        tree = self.server.hosts_tree_dn
        gone, lost, changed = booted[:5], booted[5:15], booted[15:25]
        moved, foreign = booted[25:30], booted[30:33]
        for key in gone:
            self.nova.delete(key)
        for key in [*lost, *foreign]:
            self.manager.delete_s(ldap_entry.dn(key, tree))
        for key in changed:
            self.manager.modify_s(
                ldap_entry.dn(key, tree),
                [(ldap.MOD_REPLACE, "novaProjectName", [b"nonsense"])],
            )
        for number, key in enumerate(moved):
            self.nova.change(
                key,
                addresses={"private": [nova_service.address(200 + number)]},
            )
        for key in foreign:
            self.add(events.HostRecord(instance_uuid=key), "somebody")
        for _ in range(10):
            record = events.HostRecord(instance_uuid=str(uuid.uuid4()))
            self.add(record, "another-cloud")
        before = self.content("+")
        line = self.reconcile(3)
        self.assertEqual(
            (10, 15, 5, 3, 30),
            numbers(line, "Missing Differing Removals Conflicts Stored"),
        )
        after = self.content("+")
        for dn, entry in before.items():
            if entry["novaOwnerMark"] != [self.owner.encode()]:
                self.assertEqual(entry, after[dn])
        self.assertEqual(
            set(booted) - set(gone) - set(foreign), set(self.entries())
        )
        self.assertEqual(dict.fromkeys(foreign, "conflict"), self.found(3))
        line = self.reconcile(3)
        self.assertEqual(0, line["Stored"])
        self.assertEqual(after, self.content("+"))

    def test_an_undone_run_leaves_each_attribute_as_it_was(self):
        booted = self.fill(60)
        before = self.entries()
        servers = {
            key: dict(self.nova.servers[key]) for key in self.nova.servers
        }
        for key in booted[:25]:
            self.nova.delete(key)
        for key in booted[25:30]:
            self.nova.change(key, **{"OS-EXT-SRV-ATTR:hostname": "renamed"})
        line = self.reconcile(5)
        line = self.reconcile(4, "--allow", line["Plan"])
        self.assertEqual(35, len(self.entries()))
        self.nova.servers = servers
        self.run_verb(4, "undo", line["Run"])
        self.assertEqual(before, self.entries())


class HalfReadTest(LdapTestCase):
    def test_a_directory_that_is_read_in_part_gets_nothing(self):
        self.fill(20)
        for key in list(self.nova.servers)[:3]:
            self.nova.delete(key)
        self.nova.boot_many(3)
        self.more["ldap"] = {}
        self.configure(owner=self.server.owner)
        # Our account gets ten entries, and then an error.
        self.manager.modify_s(
            self.server.bind_dn,
            [
                (ldap.MOD_REPLACE, name, [b"10"])
                for name in ("nsSizeLimit", "nsPagedSizeLimit")
            ],
        )
        for _ in range(15):
            self.add(
                events.HostRecord(instance_uuid=str(uuid.uuid4())),
                self.server.owner,
            )
        before = self.content("+")
        self.reconcile(1)
        self.assertIn("directory ldap cannot be read", self.said_last)
        self.assertEqual(before, self.content("+"))
        self.assertEqual([], self.told("outbox", "list"))


class LdifTest(LdapTestCase):
    def test_a_plan_as_ldif_does_what_the_plan_would(self):
        booted = self.fill(6)
        self.nova.delete(booted[0])
        self.nova.boot(7, **{"OS-EXT-SRV-ATTR:hostname": "n\u00e9w"})
        self.nova.change(booted[1], **{"OS-EXT-SRV-ATTR:hostname": "renamed"})
        plan, text = self.folder / "plan", self.folder / "plan.ldif"
        self.run_verb(
            3, "plan", "--policy", "sync", "-o", plan, "--ldif", text
        )
        self.modify(text)
        self.assertEqual({}, self.found(0))

    def test_entries_of_somebody_else_are_adopted_by_their_administrator(self):
        one, two = self.nova.boot(1), self.nova.boot(2)
        mac = nova_service.address(1)["OS-EXT-IPS-MAC:mac_addr"]
        tree = self.server.hosts_tree_dn
        self.manager.add_s(
            f"cn=old,{tree}",
            [
                ("objectClass", [b"device", b"ieee802Device"]),
                ("cn", [b"old"]),
                ("macAddress", [mac.encode()]),
                ("description", [b"kept"]),
            ],
        )
        self.add(events.HostRecord(instance_uuid=two), "somebody")
        text = self.folder / "adopt.ldif"
        lines = self.run_verb(3, "adopt", "-o", text)
        self.assertEqual(
            {(one, "MAC"), (two, "uuid")},
            {(line["Instance"], line["Matched By"]) for line in lines},
        )
        self.modify(text)
        self.start(*self.files)
        line = self.reconcile(4)
        self.assertEqual((0, 0), numbers(line, "Missing Conflicts"))
        self.assertEqual({}, self.found(0))
        self.assertEqual({one, two}, set(self.entries()))
        self.assertEqual([b"kept"], self.entries()[one]["description"])
        self.run_verb(0, "adopt", "-o", text)
