# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An instance's life through the real APIs, seen in a real directory.

The scenarios of nova_dirsvc_tempest_plugin see it by the hook; what they do
not see is here: the message bus, and the log as a directory.
"""

import os
import unittest
import uuid

from tests import waiting
from tests.integration import pocket_cloud

#: Seconds between two looks at a server; openstacksdk's own are two.
INTERVAL = 0.2


# The last name is the hook's, so that the cloud is left as it is by default.


class TestByTheHook(unittest.TestCase):
    """Nova's processes store what happens; the directory is a 389 DS."""

    source = "hook"
    cloud: pocket_cloud.PocketCloud

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.cloud = pocket_cloud.PocketCloud.ensure(
            os.environ.get("POCKET_HOME"), cls.source
        )

    def setUp(self) -> None:
        super().setUp()
        self.alice = self.cloud.connection("alice")
        self.admin = self.cloud.connection("admin")
        self.addCleanup(self.alice.close)
        self.addCleanup(self.admin.close)

    def boot(self, name: str):
        compute = self.alice.compute
        server = compute.create_server(
            name=name,
            image_id=self.alice.image.find_image("blank").id,
            flavor_id=compute.find_flavor("tiny").id,
            networks=[{"uuid": self.alice.network.find_network("private").id}],
        )
        self.addCleanup(self.delete, server)
        return server

    def boot_to_active(self):
        return self.alice.compute.wait_for_server(
            self.boot(f"life-{uuid.uuid4().hex[:8]}"),
            interval=INTERVAL,
            wait=waiting.LIMIT,
        )

    def delete(self, server) -> None:
        compute = self.alice.compute
        compute.delete_server(server.id, ignore_missing=True)
        compute.wait_for_delete(server, interval=INTERVAL, wait=waiting.LIMIT)

    def test_log_has_one_line_for_each_end_of_a_life(self) -> None:
        server = self.boot_to_active()
        [address] = server.addresses["private"]
        self.cloud.wait_for_lines(server.id, 1)
        self.delete(server)
        (first, registered), (last, unregistered) = self.cloud.wait_for_lines(
            server.id, 2
        )
        self.assertEqual(("Registering", "Unregistering"), (first, last))
        self.assertEqual(
            {
                "instance_uuid": server.id,
                "image_uuid": server.image.id,
                "mac_address": address["OS-EXT-IPS-MAC:mac_addr"],
                "project_name": "demo",
                "user_name": "alice",
                "user_remote_address": "127.0.0.1",
            },
            registered,
        )
        self.assertEqual({"instance_uuid": server.id}, unregistered)


class TestByTheBus(TestByTheHook):
    """The daemon takes what happens from the message bus."""

    source = "listener"

    def test_entry_of_a_new_instance_equals_what_nova_says(self) -> None:
        server = self.boot_to_active()
        entry = self.cloud.wait_for_entry(server.id)
        [address] = server.addresses["private"]
        project = self.admin.identity.get_project(server.project_id)
        user = self.admin.identity.get_user(server.user_id)
        expected = {
            "host_name": [server.name],
            "display_name": [server.name],
            "ip": [address["addr"]],
            "mac": [address["OS-EXT-IPS-MAC:mac_addr"]],
            "image_uuid": [server.image.id],
            "project_id": [project.id],
            "project_name": [project.name],
            "user_id": [user.id],
            "user_name": [user.name],
            "user_remote_address": ["127.0.0.1"],
        }
        self.assertEqual(
            expected, {name: entry.get(name) for name in expected}
        )

    def test_entry_is_gone_after_delete(self) -> None:
        server = self.boot_to_active()
        self.cloud.wait_for_entry(server.id)
        self.delete(server)
        self.cloud.wait_for_no_entry(server.id)

    def test_delete_by_an_admin_removes_the_users_entry(self) -> None:
        server = self.boot_to_active()
        self.cloud.wait_for_entry(server.id)
        self.admin.compute.delete_server(server.id)
        self.cloud.wait_for_no_entry(server.id)

    def test_instance_that_fails_to_build_leaves_no_entry(self) -> None:
        server = self.boot(f"fail-build-{uuid.uuid4().hex[:8]}")
        self.alice.compute.wait_for_server(
            server,
            status="ERROR",
            failures=[],
            interval=INTERVAL,
            wait=waiting.LIMIT,
        )
        # A later instance has its entry: what came before was dealt with.
        later = self.boot_to_active()
        self.cloud.wait_for_entry(later.id)
        self.assertIsNone(self.cloud.entry(server.id))
