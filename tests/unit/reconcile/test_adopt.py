# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Entries without our mark are matched to instances, where that is certain."""

import dataclasses

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.reconcile import adopt
from tests.unit import base
from tests.unit.reconcile import clouds, test_ldif

MAC = "02:00:00:00:00:01"
OTHER_MAC = "02:00:00:00:00:02"


def entry(name="cn=web,dc=example", owner="", key="", mac="", **fields):
    """Make an entry that somebody else has made."""
    record = events.HostRecord(
        instance_uuid=key,
        addresses=(events.Address("", mac),) if mac else (),
        **fields,
    )
    return directories.Entry(record, 0.0, owner, name, {})


class MatchTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = clouds.Cloud()

    def boot(self, name="web", mac=MAC, **fields):
        return self.cloud.boot(
            display_name=name,
            host_name=name,
            addresses=(events.Address("192.0.2.1", mac),),
            **fields,
        )

    def match(self, *entries, owned=()):
        """Return [(uuid, by)] and the reasons of the others."""
        found, left = adopt.match(
            entries, self.cloud.read(), clouds.OWNER, owned
        )
        return (
            [(one.state.record.instance_uuid, one.by) for one in found],
            [one.reason for one in left],
        )

    def assert_left(self, words, *entries, **more):
        found, reasons = self.match(*entries, **more)
        self.assertEqual([], found)
        for reason in reasons:
            self.assertIn(words, reason)
        self.assertEqual(len(entries), len(reasons))

    def test_by_the_uuid(self):
        key = self.boot()
        self.assertEqual(
            ([(key, "uuid")], []), self.match(entry(key=key.upper()))
        )

    def test_by_the_mac(self):
        key = self.boot(mac="fa:16:3e:00:00:0a")
        self.assertEqual(
            ([(key, "MAC")], []), self.match(entry(mac="FA:16:3E:00:00:0A"))
        )

    def test_by_the_name(self):
        key = self.boot("Web-1")
        for field in ("host_name", "display_name"):
            self.assertEqual(
                ([(key, "name")], []), self.match(entry(**{field: "web-1"}))
            )

    def test_what_fits_nothing_is_left(self):
        self.boot()
        self.assert_left(
            "no instance has", entry(host_name="db"), entry(mac=OTHER_MAC)
        )

    def test_an_entry_of_nothing_at_all_is_left(self):
        self.boot(name="", mac="")
        self.assert_left("no instance has", entry())

    def test_a_name_of_two_instances_is_left(self):
        self.boot()
        self.boot(mac=OTHER_MAC)
        self.assert_left("fits several", entry(host_name="web"))

    def test_a_mac_tells_two_of_one_name_apart(self):
        self.boot()
        key = self.boot(mac=OTHER_MAC)
        self.assertEqual(
            ([(key, "MAC")], []),
            self.match(entry(host_name="web", mac=OTHER_MAC)),
        )

    def test_what_speaks_for_two_instances_is_left(self):
        key = self.boot("web")
        self.boot("db", OTHER_MAC)
        for one in (
            entry(key=key, mac=OTHER_MAC),
            entry(key=key, host_name="db"),
            entry(mac=MAC, host_name="db"),
        ):
            self.assert_left("fits several", one)

    def test_two_entries_of_one_instance_are_left(self):
        key = self.boot()
        self.assert_left(
            f"other entries fit the instance {key}",
            entry("cn=a", mac=MAC),
            entry("cn=b", host_name="web"),
        )

    def test_an_instance_that_has_its_entry_is_left(self):
        key = self.boot()
        self.assert_left(
            "has an entry with our mark", entry(mac=MAC), owned=[key]
        )

    def test_anothers_entry_is_matched_by_the_uuid_alone(self):
        key = self.boot()
        self.assert_left(
            "has the owner mark 'theirs'",
            entry(owner="theirs", mac=MAC),
            entry(owner="theirs", host_name="web"),
        )
        self.assertEqual(
            ([(key, "uuid")], []),
            self.match(entry(owner="theirs", key=key)),
        )

    def test_ours_are_not_looked_at(self):
        key = self.boot()
        self.assertEqual(
            ([], []), self.match(entry(owner=clouds.OWNER, key=key))
        )

    def test_an_instance_that_should_have_no_entry_is_not_matched(self):
        key = self.boot()
        self.cloud.states[key] = dataclasses.replace(
            self.cloud.states[key], verb=events.Verb.SOFT_UNREGISTER
        )
        self.assert_left("no instance has", entry(key=key))

    def test_an_entry_in_conflict_is_left(self):
        key = self.boot()
        one = dataclasses.replace(
            entry(key=key), conflict="put aside by replication"
        )
        self.assert_left("put aside by replication", one)


class LdifTest(base.TestCase):
    def test_it_gives_the_mark_and_no_more(self):
        """With what the driver of LDAP would write."""

        def differences(entry, state):
            found = ldap_entry.from_content(entry.content)
            new = ldap_entry.update(
                found, state.record, clouds.OWNER, state.as_of
            )
            return [
                directories.Difference(
                    name, (), [value.decode() for value in values]
                )
                for name, values in new.items()
            ]

        cloud = clouds.Cloud()
        key = cloud.boot(host_name="web")
        theirs = directories.Entry(
            events.HostRecord(instance_uuid="", host_name="web"),
            # Later than Nova was read.
            clouds.READ_AT + 9,
            "old",
            "cn=web,dc=example",
            {"objectClass": ["device", "x"], "cn": ["web"]},
        )
        match = adopt.Match(theirs, cloud.states[key], "name")
        text = "".join(
            adopt.to_ldif(
                [match],
                differences,
                ["objectclass", "novainstanceuuid", "novaownermark"],
            )
        )
        self.assertIn(f"# instance {key}, matched by name\n", text)
        self.assertIn("# until now of owner mark old\n", text)
        ((dn, modified, _),) = test_ldif.changes(text)
        self.assertEqual("cn=web,dc=example", dn)
        self.assertEqual(
            {
                "novaInstanceUuid": [key.encode()],
                "novaOwnerMark": [clouds.OWNER.encode()],
            },
            {name: new for _, name, new in modified if name != "objectClass"},
        )
        (classes,) = [
            new for _, name, new in modified if name == "objectClass"
        ]
        self.assertIn(b"novaInstance", classes)
        self.assertIn(b"x", classes)
