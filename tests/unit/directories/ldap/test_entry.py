# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
MAC = "fa:16:3e:51:8e:ab"
AS_OF = 1795343275.5


def entry(**fields):
    return ldap_entry.attributes(
        events.HostRecord(instance_uuid=UUID, **fields), "nova", AS_OF
    )


FULL = {
    "host_name": "plain",
    "display_name": "Plain",
    "project_name": "demo",
    "created_at": "2026-11-22T10:27:53Z",
    "addresses": (
        events.Address("10.0.0.54", MAC),
        events.Address("2001:db8::1", MAC),
    ),
}


class AttributesTest(base.TestCase):
    def test_a_dn_takes_a_uuid_and_nothing_else(self):
        self.assertEqual(
            f"novaInstanceUuid={UUID},ou=hosts",
            ldap_entry.dn(UUID, "ou=hosts"),
        )
        self.assertRaises(ValueError, ldap_entry.dn, "a,ou=x", "ou=hosts")

    def test_all_values_of_a_full_record_are_there(self):
        self.assertEqual(
            {
                "objectClass": [
                    b"top",
                    b"device",
                    b"novaInstance",
                    b"ipHost",
                    b"ieee802Device",
                ],
                "cn": [b"plain"],
                "novaInstanceUuid": [UUID.encode()],
                "novaOwnerMark": [b"nova"],
                "novaAsOf": [b"20261122102755.500000Z"],
                "novaDisplayName": [b"Plain"],
                "novaProjectName": [b"demo"],
                "novaCreatedAt": [b"20261122102753Z"],
                "ipHostNumber": [b"10.0.0.54", b"2001:db8::1"],
                "macAddress": [MAC.encode()],
            },
            entry(**FULL),
        )

    def test_without_an_address_there_is_no_class_that_requires_one(self):
        bare = entry(host_name="plain")
        self.assertEqual(
            [b"top", b"device", b"novaInstance"], bare["objectClass"]
        )
        self.assertNotIn("ipHostNumber", bare)
        self.assertNotIn("macAddress", bare)

    @hypothesis.given(
        name=strategies.text(strategies.characters(exclude_categories=())),
    )
    def test_any_name_gives_values_that_a_directory_can_hold(self, name):
        for values in entry(display_name=name, host_name=name).values():
            for value in values:
                self.assertNotEqual(b"", value)
                self.assertNotIn(b"\x00", value)
                value.decode()

    def test_an_entry_reads_back_as_the_record_it_came_from(self):
        self.assertEqual(
            entry(**FULL),
            ldap_entry.attributes(
                ldap_entry.record(entry(**FULL)), "nova", AS_OF
            ),
        )


class DifferencesTest(base.TestCase):
    def test_an_equal_entry_has_none_in_any_order_or_case(self):
        found = {
            name.upper(): values[::-1]
            for name, values in entry(**FULL).items()
        }
        self.assertEqual({}, ldap_entry.differences(found, entry(**FULL)))

    def test_a_changed_and_a_new_value_are_replaced(self):
        wanted = entry(**FULL | {"display_name": "New", "user_name": "alice"})
        self.assertEqual(
            {"novaDisplayName": [b"New"], "novaUserName": [b"alice"]},
            ldap_entry.differences(entry(**FULL), wanted),
        )

    def test_losing_the_last_address_takes_class_and_values_away(self):
        wanted = entry(**FULL | {"addresses": ()})
        self.assertEqual(
            {
                "objectClass": [b"top", b"device", b"novaInstance"],
                "ipHostNumber": [],
                "macAddress": [],
            },
            ldap_entry.differences(entry(**FULL), wanted),
        )

    def test_what_an_operator_added_stays(self):
        found = entry(**FULL) | {"description": [b"rack 7"]}
        found["objectClass"] = [*found["objectClass"], b"pkiUser"]
        self.assertEqual({}, ldap_entry.differences(found, entry(**FULL)))
        replace = ldap_entry.differences(found, entry(host_name="plain"))
        self.assertIn(b"pkiUser", replace["objectClass"])


class UpdateTest(base.TestCase):
    def update(self, found, as_of=AS_OF, **fields):
        record = events.HostRecord(instance_uuid=UUID, **fields)
        return ldap_entry.update(found, record, "nova", as_of)

    def test_the_same_news_again_changes_nothing(self):
        self.assertEqual({}, self.update(entry(**FULL), **FULL))

    def test_newer_news_replaces_and_sets_the_time(self):
        self.assertEqual(
            {
                "novaDisplayName": [b"New"],
                "novaAsOf": [b"20261122102756.500000Z"],
            },
            self.update(
                entry(**FULL), AS_OF + 1, **FULL | {"display_name": "New"}
            ),
        )

    def test_newer_news_that_says_the_same_sets_the_time(self):
        self.assertEqual(
            {"novaAsOf": [b"20261122102756.500000Z"]},
            self.update(entry(**FULL), AS_OF + 1, **FULL),
        )

    def test_older_news_adds_names_that_are_missing_and_no_more(self):
        older = FULL | {"display_name": "Old", "user_name": "alice"}
        self.assertEqual(
            {"novaUserName": [b"alice"]},
            self.update(entry(**FULL), AS_OF - 1, **older),
        )

    def test_what_the_news_does_not_know_stays(self):
        silent = FULL | {"project_name": "", "addresses": None}
        self.assertEqual(
            {"novaAsOf": [b"20261122102756.500000Z"]},
            self.update(entry(**FULL), AS_OF + 1, **silent),
        )

    def test_a_time_that_is_none_is_the_oldest(self):
        found = entry(**FULL) | {"novaAsOf": [b"20261122102755Z"]}
        self.assertEqual(0.0, ldap_entry.stored_as_of(found))
        self.assertEqual(0.0, ldap_entry.stored_as_of({}))
