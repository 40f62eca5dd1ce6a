# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Where an instance was asked for from."""

import ipaddress

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


class TestRemoteAddress(base.HostEntryScenario):
    """With the paste filter remote_address in Nova's API."""

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not CONF.nova_dirsvc.remote_address:
            raise cls.skipException(
                "tempest.conf: [nova_dirsvc] remote_address is false"
            )

    @decorators.idempotent_id("f286172f-2006-4f2a-b44e-058f31a37fc2")
    def test_entry_has_the_address_that_asked_for_the_instance(self):
        """The entry has it, and no later request changes it.

        1. Boot an instance and wait for its entry.
        2. The entry has an IP address as that of the request.
        3. Rename the instance as an admin.
        4. The entry has the new name and the same address.
        """
        server = self.boot()
        address = self.wait_for_entry(server).user_remote_address
        ipaddress.ip_address(address)
        self.admin_servers_client.update_server(
            server["id"], name=self.new_name("renamed")
        )
        entry = self.wait_for_entry_to_follow(server)
        self.assertEqual(address, entry.user_remote_address)
