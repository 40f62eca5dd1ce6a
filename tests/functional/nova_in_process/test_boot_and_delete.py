# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A server is booted through Nova's API and seen in a 389 DS."""

from tests.functional.nova_in_process import cloud, delivery

#: A port of Nova's Neutron fixture; a network brings another one.
PORT = "ce531f90-199f-48c0-816c-13e38010b442"

#: All that is special in a DN, a filter, a log line, a shell or SQL; right
#: to left, combining, wide, of two and of three bytes; a blank of no ASCII.
HOSTILE = (
    "#,+\"\\<>;=*()[]{0}%s%(id)s'`$(id)&|/:@!?^~-- "
    "\\2c\\00 dn: cn=x é e\N{COMBINING ACUTE ACCENT} "
    "\N{ARABIC LETTER AIN}\N{HEBREW LETTER ALEF}\N{NO-BREAK SPACE}日本語"
)

#: As long as the API lets a name be.
LONGEST_NAME = 255


class TestBootAndDelete(delivery.DeliveryTestCase):
    def test_the_entry_of_a_booted_server_has_what_the_api_says(self):
        server = self.boot("web-1")
        addresses = cloud.addresses(server)
        wanted = {
            "novaInstanceUuid": [server["id"]],
            "novaDisplayName": ["web-1"],
            "novaImageUuid": [cloud.IMAGE],
            "novaProjectId": [server["tenant_id"]],
            "novaUserId": [server["user_id"]],
            "ipHostNumber": sorted(ip for ip, _ in addresses),
            "macAddress": sorted(mac for _, mac in addresses),
        }

        entry = self.until_entry(server)

        self.assertEqual(wanted, {name: entry.get(name) for name in wanted})

    def test_a_deleted_server_has_no_entry(self):
        server = self.boot()
        self.until_entry(server)

        self.delete(server)

        self.until_no_entry(server)

    def test_the_entry_of_a_server_with_two_ports_has_both_addresses(self):
        server = self.boot(networks=[{"port": PORT}, {"uuid": cloud.NETWORK}])

        entry = self.until_entry(server)

        self.assertEqual(
            {
                ("192.168.1.3", "fa:16:3e:4c:2c:30"),
                ("192.168.1.30", "00:0c:29:0d:11:74"),
            },
            cloud.addresses(server),
        )
        self.assertEqual(
            (
                ["192.168.1.3", "192.168.1.30"],
                ["00:0c:29:0d:11:74", "fa:16:3e:4c:2c:30"],
            ),
            (entry["ipHostNumber"], entry["macAddress"]),
        )

    def test_a_server_without_a_network_has_an_entry_without_addresses(self):
        server = self.boot(networks="none")

        entry = self.until_entry(server)

        self.assertEqual(
            ["device", "novaInstance", "top"], entry["objectClass"]
        )

    def test_the_entry_has_a_hostile_name_to_the_letter(self):
        name = HOSTILE.ljust(LONGEST_NAME, "\N{DEVANAGARI LETTER A}")

        entry = self.until_entry(self.boot(name))

        self.assertEqual([name], entry["novaDisplayName"])
