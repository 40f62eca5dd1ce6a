# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A shelved instance keeps its entry, and its addresses."""

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


class TestShelve(base.HostEntryScenario):
    """An instance leaves its compute host, and may come back."""

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not CONF.compute_feature_enabled.shelve:
            raise cls.skipException(
                "tempest.conf: [compute-feature-enabled] shelve is false"
            )

    def shelve(self, server):
        """Shelve a server and take it off its host. :returns: its entry"""
        self.servers_client.shelve_server(server["id"])
        if CONF.compute.shelved_offload_time != 0:
            self.wait_for_server(server, "SHELVED")
            self.wait_for_entry_to_follow(server)
            self.admin_servers_client.shelve_offload_server(server["id"])
        self.wait_for_server(server, "SHELVED_OFFLOADED")
        # Nova says so a moment before it takes the host away.
        waiters.wait_for_server_of(
            self.admin_servers_client,
            server["id"],
            lambda shown: not shown["OS-EXT-SRV-ATTR:host"],
            "no compute host",
            CONF.compute.build_timeout,
        )
        return self.wait_for_entry_to_follow(server)

    @decorators.idempotent_id("a6197098-734f-4567-ba3b-35d44683fccb")
    def test_entry_of_a_shelved_instance_stays(self):
        """Without a compute host while it is shelved, else as it was.

        1. Boot an instance and wait for its entry.
        2. Shelve it; wait until it is on no compute host.
        3. Within follow_timeout the entry has no compute host, and the
           addresses that it had.
        4. Unshelve it; wait until it is ACTIVE.
        5. Within follow_timeout the entry has a compute host.
        """
        server = self.boot()
        before = self.wait_for_entry(server)
        entry = self.shelve(server)
        self.assertEqual("", entry.compute_host)
        self.assertEqual(before.ip_addresses, entry.ip_addresses)
        self.servers_client.unshelve_server(server["id"])
        self.wait_for_server(server, "ACTIVE")
        entry = self.wait_for_entry_to_follow(server)
        self.assertNotEqual("", entry.compute_host)
        self.assertEqual(before.ip_addresses, entry.ip_addresses)

    @decorators.idempotent_id("f8b6db7d-aad4-4d08-ba0a-f5b7678c7fc4")
    def test_entry_goes_with_a_shelved_instance(self):
        """An instance on no compute host is deleted like any other.

        1. Boot an instance and wait for its entry.
        2. Shelve it; wait until it is on no compute host.
        3. Delete it.
        4. Wait until the entry is gone.
        """
        server = self.boot()
        self.wait_for_entry(server)
        self.shelve(server)
        self.delete(server["id"])
        self.wait_for_no_entry(server)
