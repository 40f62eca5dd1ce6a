# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a payload says, and what may be wrong with it."""

import copy
import json

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import parked
from nova_dirsvc_plugin.notifications import parse as payloads
from tests import recordings
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"

#: Of any type but the one that is expected anywhere.
WRONG = (7, -1.5, True, [], ["x"], {}, {"a": {"b": "c"}}, "\x00\ud800", "")


class PayloadsCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.complaints = []

    def parse(self, ctxt, message):
        return payloads.parse(ctxt, message, self.complaints.append)

    def refused(self, ctxt, message):
        return self.assertRaises(
            payloads.Unreadable, self.parse, ctxt, message
        )


class RecordTest(PayloadsCase):
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
                record=recordings.RECORD,
            ),
            event,
        )
        self.assertEqual([], self.complaints)

    def test_no_recorded_notification_gives_cause_for_complaint(self):
        for name in recordings.SCENARIOS:
            for ctxt, message in recordings.scenario(name):
                self.parse(ctxt, message)
        self.assertEqual([], self.complaints)

    def test_an_empty_list_of_addresses_is_said_and_a_missing_one_is_not(self):
        ctxt, message = recordings.create_end(ip_addresses=[])
        self.assertEqual((), self.parse(ctxt, message).record.addresses)
        del message["payload"]["nova_object.data"]["ip_addresses"]
        self.assertIsNone(self.parse(ctxt, message).record.addresses)

    # -- whose it is

    def test_an_admin_who_acts_is_not_the_owner(self):
        ctxt, message = recordings.notification(
            "admin_deletes_for_user", "instance.delete.end"
        )
        self.assertEqual("admin", ctxt["user_name"])
        record = self.parse(ctxt, message).record
        self.assertEqual(("", ""), (record.user_name, record.project_name))

    def test_no_owner_is_known_where_all_ids_are_missing(self):
        ctxt, message = recordings.create_end(user_id=None, tenant_id=None)
        ctxt |= {"user_id": None, "project_id": None}
        record = self.parse(ctxt, message).record
        self.assertEqual(("", ""), (record.user_name, record.project_name))

    def test_the_remote_address_is_of_the_one_who_booted(self):
        ctxt, message = recordings.create_end()
        ctxt["remote_address"] = "192.0.2.7"
        self.assertEqual(
            "192.0.2.7", self.parse(ctxt, message).record.user_remote_address
        )

    def test_the_remote_address_of_another_request_is_not_taken(self):
        for event_type in ("instance.update", "instance.delete.end"):
            ctxt, message = recordings.varied(event_type)
            ctxt["remote_address"] = "192.0.2.7"
            self.assertEqual(
                "", self.parse(ctxt, message).record.user_remote_address
            )

    def test_no_token_and_no_context_comes_into_the_event(self):
        ctxt, message = recordings.create_end()
        ctxt["auth_token"] = "gAAAAA-secret"
        self.assertNotIn("secret", repr(self.parse(ctxt, message)))


class VersionsTest(PayloadsCase):
    def test_any_minor_version_is_read(self):
        ctxt, message = recordings.create_end()
        message["payload"]["nova_object.version"] = "1.99"
        self.assertIsNotNone(self.parse(ctxt, message))

    def test_an_update_is_read_as_before_and_after_nova_25(self):
        for version in ("1.0", "1.9", "2.0", "2.1"):
            ctxt, message = recordings.varied("instance.update")
            message["payload"]["nova_object.version"] = version
            self.assertIsNotNone(self.parse(ctxt, message))

    def test_an_unknown_major_version_is_refused_by_name(self):
        for event_type, version in (
            ("instance.create.end", "2.0"),
            ("instance.delete.end", "0.9"),
            ("instance.update", "3.0"),
            ("instance.update", None),
        ):
            ctxt, message = recordings.varied(event_type)
            message["payload"]["nova_object.version"] = version
            error = self.refused(ctxt, message)
            self.assertIn("is understood", str(error))
            self.assertIn(version or "missing", str(error))
            self.assertEqual(UUID, error.instance_uuid)

    def test_another_object_is_refused_by_name(self):
        ctxt, message = recordings.create_end()
        message["payload"]["nova_object.name"] = "FlavorPayload"
        self.assertIn("FlavorPayload", str(self.refused(ctxt, message)))

    def test_an_unknown_version_is_refused_before_a_launch_too(self):
        ctxt, message = recordings.varied("instance.update", launched_at=None)
        message["payload"]["nova_object.version"] = "3.0"
        self.refused(ctxt, message)


