# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An instance without a network has an entry without an address."""

from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.tests.scenario import base


class TestNoNetwork(base.HostEntryScenario):
    """Networks may be "none"."""

    @decorators.idempotent_id("00e5c584-7261-4706-8743-903b40160a60")
    def test_entry_of_an_instance_without_network_has_no_address(self):
        """There is an entry, and no address or MAC in it.

        1. Boot an instance with no network at all.
        2. Wait for its entry.
        3. Compare it with what Nova says; it has neither address nor MAC.
        4. Delete the instance.
        5. Wait until the entry is gone.
        """
        server = self.boot(networks="none")
        entry = self.wait_for_entry(server)
        self.assert_equal_to_nova(server, entry)
        self.assertEqual(frozenset(), entry.ip_addresses)
        self.assertEqual(frozenset(), entry.mac_addresses)
        self.delete(server["id"])
        self.wait_for_no_entry(server)
