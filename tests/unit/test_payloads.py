# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from nova_dirsvc_plugin import events, payloads
from tests import recordings
from tests.unit import base


class PayloadsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.complaints = []

    def parse(self, ctxt, message):
        return payloads.parse(ctxt, message, self.complaints.append)

    def refused(self, ctxt, message):
        return self.assertRaises(
            payloads.Unreadable, self.parse, ctxt, message
        )

    # -- what a real Nova sends

    def test_a_boot_registers_the_whole_record(self):
        event = self.parse(
            *recordings.notification("boot_delete", "instance.create.end")
        )
        self.assertEqual(
            events.Event(
                message_id="67c2dac3-23a3-443a-9f6b-31a4fcbb1735",
                event_type="instance.create.end",
                verb=events.Verb.REGISTER,
                occurred_at=1795343275.581715,
                request_id="req-8217bf15-5838-4524-872f-3592fa99abb3",
                record=events.HostRecord(
                    instance_uuid="edab9a8e-0a9d-4ecb-8e9a-26009bd80962",
                    display_name="plain",
                    host_name="plain",
                    project_id="7b22e328262041efa6253a178f743293",
                    project_name="demo",
                    user_id="8acf174811954db7b962293e68bae407",
                    user_name="alice",
                    image_uuid="5a1d32c6-2595-461c-bbd9-c94d0a4da72c",
                    flavor_name="m1.tiny",
                    availability_zone="nova",
                    compute_host="pocket1",
                    created_at="2026-11-22T10:27:53Z",
                    launched_at="2026-11-22T10:27:55Z",
                    addresses=(
                        events.Address(
                            "10.77.0.90", "fa:16:3e:51:8e:ab", "private"
                        ),
                    ),
                ),
            ),
            event,
        )
        self.assertEqual([], self.complaints)

    def test_a_delete_unregisters(self):
        event = self.parse(
            *recordings.notification("boot_delete", "instance.delete.end")
        )
        self.assertEqual(events.Verb.UNREGISTER, event.verb)
        self.assertEqual(
            "edab9a8e-0a9d-4ecb-8e9a-26009bd80962", event.instance_uuid
        )

    def test_of_a_whole_life_only_the_launched_part_concerns_a_directory(self):
        heard = [
            self.parse(ctxt, message)
            for ctxt, message in recordings.scenario_notifications(
                "boot_delete"
            )
        ]
        self.assertEqual(
            [
                ("instance.update", "refresh"),
                ("instance.create.end", "register"),
                ("instance.update", "refresh"),
                ("instance.update", "unregister"),
                ("instance.delete.end", "unregister"),
            ],
            [(event.event_type, event.verb) for event in heard if event],
        )

    # -- whose it is

    def test_an_admin_who_acts_is_not_the_owner(self):
        ctxt, message = recordings.delete_end()
        ctxt |= {"user_id": "0" * 32, "user_name": "admin"}
        ctxt |= {"project_id": "1" * 32, "project_name": "admin"}
        record = self.parse(ctxt, message).record
        self.assertEqual(("", ""), (record.user_name, record.project_name))

    def test_no_owner_is_known_where_all_ids_are_missing(self):
        ctxt, message = recordings.create_end(user_id=None, tenant_id=None)
        ctxt |= {"user_id": None, "project_id": None}
        record = self.parse(ctxt, message).record
        self.assertEqual(("", ""), (record.user_name, record.project_name))

    # -- bad input

    def test_any_minor_version_is_read(self):
        ctxt, message = recordings.create_end()
        message["payload"]["nova_object.version"] = "1.99"
        self.assertIsNotNone(self.parse(ctxt, message))

    def test_an_unknown_major_version_is_refused_by_name(self):
        ctxt, message = recordings.create_end()
        message["payload"]["nova_object.version"] = "2.0"
        error = self.refused(ctxt, message)
        self.assertIn("InstanceCreatePayload '2.0'", str(error))
        self.assertEqual(
            "edab9a8e-0a9d-4ecb-8e9a-26009bd80962", error.instance_uuid
        )

    def test_another_object_is_refused_by_name(self):
        ctxt, message = recordings.create_end()
        message["payload"]["nova_object.name"] = "FlavorPayload"
        self.assertIn("FlavorPayload", str(self.refused(ctxt, message)))

    def test_a_payload_of_any_other_shape_is_refused(self):
        for payload in (None, [], "x", 7, {}, {"nova_object.data": []}):
            ctxt, message = recordings.create_end()
            message["payload"] = payload
            self.assertIn("payload", str(self.refused(ctxt, message)))

    def test_an_instance_uuid_that_is_none_is_refused(self):
        for value in (None, "", "x", 7, "a,ou=evil", {"a": 1}):
            ctxt, message = recordings.create_end(uuid=value)
            self.assertIn("not a UUID", str(self.refused(ctxt, message)))

    def test_a_message_without_an_id_is_refused(self):
        ctxt, message = recordings.create_end()
        del message["message_id"]
        self.assertIn("message_id", str(self.refused(ctxt, message)))

    def test_an_instance_uuid_is_written_in_one_way_only(self):
        ctxt, message = recordings.create_end(
            "EDAB9A8E0A9D4ECB8E9A26009BD80962"
        )
        self.assertEqual(
            "edab9a8e-0a9d-4ecb-8e9a-26009bd80962",
            self.parse(ctxt, message).instance_uuid,
        )

    def test_absent_fields_are_empty_strings(self):
        ctxt, message = recordings.create_end()
        message["payload"]["nova_object.data"] = {
            "uuid": "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
        }
        self.assertEqual(
            events.HostRecord(
                instance_uuid="edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
            ),
            self.parse(ctxt, message).record,
        )

    def test_what_is_wrong_with_addresses_costs_only_those(self):
        good = {
            "nova_object.data": {
                "address": "2001:DB8:0::1",
                "mac": "FA:16:3E:51:8E:AB",
            }
        }
        items = [
            good,
            "10.0.0.1",
            {"nova_object.data": {"address": "10.0.0.999"}},
            {"nova_object.data": {"address": "10.0.0.7", "mac": "x"}},
        ]
        ctxt, message = recordings.create_end(ip_addresses=items)
        self.assertEqual(
            (
                events.Address("2001:db8::1", "fa:16:3e:51:8e:ab"),
                events.Address("10.0.0.7"),
            ),
            self.parse(ctxt, message).record.addresses,
        )
        self.assertEqual(3, len(self.complaints), self.complaints)

    def test_what_is_no_time_is_left_out_and_said(self):
        ctxt, message = recordings.create_end(launched_at="yesterday")
        message["timestamp"] = "now"
        event = self.parse(ctxt, message)
        self.assertEqual(
            ("", 0.0), (event.record.launched_at, event.occurred_at)
        )
        self.assertEqual(2, len(self.complaints), self.complaints)

    def test_no_token_and_no_context_comes_into_the_event(self):
        ctxt, message = recordings.create_end()
        ctxt["auth_token"] = "gAAAAA-secret"
        self.assertNotIn("secret", repr(self.parse(ctxt, message)))