class MalformedTest(PayloadsCase):
    def test_a_payload_of_any_other_shape_is_refused(self):
        for payload in (None, [], "x", 7, {}, {"nova_object.data": []}):
            ctxt, message = recordings.create_end()
            message["payload"] = payload
            self.assertIn("payload", str(self.refused(ctxt, message)))

    def test_an_instance_uuid_that_is_none_is_refused(self):
        for value in (None, "", "x", 7, 10**31, "a,ou=evil", {"a": 1}):
            for event_type in ("instance.create.end", "instance.delete.end"):
                ctxt, message = recordings.varied(event_type, uuid=value)
                self.assertIn("not a UUID", str(self.refused(ctxt, message)))

    def test_a_message_without_an_id_is_refused(self):
        ctxt, message = recordings.create_end()
        del message["message_id"]
        error = self.refused(ctxt, message)
        self.assertIn("message_id", str(error))
        self.assertEqual(UUID, error.instance_uuid)

    def test_an_event_type_that_is_no_text_concerns_nobody(self):
        for value in (None, 7, [], {}, ("instance.create.end",), b"x"):
            ctxt, message = recordings.create_end()
            message["event_type"] = value
            self.assertIsNone(self.parse(ctxt, message))
            self.assertFalse(payloads.concerns(value))
            self.assertFalse(payloads.is_unversioned(value))

    def test_an_instance_uuid_is_written_in_one_way_only(self):
        ctxt, message = recordings.create_end(
            "EDAB9A8E0A9D4ECB8E9A26009BD80962"
        )
        self.assertEqual(UUID, self.parse(ctxt, message).instance_uuid)

    def test_absent_fields_are_empty_strings(self):
        for event_type in ("instance.create.end", "instance.soft_delete.end"):
            ctxt, message = recordings.create_end()
            message["event_type"] = event_type
            if event_type != "instance.create.end":
                message["payload"]["nova_object.name"] = (
                    "InstanceActionPayload"
                )
            message["payload"]["nova_object.data"] = {"uuid": UUID}
            self.assertEqual(
                events.HostRecord(instance_uuid=UUID),
                self.parse(ctxt, message).record,
            )

    def test_whatever_a_value_is_the_event_is_not_lost(self):
        for event_type in (
            "instance.create.end",
            "instance.update",
            "instance.delete.end",
        ):
            _, original = recordings.varied(event_type)
            for name in original["payload"]["nova_object.data"]:
                if name == "uuid":
                    continue
                for value in WRONG:
                    # These decide what the event means.
                    if name == "launched_at" and not value:
                        continue
                    ctxt, message = recordings.varied(
                        event_type, **{name: value}
                    )
                    event = self.parse(ctxt, message)
                    self.assertEqual(UUID, event.instance_uuid)
                    self.assertEqual(
                        event.record,
                        events.HostRecord.from_json(event.record.to_json()),
                    )

    def test_a_value_of_another_type_is_left_out_and_named(self):
        for name in (
            "display_name",
            "host_name",
            "tenant_id",
            "user_id",
            "image_uuid",
            "flavor",
            "availability_zone",
            "host",
            "created_at",
            "launched_at",
            "ip_addresses",
            "request_id",
        ):
            self.complaints.clear()
            self.parse(*recordings.create_end(**{name: 7}))
            self.assertEqual(1, len(self.complaints), name)
            self.assertIn(name, self.complaints[0])

    def test_a_complaint_tells_no_structure_that_may_hold_a_secret(self):
        for name in ("display_name", "ip_addresses", "flavor", "created_at"):
            self.parse(
                *recordings.create_end(**{name: {"password": "secret"}})
            )
        ctxt, message = recordings.create_end(uuid={"password": "secret"})
        said = [*self.complaints, str(self.refused(ctxt, message))]
        self.assertEqual(5, len(said))
        self.assertNotIn("secret", repr(said))

    def test_whatever_the_context_holds_the_event_is_not_lost(self):
        for value in (None, *WRONG):
            ctxt, message = recordings.create_end()
            self.assertIsNotNone(
                self.parse(dict.fromkeys(ctxt, value), message)
            )

    def test_names_of_any_characters_are_kept_as_they_are(self):
        for name in (
            "a,ou=evil+cn=x",
            "*)(uid=*",
            "../../etc/passwd",
            "\x00\r\n\t\x1b[31m",
            "\u202egnp.exe",
            "\ud800",
            "日本" * 100_000,
        ):
            ctxt, message = recordings.create_end(
                display_name=name, host_name=name
            )
            ctxt["user_name"] = ctxt["project_name"] = name
            record = self.parse(ctxt, message).record
            self.assertEqual({name}, {record.display_name, record.user_name})
            self.assertEqual(
                record, events.HostRecord.from_json(record.to_json())
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
            {"nova_object.data": {"address": "fe80::1%eth0"}},
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
        self.assertEqual(4, len(self.complaints), self.complaints)

    def test_addresses_none_of_which_can_be_read_are_not_said(self):
        ctxt, message = recordings.create_end(ip_addresses=["10.0.0.1"])
        self.assertIsNone(self.parse(ctxt, message).record.addresses)

    def test_what_is_no_time_is_left_out_and_said(self):
        for value in ("yesterday", "2026-13-01T00:00:00Z", "0" * 10_000):
            self.complaints.clear()
            ctxt, message = recordings.create_end(created_at=value)
            message["timestamp"] = value
            event = self.parse(ctxt, message)
            self.assertEqual(
                ("", 0.0), (event.record.created_at, event.occurred_at)
            )
            self.assertEqual(2, len(self.complaints), self.complaints)
            self.assertLess(max(map(len, self.complaints)), 120)

    def test_a_time_at_the_end_of_days_is_no_time(self):
        for value in (
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
        ):
            self.complaints.clear()
            event = self.parse(*recordings.create_end(created_at=value))
            self.assertEqual("", event.record.created_at)
            self.assertEqual(1, len(self.complaints), self.complaints)


class EssentialTest(PayloadsCase):
    def test_what_is_kept_of_a_payload_is_all_that_is_read(self):
        for name in recordings.SCENARIOS:
            for ctxt, message in recordings.scenario(name):
                kept = copy.deepcopy(message)
                kept["payload"] = parked.essential(message["payload"])
                self.assertEqual(
                    self.parse(ctxt, message), self.parse(ctxt, kept)
                )

    def test_no_secret_of_a_tenant_is_kept(self):
        _, message = recordings.create_end(
            metadata={"password": "secret"},
            keypairs=["secret"],
            tags=["secret"],
            flavor={"nova_object.data": {"extra_specs": "secret"}},
            ip_addresses=[{"nova_object.data": {"meta": "secret"}}, "secret"],
        )
        self.assertNotIn("secret", repr(parked.essential(message["payload"])))

    def test_no_secret_of_an_unversioned_payload_is_kept(self):
        _, message = recordings.varied(
            "compute.instance.create.end",
            None,
            recordings.UNVERSIONED,
            metadata={"password": "secret"},
            message="secret",
            image_meta={"password": "secret", "base_image_ref": "image"},
            fixed_ips=[{"meta": "secret"}, "secret"],
        )
        kept = parked.essential(message["payload"])
        self.assertNotIn("secret", repr(kept))
        self.assertEqual({"base_image_ref": "image"}, kept["image_meta"])

    def test_of_what_is_no_payload_its_type_is_kept(self):
        for payload in (None, [], "secret", 7, {}, {"nova_object.data": []}):
            kept = json.dumps(parked.essential(payload))
            self.assertNotIn("secret", kept)
