# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""One request for many instances makes as many entries."""

from tempest import config
from tempest.lib import decorators
from tempest.lib.common.utils import test_utils

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF

NUMBER = 10


class TestMultiCreate(base.HostEntryScenario):
    """Ten at once: as many as a project's default quota allows."""

    def servers_named(self, name):
        found = self.servers_client.list_servers(name=f"^{name}")["servers"]
        return [server["id"] for server in found]

    def delete_all_named(self, name):
        for server_id in self.servers_named(name):
            test_utils.call_and_ignore_notfound_exc(
                self.servers_client.delete_server, server_id
            )
        waiters.wait_until(
            lambda: self.servers_named(name),
            lambda seen: not seen,
            f"all servers named {name} to be gone",
            CONF.compute.build_timeout,
        )

    @decorators.idempotent_id("c6013628-8316-4ed4-b2dc-3fd251be2b33")
    def test_each_of_ten_instances_has_its_own_entry(self):
        """Ten instances of one request have ten entries.

        1. Boot ten instances by one request; wait until all are ACTIVE.
        2. Wait for the entry of each.
        3. Compare each with what Nova says of its instance.
        4. Delete all ten.
        5. Wait until all ten entries are gone.
        """
        name = self.new_name("server")
        self.request(name=name, min_count=NUMBER, max_count=NUMBER)
        self.addCleanup(self.delete_all_named, name)
        uuids = self.servers_named(name)
        self.assertEqual(NUMBER, len(set(uuids)), uuids)
        servers = [
            waiters.wait_for_server(
                self.servers_client,
                server_id,
                "ACTIVE",
                CONF.compute.build_timeout,
            )
            for server_id in uuids
        ]
        for server in servers:
            self.assert_equal_to_nova(server, self.wait_for_entry(server))
        self.delete_all_named(name)
        for server in servers:
            self.wait_for_no_entry(server)
