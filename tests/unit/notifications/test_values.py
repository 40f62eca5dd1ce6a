# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The canonical forms of addresses, times and uuids."""

import ddt

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import values
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"


@ddt.ddt
class ValuesTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.warnings = []

    def read(self, **data):
        return values.PayloadReader(data, self.warnings.append)

    def addresses(self, text):
        item = {"nova_object.data": {"address": text}}
        return self.read(ip_addresses=[item]).addresses()

    @ddt.data(
        ("10.77.0.90", "10.77.0.90"),
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("2001:DB8:0::1", "2001:db8::1"),
    )
    @ddt.unpack
    def test_an_address_is_in_its_canonical_form(self, text, ip):
        self.assertEqual((events.Address(ip),), self.addresses(text))

    @ddt.data(
        "10.77.0.090",
        "10.77.0.256",
        "10.77.0",
        "10.77.0.90.1",
        "10.77.0.90\n",
        " 10.77.0.90",
        "10.77.0.9\u0660",
        "fe80::1%eth0",
        "",
    )
    def test_what_is_no_address_is_left_out(self, text):
        self.assertIsNone(self.addresses(text))
        self.assertEqual(1, len(self.warnings))

    @ddt.data(
        "2026-11-22T10:27:53Z",
        "2026-11-22T10:27:53.999999",
        "2026-11-22T10:27:53+00:00",
        "2026-11-22T15:57:53.5+05:30",
    )
    def test_a_time_is_as_nova_prints_it(self, text):
        self.assertEqual("2026-11-22T10:27:53Z", self.read(at=text).time("at"))

    @ddt.data(UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}")
    def test_a_uuid_is_in_its_canonical_form(self, text):
        self.assertEqual(UUID, values.canonical_uuid(text))

    @ddt.data(f"{UUID}\n", UUID[:-1], f"x{UUID[1:]}", "", None, 7)
    def test_what_is_no_uuid_is_none(self, value):
        self.assertEqual("", values.canonical_uuid(value))
