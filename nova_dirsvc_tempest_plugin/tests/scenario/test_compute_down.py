# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What Nova decides alone while a compute host is lost."""

from tempest import config
from tempest.lib import decorators, exceptions

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


@decorators.serial
class TestComputeDown(base.HostEntryScenario):
    """nova-compute stops, and an admin says that the host is down.

    In serial, since all other scenarios want it to run.
    """

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        for option in ("compute_stop_command", "compute_start_command"):
            command = CONF.nova_dirsvc[option]
            if not command:
                raise cls.skipException(
                    f"tempest.conf: [nova_dirsvc] {option} is not set"
                )
            if "{host}" not in command and CONF.compute.min_compute_nodes > 1:
                raise cls.skipException(
                    f"tempest.conf: [nova_dirsvc] {option} names no {{host}}"
                )

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.admin_services_client = cls.os_admin.services_client

    def stop_compute(self, host):
        """Stop nova-compute and tell Nova that the host is down."""
        self.addCleanup(self.start_compute, host)
        self.execute(
            CONF.nova_dirsvc.compute_stop_command.replace("{host}", host)
        )
        self.force_down(host, True)

    def start_compute(self, host):
        """Start nova-compute and tell Nova that the host is up."""
        self.execute(
            CONF.nova_dirsvc.compute_start_command.replace("{host}", host)
        )
        waiters.wait_until(
            lambda: self.force_down(host, False),
            lambda refused: not refused,
            f"Nova to take compute host {host} for one that is up",
            CONF.compute.build_timeout,
        )
        # What it has reported before may look like life: see a new report.
        before = self.service(host)["updated_at"]
        waiters.wait_until(
            lambda: self.service(host),
            lambda seen: (
                seen["state"] == "up" and seen["updated_at"] != before
            ),
            f"nova-compute of {host} to be up",
            CONF.compute.build_timeout,
        )

    def force_down(self, host, down):
        """Tell Nova to take a host for down, or not to.

        :returns: why Nova does not do so, if that: after an evacuation
            nova-compute has to clean up first
        """
        try:
            self.admin_services_client.update_service(
                self.service(host)["id"], forced_down=down
            )
        except exceptions.BadRequest as error:
            return str(error)
        return ""

    def service(self, host):
        [service] = self.admin_services_client.list_services(
            host=host, binary="nova-compute"
        )["services"]
        return service

    def boot_and_lose_its_host(self):
        """:returns: a server with an entry, on a host that is down"""
        server = self.boot()
        self.wait_for_entry(server)
        self.stop_compute(self.compute_host(server))
        return server

    @decorators.idempotent_id("eee18d3e-5d0a-499c-af04-4b614cad3dc0")
    def test_entry_goes_when_the_compute_host_is_lost(self):
        """Nova's API deletes an instance without its compute host.

        1. Boot an instance and wait for its entry.
        2. Stop nova-compute on its host; tell Nova that it is down.
        3. Delete the instance: it is gone from Nova.
        4. Wait until the entry is gone.
        5. Start nova-compute; wait until it is up.
        6. There is still no entry.
        """
        server = self.boot_and_lose_its_host()
        host = self.compute_host(server)
        self.delete(server["id"])
        self.wait_for_no_entry(server)
        self.start_compute(host)
        self.let_what_came_before_arrive()
        self.assertIsNone(self.entries.get(server["id"]))

    @decorators.idempotent_id("3e6d9aae-a6f0-4bb9-b233-a842f28521c3")
    def test_entry_goes_with_a_forced_delete_of_the_lost(self):
        """Nova sends no instance.delete.* for it, but an update.

        1. Boot an instance and wait for its entry.
        2. Stop nova-compute on its host; tell Nova that it is down.
        3. Delete the instance by force: it is gone from Nova.
        4. Wait until the entry is gone.
        """
        server = self.boot_and_lose_its_host()
        self.force_delete(server["id"])
        self.wait_for_no_entry(server)

    @decorators.idempotent_id("2bbf0c8f-d7a5-4bc6-bee8-9d43a0ee8f0d")
    def test_entry_follows_an_evacuation(self):
        """The entry has the new compute host.

        1. Boot an instance and wait for its entry.
        2. Stop nova-compute on its host; tell Nova that it is down.
        3. As an admin, evacuate the instance; wait until it is ACTIVE.
        4. Within follow_timeout the entry has the other compute host.
        5. Start nova-compute; wait until it is up.
        6. The entry still has the other compute host.
        """
        if CONF.compute.min_compute_nodes < 2:
            raise self.skipException(
                "tempest.conf: [compute] min_compute_nodes is less than 2"
            )
        server = self.boot_and_lose_its_host()
        host = self.compute_host(server)
        self.admin_servers_client.evacuate_server(server["id"])
        self.wait_for_server(server, "ACTIVE")
        entry = self.wait_for_entry_to_follow(server)
        self.assertNotEqual(host, entry.compute_host)
        self.start_compute(host)
        self.let_what_came_before_arrive()
        self.assert_equal_to_nova(server, self.entries.get(server["id"]))
