# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What all scenarios do: boot, delete, compare an entry with Nova."""

import io
import shlex
import subprocess

from tempest import config
from tempest.lib import exceptions
from tempest.lib.common.utils import data_utils, test_utils
from tempest.scenario import manager

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.services import loading

CONF = config.CONF


class HostEntryScenario(manager.ScenarioTest):
    """Servers of one project, and their entries in the directory."""

    # From 2.90 on Nova tells everybody the host name, which an owner may
    # change; the flavor has come with its name since 2.47.
    compute_min_microversion = "2.90"

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        for service in ("nova", "neutron", "glance", "nova_dirsvc"):
            if not getattr(CONF.service_available, service):
                raise cls.skipException(
                    f"tempest.conf: [service_available] {service} is false"
                )

    @classmethod
    def setup_credentials(cls):
        # Addresses, but no way out: nobody logs in.
        cls.set_network_resources(network=True, subnet=True, dhcp=True)
        super().setup_credentials()

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.admin_servers_client = cls.os_admin.servers_client
        cls.admin_flavors_client = cls.os_admin.flavors_client
        cls.entries = loading.reader(CONF.nova_dirsvc)

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.network = cls.get_tenant_network()

    # -- Nova --------------------------------------------------------------

    def request(self, **more):
        """Ask Nova for a server. :returns: what Nova answers at once"""
        wanted = {
            "name": self.new_name("server"),
            "imageRef": CONF.compute.image_ref,
            "flavorRef": CONF.compute.flavor_ref,
            "networks": [{"uuid": self.network["id"]}],
            **more,
        }
        server = self.servers_client.create_server(**wanted)["server"]
        self.addCleanup(self.delete, server["id"])
        return server

    def boot(self, status="ACTIVE", **more):
        """Boot a server. :returns: the server as Nova shows it"""
        server_id = self.request(**more)["id"]
        return waiters.wait_for_server(
            self.servers_client, server_id, status, CONF.compute.build_timeout
        )

    def delete(self, server_id):
        """Delete a server, unless it is gone, and wait for its end."""
        test_utils.call_and_ignore_notfound_exc(
            self.servers_client.delete_server, server_id
        )
        if self.wait_for_no_server(server_id):
            self.force_delete(server_id)

    def force_delete(self, server_id):
        """Delete a server that was deleted softly, or not at all."""
        self.servers_client.force_delete_server(server_id)
        waiters.wait_until(
            lambda: self.wait_for_no_server(server_id),
            lambda seen: seen is None,
            f"server {server_id} to be gone, not softly",
            CONF.compute.build_timeout,
        )

    def wait_for_no_server(self, server_id):
        return waiters.wait_for_no_server(
            self.servers_client, server_id, CONF.compute.build_timeout
        )

    def wait_for_server(self, server, status):
        return waiters.wait_for_server(
            self.servers_client,
            server["id"],
            status,
            CONF.compute.build_timeout,
        )

    def compute_host(self, server):
        """Name the compute host of a server, which admins are told."""
        shown = self.admin_servers_client.show_server(server["id"])["server"]
        return shown["OS-EXT-SRV-ATTR:host"]

    def make_image(self):
        """Make an image with nothing in it. :returns: its id"""
        image = self.image_client.create_image(
            name=self.new_name("image"),
            container_format="bare",
            disk_format="raw",
            visibility="private",
        )
        self.addCleanup(self.image_client.delete_image, image["id"])
        self.image_client.store_image_file(
            image["id"], io.BytesIO(bytes(1024))
        )
        return image["id"]

    def execute(self, command, status=0):
        """Run a command of tempest.conf's.

        :param status: that it is to end with
        """
        done = subprocess.run(  # noqa: S603 - tempest.conf's own words
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CONF.compute.build_timeout,
        )
        if done.returncode != status:
            raise exceptions.CommandFailed(
                done.returncode, command, done.stdout, done.stderr
            )

    def new_name(self, what):
        return data_utils.rand_name(
            f"host-entry-{what}", prefix=CONF.resource_name_prefix
        )

    # -- the directory -----------------------------------------------------

    def wait_for_entry(self, server):
        return waiters.wait_for_entry(
            self.entries, server["id"], CONF.nova_dirsvc.entry_timeout
        )

    def wait_for_no_entry(self, server):
        waiters.wait_for_no_entry(
            self.entries, server["id"], CONF.nova_dirsvc.entry_timeout
        )

    def let_what_came_before_arrive(self):
        """Boot another server and see its entry come, delete it, and go.

        Events are delivered in their order: a wrong entry of an earlier
        server would be there by then.
        """
        later = self.boot()
        self.wait_for_entry(later)
        self.delete(later["id"])
        self.wait_for_no_entry(later)

    def assert_equal_to_nova(self, server, entry):
        """Fail unless an entry says of a server what Nova says."""
        expected = self.what_nova_says(server)
        self.assertEqual(
            expected, {name: getattr(entry, name) for name in expected}
        )

    def wait_for_entry_to_follow(self, server):
        """Wait until an entry says of a server what Nova says now.

        :returns: the entry
        """
        return waiters.wait_for_entry_with(
            self.entries,
            server["id"],
            self.what_nova_says(server),
            CONF.nova_dirsvc.follow_timeout,
        )

    def what_nova_says(self, server):
        """Ask Nova, as an admin, what an entry is to say.

        :returns: field of the entry -> value
        """
        shown = self.admin_servers_client.show_server(server["id"])["server"]
        owner = self.os_primary.credentials
        ports = [
            port for ports in shown["addresses"].values() for port in ports
        ]
        return {
            "instance_uuid": shown["id"],
            "host_name": shown["OS-EXT-SRV-ATTR:hostname"],
            "display_name": shown["name"],
            "project_id": shown["tenant_id"],
            "project_name": owner.project_name,
            "user_id": shown["user_id"],
            "user_name": owner.username,
            "image_uuid": shown["image"]["id"],
            "flavor_name": shown["flavor"]["original_name"],
            "availability_zone": shown["OS-EXT-AZ:availability_zone"] or "",
            "compute_host": shown["OS-EXT-SRV-ATTR:host"] or "",
            "created_at": shown["created"],
            # to the second, as the others are
            "launched_at": shown["OS-SRV-USG:launched_at"][:19] + "Z",
            "ip_addresses": {port["addr"] for port in ports},
            "mac_addresses": {
                port["OS-EXT-IPS-MAC:mac_addr"] for port in ports
            },
        }
