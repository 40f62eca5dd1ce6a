# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An entry's life is its instance's."""

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


class TestLifeCycle(base.HostEntryScenario):
    """One instance: its entry comes, is right, and goes."""

    @decorators.idempotent_id("6b13220d-edd2-4020-8a5d-925089e4a853")
    @decorators.attr(type="smoke")
    def test_entry_is_as_nova_says_and_goes_with_the_instance(self):
        """The entry of an instance has what Nova says of it.

        1. Boot an instance and wait until it is ACTIVE.
        2. Wait for its entry.
        3. Compare addresses, MAC, image, project and user, these two by id
           and name, with what Nova and Keystone say.
        4. Delete the instance.
        5. Wait until the entry is gone.
        """
        server = self.boot()
        entry = self.wait_for_entry(server)
        self.assert_equal_to_nova(server, entry)
        self.assertEqual(1, len(entry.mac_addresses), entry)
        self.delete(server["id"])
        self.wait_for_no_entry(server)

    @decorators.idempotent_id("02b5d7d1-b2b0-454f-b068-59ffe24d9fb4")
    def test_entry_has_all_ports_of_the_instance(self):
        """The entry of an instance with two ports has both.

        1. Boot an instance with two ports.
        2. Wait for its entry.
        3. Compare its two addresses and two MACs with what Nova says.
        """
        networks = [{"uuid": self.network["id"]}] * 2
        server = self.boot(networks=networks)
        entry = self.wait_for_entry(server)
        self.assert_equal_to_nova(server, entry)
        self.assertEqual(2, len(entry.mac_addresses), entry)
        self.assertEqual(2, len(entry.ip_addresses), entry)

    @decorators.idempotent_id("f7250efd-059a-4982-9585-a19d27a14c56")
    def test_entry_has_the_name_that_the_user_wrote(self):
        """The entry has the display name to the letter.

        1. Boot an instance whose name has what is special in a DN, in a
           filter and in LDIF, and letters beyond ASCII.
        2. Wait for its entry.
        3. Compare the name, and all else, with what Nova says.
        """
        # No letter of Latin-1: Nova keeps those in the host name that it
        # makes of this, and a Neutron with the DNS extension refuses them.
        name = self.new_name("server") + ' ,=+"<>;#*()\\ Жук 雲'
        server = self.boot(name=name)
        self.assertEqual(name, server["name"])
        self.assert_equal_to_nova(server, self.wait_for_entry(server))

    @decorators.idempotent_id("d93655db-4162-4fb2-a822-b814b4c2fa78")
    def test_entry_goes_when_an_admin_deletes_the_instance(self):
        """It does not matter who deletes an instance.

        1. Boot an instance and wait for its entry.
        2. Delete the instance as an admin of another project.
        3. Wait until the entry is gone.
        """
        server = self.boot()
        self.wait_for_entry(server)
        self.admin_servers_client.delete_server(server["id"])
        self.wait_for_no_entry(server)

    @decorators.idempotent_id("c8ff65b4-d0c0-433d-a786-ed5e913956d6")
    def test_entry_goes_with_an_instance_in_error(self):
        """An instance that went to ERROR is deleted like any other.

        1. Boot an instance and wait for its entry.
        2. As an admin, set its state to ERROR.
        3. Delete it.
        4. Wait until the entry is gone.
        """
        server = self.boot()
        self.wait_for_entry(server)
        self.admin_servers_client.reset_state(server["id"], state="error")
        waiters.wait_for_server(
            self.servers_client,
            server["id"],
            "ERROR",
            CONF.compute.build_timeout,
        )
        self.delete(server["id"])
        self.wait_for_no_entry(server)
