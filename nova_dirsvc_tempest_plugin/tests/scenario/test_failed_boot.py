# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An instance that never ran has no entry."""

from tempest import config
from tempest.lib import decorators
from tempest.lib.common.utils import test_utils

from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF

#: More than any compute host has, and not under a quota: 1 EB.
TOO_MANY_GB = 10**9


class TestFailedBoot(base.HostEntryScenario):
    """Boots that fail in the scheduler, and on the compute host."""

    def make_flavor_for_no_host(self):
        flavor = self.admin_flavors_client.create_flavor(
            name=self.new_name("flavor"),
            ram=64,
            vcpus=1,
            disk=TOO_MANY_GB,
            id="auto",
        )["flavor"]
        self.addCleanup(self.admin_flavors_client.delete_flavor, flavor["id"])
        return flavor

    def make_network_without_free_address(self):
        network = self.networks_client.create_network(
            name=self.new_name("network")
        )["network"]
        self.addCleanup(
            test_utils.call_and_ignore_notfound_exc,
            self.networks_client.delete_network,
            network["id"],
        )
        subnet = self.subnets_client.create_subnet(
            network_id=network["id"],
            name=self.new_name("subnet"),
            ip_version=4,
            cidr="192.0.2.0/29",
            gateway_ip=None,
            enable_dhcp=False,
            allocation_pools=[{"start": "192.0.2.2", "end": "192.0.2.2"}],
        )["subnet"]
        self.addCleanup(
            test_utils.call_and_ignore_notfound_exc,
            self.subnets_client.delete_subnet,
            subnet["id"],
        )
        port = self.ports_client.create_port(
            network_id=network["id"], name=self.new_name("port")
        )["port"]
        self.addCleanup(
            test_utils.call_and_ignore_notfound_exc,
            self.ports_client.delete_port,
            port["id"],
        )
        self.assertEqual(
            ["192.0.2.2"], [ip["ip_address"] for ip in port["fixed_ips"]]
        )
        return network

    def assert_never_an_entry(self, **request):
        server = self.boot(status="ERROR", **request)
        self.let_what_came_before_arrive()
        self.assertIsNone(self.entries.get(server["id"]))
        self.delete(server["id"])
        self.let_what_came_before_arrive()
        self.assertIsNone(self.entries.get(server["id"]))

    @decorators.idempotent_id("0361692f-5316-49d4-a8ab-f8dda39de21a")
    def test_boot_that_no_host_satisfies_leaves_no_entry(self):
        """An instance that found no host has no entry.

        1. As an admin, make a flavor with a larger disk than any host's.
        2. Boot an instance with it; wait until it is in ERROR.
        3. Boot another one and see its entry come, delete it, see it go:
           what came before has arrived by then.
        4. The first one has no entry.
        5. Delete the first one; step 3 again; it still has no entry.
        """
        flavor = self.make_flavor_for_no_host()
        self.assert_never_an_entry(flavorRef=flavor["id"])

    @decorators.idempotent_id("0ac34cda-fe4b-4a24-84ed-28722ad0aacd")
    def test_boot_that_fails_on_its_host_leaves_no_entry(self):
        """An instance whose build its compute host gave up has no entry.

        1. Make a network with one address, and a port that takes it.
        2. Boot an instance there; the compute host gets no address for it:
           wait until it is in ERROR.
        3. Boot another one and see its entry come, delete it, see it go:
           what came before has arrived by then.
        4. The first one has no entry.
        5. Delete the first one; step 3 again; it still has no entry.
        """
        network = self.make_network_without_free_address()
        self.assert_never_an_entry(networks=[{"uuid": network["id"]}])
