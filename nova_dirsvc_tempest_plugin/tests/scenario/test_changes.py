# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An entry follows what is done with its instance."""

import testtools
from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


class TestChanges(base.HostEntryScenario):
    """Names, ports and the image of a running instance change."""

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.interfaces_client = cls.os_primary.interfaces_client

    def wait_for_ports(self, server, number):
        """Wait until Nova shows a server with so many addresses."""
        waiters.wait_for_server_of(
            self.servers_client,
            server["id"],
            lambda shown: sum(map(len, shown["addresses"].values())) == number,
            f"{number} addresses",
            CONF.compute.build_timeout,
        )

    def wait_for_build_to_end(self, server):
        """Wait until Nova has sent the last event of a boot.

        Nova says ACTIVE a moment before. Its last event has the names that
        the instance had when its build began.
        """
        waiters.wait_for_build_to_end(
            self.servers_client, server["id"], CONF.compute.build_timeout
        )

    @decorators.idempotent_id("0869f1e8-bd09-4112-9aba-f78c4c895e7e")
    def test_entry_follows_a_rename(self):
        """The entry has the new display name.

        1. Boot an instance and wait for its entry.
        2. Give the instance another name.
        3. Within follow_timeout the entry has it, and all else as before.
        """
        server = self.boot()
        self.wait_for_build_to_end(server)
        self.wait_for_entry(server)
        name = self.new_name("renamed")
        self.servers_client.update_server(server["id"], name=name)
        entry = self.wait_for_entry_to_follow(server)
        self.assertEqual(name, entry.display_name)

    @decorators.idempotent_id("a471ef53-49e8-4603-8abf-5c7f1f6783e8")
    def test_entry_follows_a_change_of_the_host_name(self):
        """The entry is called by the new host name.

        1. Boot an instance and wait for its entry.
        2. Give the instance another host name.
        3. Within follow_timeout the entry has it, and all else as before.
        """
        server = self.boot()
        self.wait_for_build_to_end(server)
        self.wait_for_entry(server)
        name = self.new_name("moved").lower()
        self.servers_client.update_server(server["id"], hostname=name)
        entry = self.wait_for_entry_to_follow(server)
        self.assertEqual(name, entry.host_name)

    @decorators.idempotent_id("8d7f0e55-ef5e-4bc1-87cf-f599ed2b744d")
    @testtools.skipUnless(
        CONF.compute_feature_enabled.interface_attach,
        "tempest.conf: [compute-feature-enabled] interface_attach is false",
    )
    def test_entry_follows_an_interface_that_comes_and_goes(self):
        """The entry has the addresses and MACs of the moment.

        1. Boot an instance with a port and wait for its entry.
        2. Attach a second port.
        3. Within follow_timeout the entry has both.
        4. Detach the first port.
        5. Within follow_timeout the entry has the second one only.
        """
        server = self.boot()
        first = self.wait_for_entry(server)
        attached = self.interfaces_client.create_interface(
            server["id"], net_id=self.network["id"]
        )["interfaceAttachment"]
        self.wait_for_ports(server, 2)
        both = self.wait_for_entry_to_follow(server)
        self.assertLess(first.mac_addresses, both.mac_addresses)
        self.assertLess(first.ip_addresses, both.ip_addresses)
        for port in self.interfaces_client.list_interfaces(server["id"])[
            "interfaceAttachments"
        ]:
            if port["port_id"] != attached["port_id"]:
                self.interfaces_client.delete_interface(
                    server["id"], port["port_id"]
                )
        self.wait_for_ports(server, 1)
        entry = self.wait_for_entry_to_follow(server)
        self.assertEqual({attached["mac_addr"]}, entry.mac_addresses)

    @decorators.idempotent_id("354f3b40-23ad-45d5-8f9e-ab305e9fd1e0")
    def test_entry_follows_a_rebuild(self):
        """The entry has the image that the instance now has.

        1. Make an image.
        2. Boot an instance of another one and wait for its entry.
        3. Rebuild the instance with the new image and another name.
        4. Within follow_timeout of its end the entry has both.
        """
        image_id = self.make_image()
        server = self.boot()
        self.wait_for_entry(server)
        self.servers_client.rebuild_server(
            server["id"], image_id, name=self.new_name("rebuilt")
        )
        self.wait_for_server(server, "ACTIVE")
        entry = self.wait_for_entry_to_follow(server)
        self.assertEqual(image_id, entry.image_uuid)
