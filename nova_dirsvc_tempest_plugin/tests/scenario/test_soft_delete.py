# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A soft delete takes the entry away, and a restore brings it back."""

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


class TestSoftDelete(base.HostEntryScenario):
    """An API with reclaim_instance_interval deletes twice."""

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not CONF.nova_dirsvc.soft_delete_region:
            raise cls.skipException(
                "tempest.conf: [nova_dirsvc] soft_delete_region is not set"
            )

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.soft_servers_client = cls.os_primary.compute.ServersClient(
            region=CONF.nova_dirsvc.soft_delete_region
        )

    def delete_softly(self, server):
        """Delete a server that can be restored; wait for no entry."""
        self.soft_servers_client.delete_server(server["id"])
        self.wait_for_server(server, "SOFT_DELETED")
        self.wait_for_no_entry(server)

    @decorators.idempotent_id("ad3a5387-387e-4951-b27a-a49f033df77b")
    def test_entry_comes_back_with_a_restored_instance(self):
        """The entry is the same after a restore.

        1. Boot an instance and wait for its entry.
        2. Delete the instance softly; wait until the entry is gone.
        3. Restore the instance; wait until it is ACTIVE.
        4. Within follow_timeout the entry is there, as it was before.
        5. Delete the instance for good; wait until the entry is gone.
        """
        server = self.boot()
        before = self.wait_for_entry(server)
        self.delete_softly(server)
        self.servers_client.restore_soft_deleted_server(server["id"])
        self.wait_for_server(server, "ACTIVE")
        self.assertEqual(before, self.wait_for_entry_to_follow(server))
        self.delete(server["id"])
        self.wait_for_no_entry(server)

    @decorators.idempotent_id("e27c433f-a5de-472a-8809-d1333efac57e")
    def test_entry_stays_away_when_the_soft_deleted_is_deleted(self):
        """The second, hard delete changes nothing.

        1. Boot an instance and wait for its entry.
        2. Delete the instance softly; wait until the entry is gone.
        3. Delete it for good.
        4. Boot another one and see its entry come, delete it, see it go:
           what came before has arrived by then.
        5. The first one has no entry.
        """
        server = self.boot()
        self.wait_for_entry(server)
        self.delete_softly(server)
        self.force_delete(server["id"])
        self.let_what_came_before_arrive()
        self.assertIsNone(self.entries.get(server["id"]))
