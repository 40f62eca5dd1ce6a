# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import uuid

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories.rest import document as rest_document
from nova_dirsvc_plugin.directories.rest import mapping
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
MAC = "fa:16:3e:51:8e:ab"
RECORD = events.HostRecord(
    instance_uuid=UUID,
    display_name="web",
    host_name="web",
    project_name="demo",
    user_name="alice",
    user_remote_address="192.0.2.7",
    image_uuid="5a1d32c6-2595-461c-bbd9-c94d0a4da72c",
    flavor_name="m1.tiny",
    created_at="2026-11-22T10:27:53Z",
    addresses=(events.Address("10.0.0.54", MAC, "private"),),
)
PROMISED = (
    "image_uuid",
    "instance_uuid",
    "mac_address",
    "project_name",
    "user_name",
    "user_remote_address",
)
NOON = 1795348800.25


def state(verb=events.Verb.REGISTER, as_of=NOON, **fields):
    return events.HostState(verb, dataclasses.replace(RECORD, **fields), as_of)


def document(**fields):
    return rest_document.document(state(**fields), "nova")


class DocumentTest(base.TestCase):
    def test_it_has_the_promised_keys_and_the_record_beside_them(self):
        found = document()
        self.assertEqual(
            RECORD.essentials(),
            {name: found[name] for name in PROMISED},
        )
        self.assertEqual("1.0", found["version"])
        self.assertEqual("register", found["verb"])
        self.assertEqual("nova", found["owner"])
        self.assertEqual("2026-11-22T12:00:00.250000Z", found["as_of"])
        self.assertEqual(
            {field.name for field in dataclasses.fields(RECORD)},
            set(found["host_record"]),
        )
        self.assertEqual("m1.tiny", found["host_record"]["flavor_name"])

    def test_it_is_read_back_as_it_was(self):
        text = rest_document.encoded(document())
        self.assertEqual(RECORD, rest_document.record(json.loads(text)))

    def test_addresses_that_nobody_spoke_of_are_null(self):
        found = document(addresses=None)
        self.assertIsNone(found["host_record"]["addresses"])
        self.assertIsNone(rest_document.record(found).addresses)
        self.assertEqual(
            [],
            json.loads(rest_document.encoded(document(addresses=())))[
                "host_record"
            ]["addresses"],
        )

    def test_it_is_ascii_without_what_databases_refuse(self):
        name = 'né\x00\ud800\r\n"\\ 名 \U0001f600'
        text = rest_document.encoded(document(display_name=name))
        self.assertTrue(text.isascii())
        found = json.loads(text)["host_record"]["display_name"]
        self.assertEqual('né����"\\ 名 \U0001f600', found)

    def test_the_six_keys_alone_are_read_too(self):
        six = RECORD.essentials()
        self.assertEqual(six, rest_document.record(six).essentials())

    def test_what_is_no_document_is_named(self):
        for wrong, word in (
            ({}, "UUID"),
            ({"instance_uuid": "../etc"}, "UUID"),
            ({"instance_uuid": 7}, "instance_uuid"),
            ({"instance_uuid": UUID, "user_name": {}}, ""),
            ({"instance_uuid": UUID, "user_name": [1]}, "user_name"),
            (
                {"instance_uuid": UUID, "host_record": {"addresses": "x"}},
                "addresses",
            ),
            (
                {"instance_uuid": UUID, "host_record": {"addresses": [7]}},
                "address",
            ),
            (
                {
                    "instance_uuid": UUID,
                    "host_record": {"addresses": [{"ip": 7}]},
                },
                "ip",
            ),
        ):
            if not word:
                rest_document.record(wrong)
                continue
            error = self.assertRaises(
                rest_document.NotADocument, rest_document.record, wrong
            )
            self.assertIn(word, str(error))


