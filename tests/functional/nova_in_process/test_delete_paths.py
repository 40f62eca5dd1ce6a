# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""However a server comes to its end, its entry goes."""

from tests.functional.nova_in_process import delivery


class TestDeletePaths(delivery.DeliveryTestCase):
    def test_a_server_deleted_while_the_directory_is_down_has_no_entry(self):
        server = self.boot()
        self.until_entry(server)

        with self.directory_stopped():
            self.delete(server)

        self.until_no_entry(server)

    def test_a_server_that_lived_while_the_directory_was_down_has_no_entry(
        self,
    ):
        with self.directory_stopped():
            server = self.boot()
            self.delete(server)

        self.daemon.until_it_says("unregister", server["id"], "delivered")
        self.assertEqual({}, self.entry_of(server))

    def test_a_server_deleted_while_its_compute_is_down_has_no_entry(self):
        server = self.boot()
        self.until_entry(server)
        self.compute.stop()
        [service] = self.admin_api.get_services(binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)

        self.delete(server)

        self.until_no_entry(server)

    def test_a_soft_deleted_server_that_is_forced_out_has_no_entry(self):
        self.flags(reclaim_instance_interval=3600)
        server = self.boot()
        self.until_entry(server)
        self.api.delete_server(server["id"])
        self.in_state(server, "SOFT_DELETED")

        self.admin_api.post_server_action(server["id"], {"forceDelete": {}})

        self.until_no_entry(server)

    def test_a_shelved_server_that_is_deleted_has_no_entry(self):
        self.flags(shelved_offload_time=0)
        server = self.boot()
        self.until_entry(server)
        self.api.post_server_action(server["id"], {"shelve": {}})
        self.in_state(server, "SHELVED_OFFLOADED")

        self.delete(server)

        self.until_no_entry(server)
