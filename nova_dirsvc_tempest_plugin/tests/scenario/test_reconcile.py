# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A reconcile makes the directory equal to Nova when events were lost."""

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.services import loading
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF

#: Exit statuses of ``nova-dirsvc-manage reconcile``.
NOTHING_TO_DO = 0
ALL_REPAIRED = 4


@decorators.serial
class TestReconcile(base.HostEntryScenario):
    """The daemon stops, and what Nova says meanwhile is lost.

    In serial, since all other scenarios want their events.
    """

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        for option in (
            "daemon_stop_command",
            "daemon_start_command",
            "events_drop_command",
            "reconcile_command",
            loading.manager_option(CONF.nova_dirsvc),
        ):
            if not CONF.nova_dirsvc[option]:
                raise cls.skipException(
                    f"tempest.conf: [nova_dirsvc] {option} is not set"
                )

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.admin_ports_client = cls.os_admin.ports_client
        cls.any_entries = loading.manager(CONF.nova_dirsvc)

    def stop_daemon(self):
        self.addCleanup(self.start_daemon)
        self.execute(CONF.nova_dirsvc.daemon_stop_command)

    def start_daemon(self):
        self.execute(CONF.nova_dirsvc.daemon_start_command)

    def reconcile(self, status):
        """Reconcile, and wait for all that it writes.

        :param status: that it is to end with
        """
        self.execute(CONF.nova_dirsvc.reconcile_command, status)

    def boot_to_the_end(self):
        """Boot a server, and wait for Nova's last event of the boot."""
        server = self.boot()
        waiters.wait_for_build_to_end(
            self.servers_client, server["id"], CONF.compute.build_timeout
        )
        return server

    def delete_to_the_end(self, server):
        """Delete a server, and wait for Nova's last event of it."""
        self.delete(server["id"])
        waiters.wait_for_delete_to_end(
            self.servers_client, server["id"], CONF.compute.build_timeout
        )

    def give_another_address(self, server):
        """Change the fixed address of a server's port, in Neutron alone.

        :returns: the new one, which Nova shows by then
        """
        [port] = self.admin_ports_client.list_ports(device_id=server["id"])[
            "ports"
        ]
        fixed_ip = self.free_address()
        self.admin_ports_client.update_port(port["id"], fixed_ips=[fixed_ip])
        address = fixed_ip["ip_address"]
        waiters.wait_for_server_of(
            self.servers_client,
            server["id"],
            lambda shown: (
                [
                    [port["addr"] for port in ports]
                    for ports in shown["addresses"].values()
                ]
                == [[address]]
            ),
            f"address {address} alone",
            CONF.compute.build_timeout,
        )
        return address

    def free_address(self):
        """Find a free address of the network, by a port that had it."""
        port = self.admin_ports_client.create_port(
            network_id=self.network["id"], name=self.new_name("port")
        )["port"]
        self.admin_ports_client.delete_port(port["id"])
        return port["fixed_ips"][0]

    @decorators.idempotent_id("7eb09cea-7ec6-4579-bf51-d09c3d97a645")
    def test_reconcile_repairs_what_lost_events_have_left(self):
        """An entry too many, one missing and a wrong one; then none.

        1. Boot two instances and wait for their entries.
        2. Stop the daemon.
        3. Boot a third instance; delete the first one; in Neutron, give the
           port of the second one another address.
        4. Drop the events of that, and start the daemon.
        5. Boot another one and see its entry come, delete it, see it go:
           what came before has arrived by then.
        6. The entries are still those of step 1; or Nova's compute service,
           which looks at its deleted instances every few minutes, has said
           once more that the first one is gone.
        7. Reconcile: it ends with the status for "all repaired".
        8. The first one has no entry; those of the others say what Nova says.
        9. Reconcile again: it ends with the status for "nothing to do", and
           has written no entry.
        """
        deleted, changed = self.boot_to_the_end(), self.boot_to_the_end()
        stale = self.wait_for_entry(deleted)
        wrong = self.wait_for_entry(changed)
        self.stop_daemon()
        booted = self.boot_to_the_end()
        self.delete_to_the_end(deleted)
        address = self.give_another_address(changed)
        self.execute(CONF.nova_dirsvc.events_drop_command)
        self.start_daemon()
        self.let_what_came_before_arrive()
        self.assertIn(self.entries.get(deleted["id"]), (stale, None))
        self.assertEqual(wrong, self.entries.get(changed["id"]))
        self.assertNotIn(address, wrong.ip_addresses)
        self.assertIsNone(self.entries.get(booted["id"]))
        self.reconcile(ALL_REPAIRED)
        self.assertIsNone(self.entries.get(deleted["id"]))
        before = {}
        for server in (changed, booted):
            self.assert_equal_to_nova(server, self.entries.get(server["id"]))
            before[server["id"]] = self.any_entries.everything(server["id"])
        self.reconcile(NOTHING_TO_DO)
        for server_id, everything in before.items():
            self.assertEqual(
                everything, self.any_entries.everything(server_id)
            )
        self.assertIsNone(self.entries.get(deleted["id"]))
