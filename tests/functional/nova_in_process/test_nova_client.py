# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a real Nova says of instances when it is asked."""

import dataclasses
import uuid

from nova_dirsvc_plugin import events, outbox
from tests.functional.nova_in_process import cloud, test_boot_and_delete

NOW = 1795343300.5


class TestInventory(cloud.NovaTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.inventory = self.client_of("admin", "member,admin", NOW)

    def told(self, server: cloud.Server) -> events.HostState:
        """Return what Nova says for sure."""
        answer = self.inventory.ask([server["id"]])[server["id"]]
        self.assertIsInstance(answer, events.HostState, answer)
        self.assertEqual(NOW, answer.as_of)
        return answer

    def notified(self, server: cloud.Server) -> events.HostRecord:
        """Return the record of the notification that it has booted."""
        self.until_nova_logs("register instance", server["id"], ": stored")
        claim = outbox.Outbox(self.outbox_path).claim("any", 100)
        [record] = [
            entry.event.record
            for entry in claim.entries
            if entry.event.instance_uuid == server["id"]
            and entry.event.verb is events.Verb.REGISTER
        ]
        return record

    def assert_as_notified(self, server: cloud.Server) -> None:
        told = self.told(server)
        self.assertIs(events.Verb.REFRESH, told.verb)
        self.assertEqual(
            dataclasses.replace(
                self.notified(server), user_name="", project_name=""
            ),
            told.record,
        )

    def test_a_running_one_is_as_its_notification_says(self):
        self.assert_as_notified(self.boot())

    def test_one_with_two_ports_is_as_its_notification_says(self):
        networks = [
            {"port": test_boot_and_delete.PORT},
            {"uuid": cloud.NETWORK},
        ]
        self.assert_as_notified(self.boot(networks=networks))

    def test_one_without_a_network_is_as_its_notification_says(self):
        self.assert_as_notified(self.boot(networks="none"))

    def test_a_deleted_one_is_gone(self):
        server = self.boot()
        self.delete(server)

        self.assertIs(events.Verb.UNREGISTER, self.told(server).verb)

    def test_one_that_never_was_is_gone(self):
        self.assertIs(
            events.Verb.UNREGISTER, self.told({"id": str(uuid.uuid4())}).verb
        )

    def test_a_soft_deleted_one_waits_and_is_gone_when_forced_out(self):
        self.flags(reclaim_instance_interval=3600)
        server = self.boot()
        self.api.delete_server(server["id"])
        self.in_state(server, "SOFT_DELETED")

        self.assertIs(events.Verb.SOFT_UNREGISTER, self.told(server).verb)

        self.admin_api.post_server_action(server["id"], {"forceDelete": {}})
        self.until_gone(server)
        self.assertIs(events.Verb.UNREGISTER, self.told(server).verb)

    def test_a_stopped_one_lives(self):
        server = self.boot()
        self.api.post_server_action(server["id"], {"os-stop": {}})
        self.in_state(server, "SHUTOFF")

        self.assertIs(events.Verb.REFRESH, self.told(server).verb)

    def test_many_at_once_have_their_own_answers(self):
        servers = [self.boot(f"web-{number}") for number in range(3)]
        gone = [str(uuid.uuid4()) for _ in range(20)]

        told = self.inventory.ask([*gone, *(one["id"] for one in servers)])

        self.assertEqual(
            ["web-0", "web-1", "web-2"],
            [told[one["id"]].record.display_name for one in servers],
        )
        self.assertEqual(
            {events.Verb.UNREGISTER}, {told[one].verb for one in gone}
        )

    def test_another_project_says_nothing_of_a_running_one(self):
        server = self.boot()
        stranger = self.client_of("mallory", "member", NOW)

        answer = stranger.ask([server["id"]])[server["id"]]

        self.assertIsInstance(answer, events.StateUnknown)
        self.assertIn("the role admin", str(answer))

    def test_a_stranger_cannot_tell_that_one_is_gone(self):
        stranger = self.client_of("mallory", "member", NOW)

        [answer] = stranger.ask([str(uuid.uuid4())]).values()

        self.assertIsInstance(answer, events.StateUnknown)

    def test_a_wrong_endpoint_says_nothing(self):
        self.api_fixture.base_url += "/servers"
        server = self.boot()
        wrong = self.client_of("admin", "member,admin", NOW)

        [answer] = wrong.ask([server["id"]]).values()

        self.assertIsInstance(answer, events.StateUnknown)
        self.assertIn("endpoint", str(answer))


class TestNoValidHost(cloud.NovaTestCase):
    """No compute service: a build ends in ERROR, in cell 0."""

    def _setup_compute_service(self) -> None:
        pass

    def test_one_that_was_never_launched_has_no_entry_yet(self):
        server = self.in_state(self.ask_for_server(), "ERROR")

        asked = self.client_of("admin", "member,admin", NOW)
        [answer] = asked.ask([server["id"]]).values()

        self.assertIs(events.Verb.SOFT_UNREGISTER, answer.verb)
