# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a server whose build fails, once or for good."""

from tests.functional.nova_in_process import delivery


class TestBuildFails(delivery.DeliveryTestCase):
    def _setup_compute_service(self) -> object:
        self.flags(compute_driver="fake.FakeBuildAbortDriver")
        return super()._setup_compute_service()

    def test_a_server_in_error_that_is_deleted_has_no_entry(self):
        server = self.in_state(self.ask_for_server(), "ERROR")

        self.delete(server)

        self.daemon.until_it_says("unregister", server["id"], "delivered")
        self.assertEqual({}, self.entry_of(server))


class TestBuildIsRescheduled(delivery.DeliveryTestCase):
    def _setup_compute_service(self) -> object:
        self.flags(compute_driver="fake.FakeRescheduleDriver")
        self._start_compute("second")
        return super()._setup_compute_service()

    def test_the_entry_names_the_host_that_runs_the_server(self):
        server = self.boot()

        entry = self.until_entry(server)

        self.assertEqual(
            [self.admin_api.get_server(server["id"])["OS-EXT-SRV-ATTR:host"]],
            entry["novaComputeHost"],
        )
