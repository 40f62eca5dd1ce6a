# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A resize changes the flavor, and the compute host where there are two."""

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


class TestResize(base.HostEntryScenario):
    """An instance gets another flavor, and may get its own back."""

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not CONF.compute_feature_enabled.resize:
            raise cls.skipException(
                "tempest.conf: [compute-feature-enabled] resize is false"
            )
        if CONF.compute.flavor_ref == CONF.compute.flavor_ref_alt:
            raise cls.skipException(
                "tempest.conf: [compute] flavor_ref_alt is flavor_ref"
            )

    def resize(self, server):
        """Resize a server; it waits for a word. :returns: its entry"""
        self.servers_client.resize_server(
            server["id"], CONF.compute.flavor_ref_alt
        )
        self.wait_for_server(server, "VERIFY_RESIZE")
        return self.wait_for_entry_to_follow(server)

    @decorators.idempotent_id("e1de1020-f037-4f3a-a0f3-3cfdb38449f1")
    def test_entry_follows_a_resize_that_is_confirmed(self):
        """The entry has the new flavor, and keeps it.

        1. Boot an instance and wait for its entry.
        2. Resize it; wait until Nova wants to be told yes or no.
        3. Within follow_timeout the entry has the new flavor.
        4. Confirm it; wait until the instance is ACTIVE.
        5. The entry says what Nova says.
        6. Delete the instance; the entry goes.
        """
        server = self.boot()
        before = self.wait_for_entry(server)
        resized = self.resize(server)
        self.assertNotEqual(before.flavor_name, resized.flavor_name)
        self.servers_client.confirm_resize_server(server["id"])
        self.wait_for_server(server, "ACTIVE")
        entry = self.wait_for_entry_to_follow(server)
        self.assertEqual(resized.flavor_name, entry.flavor_name)
        self.delete(server["id"])
        self.wait_for_no_entry(server)

    @decorators.idempotent_id("268090c4-41d7-46c1-97b2-0ad6f11fcbaa")
    def test_entry_follows_a_resize_that_is_reverted(self):
        """The entry has its old flavor and compute host again.

        1. Boot an instance and wait for its entry.
        2. Resize it; wait until Nova wants to be told yes or no.
        3. Within follow_timeout the entry has the new flavor.
        4. Revert it; wait until the instance is ACTIVE.
        5. Within follow_timeout flavor and compute host are as before.
        """
        server = self.boot()
        before = self.wait_for_entry(server)
        self.resize(server)
        self.servers_client.revert_resize_server(server["id"])
        self.wait_for_server(server, "ACTIVE")
        entry = self.wait_for_entry_to_follow(server)
        self.assertEqual(before.flavor_name, entry.flavor_name)
        self.assertEqual(before.compute_host, entry.compute_host)
