# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A migration changes the compute host, and nothing else."""

import testtools
from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


class TestMigration(base.HostEntryScenario):
    """An admin moves an instance to another compute host."""

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if CONF.compute.min_compute_nodes < 2:
            raise cls.skipException(
                "tempest.conf: [compute] min_compute_nodes is less than 2"
            )

    def assert_moved(self, server, before):
        entry = self.wait_for_entry_to_follow(server)
        self.assertNotEqual(before.compute_host, entry.compute_host)
        self.assertEqual(before.ip_addresses, entry.ip_addresses)
        self.assertEqual(before.mac_addresses, entry.mac_addresses)

    @decorators.idempotent_id("c9887f9b-97d9-46f1-b629-4bdf75697e05")
    @testtools.skipUnless(
        CONF.compute_feature_enabled.cold_migration,
        "tempest.conf: [compute-feature-enabled] cold_migration is false",
    )
    def test_entry_follows_a_cold_migration(self):
        """The entry has the new compute host.

        1. Boot an instance and wait for its entry.
        2. As an admin, migrate it; wait until Nova wants to be told yes or
           no.
        3. Within follow_timeout the entry has the other compute host.
        4. Confirm it; wait until the instance is ACTIVE.
        5. The entry still has it.
        """
        server = self.boot()
        before = self.wait_for_entry(server)
        self.admin_servers_client.migrate_server(server["id"])
        self.wait_for_server(server, "VERIFY_RESIZE")
        self.assert_moved(server, before)
        self.servers_client.confirm_resize_server(server["id"])
        self.wait_for_server(server, "ACTIVE")
        self.assert_moved(server, before)

    @decorators.idempotent_id("0f933b61-4c0f-4d69-923f-436c8a5a3f22")
    @testtools.skipUnless(
        CONF.compute_feature_enabled.live_migration,
        "tempest.conf: [compute-feature-enabled] live_migration is false",
    )
    def test_entry_follows_a_live_migration(self):
        """The entry has the new compute host, whoever speaks last.

        1. Boot an instance and wait for its entry.
        2. As an admin, migrate it while it runs; wait until it is ACTIVE.
        3. Within follow_timeout the entry has the other compute host.
        4. Boot another one and see its entry come, delete it, see it go:
           what the old host said has arrived by then.
        5. The first one's entry still has the other compute host.
        """
        server = self.boot()
        before = self.wait_for_entry(server)
        self.admin_servers_client.live_migrate_server(
            server["id"], host=None, block_migration="auto"
        )
        self.wait_for_server(server, "ACTIVE")
        self.assert_moved(server, before)
        self.let_what_came_before_arrive()
        self.assert_moved(server, before)
