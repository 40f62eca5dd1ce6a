# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

from nova_dirsvc_plugin import events
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"


def record(**fields):
    return events.HostRecord(instance_uuid=UUID, **fields)


class HostRecordTest(base.TestCase):
    def test_json_gives_the_same_record_back(self):
        known = record(
            display_name='né ,+"\\<>;=\x00\ud800 \U0001f600',
            addresses=(
                events.Address("10.0.0.54", "fa:16:3e:51:8e:ab", "private"),
                events.Address("2001:db8::1"),
            ),
        )
        self.assertEqual(known, events.HostRecord.from_json(known.to_json()))

    def test_json_has_each_field_by_its_name(self):
        known = record(
            **{
                name: f"its {name}"
                for name in events.HostRecord.__slots__
                if name not in ("instance_uuid", "addresses")
            },
            addresses=(events.Address("10.0.0.54", "its mac", "its net"),),
        )
        for one in (known, record(), record(addresses=())):
            fields = json.loads(one.to_json())
            self.assertEqual("1.0", fields.pop("version"))
            wanted = json.loads(json.dumps(dataclasses.asdict(one)))
            self.assertEqual(wanted, fields)

    def test_what_is_no_text_is_no_record(self):
        self.assertRaises(TypeError, record(display_name=7).to_json)

    def test_json_is_ascii_whatever_the_tenant_wrote(self):
        self.assertTrue(record(display_name="\ud800é\x00").to_json().isascii())

    def test_a_newer_minor_version_is_read(self):
        fields = json.loads(record().to_json())
        fields |= {"version": "1.7", "shoe_size": 44}
        fields["addresses"] = [{"ip": "10.0.0.54", "colour": "red"}]
        self.assertEqual(
            record(addresses=(events.Address("10.0.0.54"),)),
            events.HostRecord.from_json(json.dumps(fields)),
        )

    def test_a_newer_major_version_is_refused(self):
        fields = json.loads(record().to_json()) | {"version": "2.0"}
        error = self.assertRaises(
            ValueError, events.HostRecord.from_json, json.dumps(fields)
        )
        self.assertIn("2.0", str(error))

    def test_essentials_have_the_six_keys_and_empty_strings(self):
        self.assertEqual(
            {
                "image_uuid": "",
                "instance_uuid": UUID,
                "mac_address": "",
                "project_name": "",
                "user_name": "",
                "user_remote_address": "",
            },
            record().essentials(),
        )

    def test_a_mac_that_dual_stack_repeats_is_there_once(self):
        mac = "fa:16:3e:51:8e:ab"
        dual = record(
            addresses=(
                events.Address("10.0.0.54", mac),
                events.Address("2001:db8::1", mac),
            )
        )
        self.assertEqual((mac,), dual.mac_addresses)
        self.assertEqual(mac, dual.essentials()["mac_address"])