class MetadataTest(base.TestCase):
    def key(self, owner="nova", body=b"{}", **fields):
        return rest_document.metadata(state(**fields), owner, body)[
            "Idempotency-Key"
        ]

    def test_the_key_is_the_same_only_for_the_same_change(self):
        key = self.key()
        self.assertEqual(key, self.key())
        self.assertTrue(key.startswith(f"nova:{UUID}:1795348800250000-"))
        for other in (
            self.key(owner="other"),
            self.key(body=b"{} "),
            self.key(as_of=NOON + 0.000001),
            self.key(instance_uuid=str(uuid.uuid4())),
            self.key(verb=events.Verb.REFRESH),
        ):
            self.assertNotEqual(key, other)

    def test_the_headers_say_what_the_document_says(self):
        found = rest_document.metadata(state(), "nova", b"")
        self.assertEqual(document()["as_of"], found["Dirsvc-As-Of"])
        self.assertEqual("register", found["Dirsvc-Verb"])
        self.assertEqual("nova", found["Dirsvc-Owner"])

    def test_times_compare_as_texts(self):
        stamps = [
            rest_document.stamp(moment) for moment in (0.0, 1.5, NOON, 4e9)
        ]
        self.assertEqual(sorted(stamps), stamps)


class NamesTest(base.TestCase):
    def mapping(self, rename=None, leave_out=()):
        return mapping.FieldMapping(rename or {}, leave_out)

    def test_fields_are_called_what_the_service_calls_them(self):
        names = self.mapping(
            {
                "mac_address": "mac",
                "host_record.flavor_name": "flavor",
                "project_name": "tenant.name",
            }
        )
        mapped = names.to_service(document())
        self.assertEqual(MAC, mapped["mac"])
        self.assertEqual("m1.tiny", mapped["flavor"])
        self.assertEqual({"name": "demo"}, mapped["tenant"])
        for name in ("mac_address", "project_name"):
            self.assertNotIn(name, mapped)
        self.assertNotIn("flavor_name", mapped["host_record"])
        self.assertEqual(
            RECORD, rest_document.record(names.from_service(mapped))
        )

    def test_fields_may_change_places(self):
        names = self.mapping(
            {"user_name": "project_name", "project_name": "user_name"}
        )
        mapped = names.to_service(document())
        self.assertEqual("alice", mapped["project_name"])
        self.assertEqual("demo", mapped["user_name"])
        self.assertEqual(document(), names.from_service(mapped))

    def test_fields_are_left_out(self):
        mapped = self.mapping(
            leave_out=["host_record", "user_name"]
        ).to_service(document())
        self.assertNotIn("host_record", mapped)
        self.assertNotIn("user_name", mapped)

    def test_the_given_document_stays_as_it_was(self):
        given = document()
        self.mapping({"host_record.flavor_name": "x"}).to_service(given)
        self.assertEqual(document(), given)

    def test_the_uuid_alone_is_called_so_too(self):
        self.assertEqual(
            {"instance_uuid": UUID}, self.mapping().only_uuid(UUID)
        )
        self.assertEqual(
            {"ci": {"id": UUID}},
            self.mapping({"instance_uuid": "ci.id"}).only_uuid(UUID),
        )

    def test_a_field_of_the_services_own_is_none_of_ours(self):
        names = self.mapping({"project_name": "tenant"})
        mapped = names.to_service(document()) | {"project_name": "its own"}
        self.assertEqual(document(), names.from_service(mapped))

    def test_what_cannot_be_is_said_before_anything_is_sent(self):
        for rename, leave_out, word in (
            ({"no_such": "x"}, (), "no_such"),
            ({}, ["host_record.no_such"], "host_record.no_such"),
            ({}, ["instance_uuid"], "instance_uuid"),
            ({"user_name": "project_name"}, (), "project_name"),
            ({"user_name": "x", "project_name": "x"}, (), "x"),
            ({"user_name": "owner.name"}, (), "owner.name"),
            ({"user_name": "x"}, ["user_name"], "user_name"),
            ({"host_record.flavor_name": "x"}, ["host_record"], "flavor_name"),
            ({"user_name": ""}, (), "rename"),
            (
                {"host_record.flavor_name": "flavor", "host_record": "hr"},
                (),
                "host_record",
            ),
        ):
            error = self.assertRaises(
                directories.WrongOption, self.mapping, rename, leave_out
            )
            self.assertIn(word, str(error))
            self.assertIn("[rest]", str(error))
