# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the events of whole scenarios mean."""

import pathlib
import re

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import event_types
from nova_dirsvc_plugin.notifications import parse as payloads
from tests import recordings
from tests.unit import base

ROOT = pathlib.Path(__file__).parents[3]
DOC = ROOT / "doc/source/reference/notifications.rst"

DELETED = "2026-11-22T10:28:18Z"


def parse(ctxt, message):
    return payloads.parse(ctxt, message, print)


def told(scenario, *event_types):
    """Return (type, verb, compute host) of a scenario's events."""
    return [
        (event.event_type, event.verb, event.record.compute_host)
        for event in events_of(scenario)
        if event.event_type in event_types or not event_types
    ]


def verb(event_type, **changes):
    event = parse(*recordings.varied(event_type, **changes))
    return event and event.verb


def unversioned(event_type="instance.create.end", **changes):
    """Return a recorded unversioned notification, with other values."""
    return recordings.varied(
        f"compute.{event_type}", None, recordings.UNVERSIONED, **changes
    )


def events_of(scenario):
    """Return the events of a scenario, in order."""
    parsed = [parse(*recorded) for recorded in recordings.scenario(scenario)]
    return [event for event in parsed if event]


class ScenariosTest(base.TestCase):
    def test_of_a_whole_life_only_what_follows_the_launch_is_told(self):
        self.assertEqual(
            [
                ("instance.update", "refresh", "pocket1"),
                ("instance.create.end", "register", "pocket1"),
                ("instance.update", "refresh", "pocket1"),
                ("instance.update", "unregister", "pocket1"),
                ("instance.delete.end", "unregister", "pocket1"),
            ],
            told("boot_delete"),
        )

    def test_a_build_that_fails_is_never_registered(self):
        for scenario in ("build_abort", "no_valid_host"):
            self.assertEqual(
                {"unregister"}, {verb for _, verb, _ in told(scenario)}
            )

    def test_a_create_error_on_one_host_is_not_the_end(self):
        self.assertIn(
            "instance.create.error",
            [m["event_type"] for _, m in recordings.scenario("reschedule")],
        )
        self.assertEqual(
            ("instance.create.end", "register", "pocket2"),
            told("reschedule", "instance.create.end")[0],
        )
        self.assertEqual([], told("reschedule", "instance.create.error"))

    def test_a_soft_delete_a_restore_and_a_delete_are_told_apart(self):
        self.assertEqual(
            ["soft-unregister", "restore", "soft-unregister", "unregister"],
            [
                verb
                for _, verb, _ in told(
                    "soft_delete",
                    "instance.soft_delete.end",
                    "instance.restore.end",
                    "instance.delete.end",
                )
            ],
        )

    def test_updates_alone_tell_a_soft_delete_and_its_restore(self):
        self.assertEqual(
            [
                *("refresh", "refresh"),
                *("soft-unregister", "soft-unregister", "refresh"),
                *("refresh", "soft-unregister", "soft-unregister"),
                "unregister",
            ],
            [verb for _, verb, _ in told("soft_delete", "instance.update")],
        )

    def test_a_forced_delete_of_a_lost_compute_is_told_by_the_update(self):
        gone = [e for e in events_of("compute_down") if e.verb == "unregister"]
        ended = {e.instance_uuid for e in gone if "delete" in e.event_type}
        self.assertEqual(
            ["instance.update"],
            [e.event_type for e in gone if e.instance_uuid not in ended],
        )

    def test_a_live_migration_never_tells_the_old_host_after_the_new(self):
        hosts = [host for _, _, host in told("live_migrate")]
        self.assertEqual(sorted(hosts), hosts)
        self.assertEqual(
            [("instance.live_migration_post_dest.end", "refresh", "pocket2")],
            told(
                "live_migrate",
                "instance.live_migration_post_dest.end",
                "instance.live_migration_post.end",
            ),
        )

    def test_a_resize_tells_the_new_host_at_its_end_and_its_confirmation(self):
        self.assertEqual(
            [
                ("instance.resize_finish.end", "refresh", "pocket2"),
                ("instance.resize_confirm.end", "refresh", "pocket2"),
            ],
            told(
                "resize",
                "instance.resize.end",
                "instance.resize_finish.end",
                "instance.resize_confirm.end",
            ),
        )

    def test_an_offloaded_instance_keeps_its_entry_without_a_host(self):
        self.assertEqual(
            [
                ("instance.shelve_offload.end", "refresh", ""),
                ("instance.unshelve.end", "refresh", "pocket1"),
                ("instance.shelve_offload.end", "refresh", ""),
            ],
            told(
                "shelve",
                "instance.shelve.end",
                "instance.shelve_offload.end",
                "instance.unshelve.end",
            ),
        )

    def test_an_interface_brings_and_takes_its_addresses(self):
        counts = [
            len(event.record.addresses)
            for event in events_of("interface")
            if "interface" in event.event_type
        ]
        self.assertEqual([2, 1], counts)

    def test_a_rebuild_tells_its_image(self):
        event = parse(
            *recordings.varied(
                "instance.rebuild.end", None, "rebuild", image_uuid="other"
            )
        )
        self.assertEqual("refresh", event.verb)
        self.assertEqual("other", event.record.image_uuid)

    def test_a_rename_is_told(self):
        names = dict.fromkeys(
            event.record.display_name for event in events_of("rename_metadata")
        )
        self.assertEqual(2, len(names))

    def test_power_is_no_concern_of_a_directory(self):
        self.assertEqual(
            {"instance.create.end", "instance.delete.end", "instance.update"},
            {event_type for event_type, _, _ in told("power")},
        )


class StatesTest(base.TestCase):
    def test_an_instance_that_was_not_launched_is_not_told(self):
        for launched_at in (None, ""):
            self.assertIsNone(
                verb(
                    "instance.update", state="active", launched_at=launched_at
                )
            )

    def test_a_state_has_the_last_word(self):
        for event_type in ("instance.create.end", "instance.update"):
            for state, expected in (
                ("deleted", "unregister"),
                ("soft-delete", "soft-unregister"),
            ):
                self.assertEqual(expected, verb(event_type, state=state))
                self.assertEqual(
                    expected, verb(event_type, state=state, launched_at=None)
                )

    def test_a_state_that_nobody_knows_leaves_the_meaning(self):
        for state in ("hibernated", None, 7, {}, ["deleted"]):
            self.assertEqual(
                "register", verb("instance.create.end", state=state)
            )

    def test_the_end_of_a_delete_that_may_have_failed_is_not_final(self):
        alive = {"terminated_at": None, "deleted_at": None}
        for changes in (
            alive | {"state": "active"},
            alive | {"state": "error", "launched_at": None},
            # deleted_at is of the soft delete that was asked for, or done.
            {"state": "soft-delete", "deleted_at": DELETED},
            {"state": "active", "deleted_at": DELETED},
            {
                "state": "building",
                "launched_at": None,
                "task_state": "soft-deleting",
                "deleted_at": DELETED,
            },
        ):
            self.assertEqual(
                "soft-unregister", verb("instance.delete.end", **changes)
            )

    def test_the_end_of_a_delete_that_is_proved_is_final(self):
        for changes in (
            {"state": "deleted"},
            {"state": "deleted", "deleted_at": None, "launched_at": None},
            {"state": "building", "deleted_at": DELETED, "launched_at": None},
        ):
            self.assertEqual(
                "unregister", verb("instance.delete.end", **changes)
            )

    def test_a_delete_that_conductor_ends_proves_it_and_the_api_does_not(self):
        self.assertEqual(
            ["unregister", "soft-unregister"],
            [
                verb
                for _, verb, _ in told("delete_at_once", "instance.delete.end")
            ][:2],
        )


class UnversionedTest(base.TestCase):
    def test_an_unversioned_boot_registers_the_whole_record(self):
        event = parse(
            *recordings.notification(
                recordings.UNVERSIONED, "compute.instance.create.end"
            )
        )
        self.assertEqual(
            events.Event(
                message_id="7afb08f1-aa66-499a-9f57-ef1214490d4d",
                event_type="compute.instance.create.end",
                verb=events.Verb.REGISTER,
                occurred_at=1795340669.66439,
                request_id="req-0bfda0ee-a59c-4e59-8c6e-5dd95c3767cf",
                record=events.HostRecord(
                    instance_uuid="11699d3d-6508-4206-8618-63c3024afd10",
                    display_name="alice1",
                    host_name="alice1",
                    project_id="e58879fe0e46412592064a89280ee587",
                    project_name="demo",
                    user_id="889e4a3aea8c4905a3affb97b24385e7",
                    user_name="alice",
                    image_uuid="d3728724-6162-4ea8-b204-1bcad3a3adcd",
                    flavor_name="m1.tiny",
                    availability_zone="nova",
                    compute_host="pocket1",
                    created_at="2026-11-22T09:44:27Z",
                    launched_at="2026-11-22T09:44:29Z",
                    addresses=(
                        events.Address(
                            "10.77.2.243", "fa:16:3e:f2:3c:a0", "private"
                        ),
                    ),
                ),
            ),
            event,
        )

    def test_both_formats_fill_the_same_fields_of_a_boot_and_a_delete(self):
        for event_type in ("instance.create.end", "instance.delete.end"):
            versioned = parse(*recordings.varied(event_type))
            unversioned = parse(
                *recordings.varied(
                    f"compute.{event_type}", None, recordings.UNVERSIONED
                )
            )
            self.assertEqual(versioned.verb, unversioned.verb)
            for name in events.HostRecord.__slots__:
                if name == "addresses" and unversioned.verb.removes:
                    continue
                one = getattr(versioned.record, name)
                other = getattr(unversioned.record, name)
                self.assertEqual(bool(one), bool(other), name)
                if name not in ("display_name", "host_name"):
                    self.assertEqual(shape(one), shape(other), name)

    def test_an_unversioned_update_does_not_speak_of_addresses(self):
        event = parse(
            *unversioned(
                "instance.update", launched_at="2026-11-22T09:44:29.000000"
            )
        )
        self.assertEqual("refresh", event.verb)
        self.assertIsNone(event.record.addresses)

    def test_an_unversioned_instance_that_was_not_launched_is_not_told(self):
        self.assertIsNone(
            parse(
                *recordings.notification(
                    recordings.UNVERSIONED, "compute.instance.update"
                )
            )
        )

    def test_the_image_is_the_instances_own_and_not_the_one_below_it(self):
        for url, expected in (
            ("http://glance/images/snapshot", "snapshot"),
            ("snapshot", "snapshot"),
            ("http://glance/images/", ""),
            ("http://glance/images/None", ""),
            (None, "base"),
        ):
            event = parse(
                *unversioned(
                    image_ref_url=url, image_meta={"base_image_ref": "base"}
                )
            )
            self.assertEqual(expected, event.record.image_uuid)

    def test_a_forced_delete_is_told_where_nova_tells_it(self):
        ctxt, message = unversioned("instance.delete.end")
        message["event_type"] = "compute.instance.force_delete.end"
        self.assertEqual("unregister", parse(ctxt, message).verb)

    def test_an_unversioned_time_that_is_none_is_empty(self):
        complaints = []
        ctxt, message = unversioned(created_at="None")
        event = payloads.parse(ctxt, message, complaints.append)
        self.assertEqual(("", []), (event.record.created_at, complaints))

    def test_malformed_unversioned_values_are_left_out_and_said(self):
        for name, value in (
            ("fixed_ips", "10.0.0.1"),
            ("fixed_ips", ["10.0.0.1"]),
            ("fixed_ips", [{"address": 7}]),
            ("instance_type", {}),
            ("created_at", "yesterday"),
            ("hostname", 7),
        ):
            complaints = []
            ctxt, message = unversioned(**{name: value})
            self.assertIsNotNone(
                payloads.parse(ctxt, message, complaints.append)
            )
            self.assertGreater(len(complaints), 0, name)

    def test_an_unversioned_payload_of_any_other_shape_is_refused(self):
        for payload in (None, [], "x", 7, {}, {"instance_id": "x"}):
            ctxt, message = unversioned()
            message["payload"] = payload
            self.assertRaises(payloads.Unreadable, parse, ctxt, message)


def shape(value):
    """Return a text with every letter and digit made equal."""
    return re.sub(r"[0-9a-f]+", "x", str(value)) if value else value


class TableTest(base.TestCase):
    def test_what_is_ignored_or_unknown_does_not_concern_us(self):
        for event_type in (
            "instance.power_on.end",
            "instance.create.error",
            "instance.delete.start",
            "instance.exists",
            "instance.hibernate.end",
            "compute.instance.hibernate.end",
            "scheduler.select_destinations.end",
        ):
            self.assertFalse(payloads.concerns(event_type), event_type)
            self.assertIsNone(parse({}, {"event_type": event_type}))

    def test_what_means_something_concerns_us_in_both_formats(self):
        for event_type, meaning in event_types.EVENT_TYPES.items():
            self.assertEqual(
                bool(meaning.verb), payloads.concerns(event_type), event_type
            )
            if meaning.twin:
                twin = event_types.EVENT_TYPES[meaning.twin]
                self.assertEqual(
                    (twin.verb, twin.reason), (meaning.verb, meaning.reason)
                )

    def test_unversioned_types_are_known_by_their_name(self):
        for event_type in (
            "compute.instance.create.end",
            "compute.instance.hibernate.end",
            "compute_task.build_instances",
        ):
            self.assertTrue(payloads.is_unversioned(event_type))
        for event_type in (
            "instance.create.end",
            "compute_task.build_instances.error",
            "scheduler.select_destinations.end",
        ):
            self.assertFalse(payloads.is_unversioned(event_type))

    def test_no_start_and_no_error_means_anything(self):
        for event_type, meaning in event_types.EVENT_TYPES.items():
            if event_type.endswith((".start", ".error")):
                self.assertIsNone(meaning.verb, event_type)

    def test_what_is_read_has_a_payload_of_a_known_version(self):
        for event_type, meaning in event_types.EVENT_TYPES.items():
            self.assertEqual(
                bool(meaning.verb and not meaning.unversioned),
                bool(meaning.payload),
                event_type,
            )


class DocumentTest(base.TestCase):
    def test_the_operators_table_is_the_one_that_is_used(self):
        text = DOC.read_text()
        for name, block in (
            ("read", read_table()),
            ("ignored", ignored_table()),
            ("unversioned", unversioned_table()),
        ):
            start = f".. the table of what is {name}\n\n"
            end = f"\n.. end of what is {name}\n"
            self.assertIn(start, text)
            shown = text.partition(start)[2].partition(end)[0]
            self.assertEqual(block, shown, f"write this instead:\n{block}")


def list_table(*rows):
    """Write a list-table of rows of cells, a cell being a list of lines."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        mark = "* -"
        for cell in row:
            for line in cell:
                lines.append(f"   {mark} {line}")
                mark = "   "
            mark = "  -"
    return "\n".join(lines) + "\n"


def quoted(event_type):
    return f"``{event_type}``" if event_type else "none"


def names(event_types):
    return [f"| {quoted(event_type)}" for event_type in event_types]


def unversioned_names(versioned):
    return [
        event_type
        for event_type, meaning in event_types.EVENT_TYPES.items()
        if meaning.twin == versioned
    ]


def read_table():
    rows = [[["event"], ["unversioned event"], ["meaning"], ["payload"]]]
    for event_type, meaning in event_types.EVENT_TYPES.items():
        if not meaning.verb or meaning.twin:
            continue
        if meaning.unversioned:
            versioned, unversioned, payload = "", [event_type], "unversioned"
        else:
            versioned, unversioned = event_type, unversioned_names(event_type)
            majors = " or ".join(meaning.majors)
            payload = f"``{meaning.payload}`` {majors}"
        rows.append(
            [
                [quoted(versioned)],
                names(unversioned) if unversioned else ["none"],
                [f"{meaning.verb}: {meaning.reason}"],
                [payload],
            ]
        )
    return list_table(*rows)


def ignored_table():
    reasons = {}
    for event_type, meaning in event_types.EVENT_TYPES.items():
        if not meaning.verb and not meaning.twin:
            reasons.setdefault(meaning.reason, []).append(event_type)
    return list_table(
        [["reason"], ["events"]],
        *([[reason], names(found)] for reason, found in reasons.items()),
    )


def unversioned_table():
    return list_table(
        [["unversioned event"], ["event"]],
        *(
            [[quoted(event_type)], [quoted(meaning.twin)]]
            for event_type, meaning in event_types.EVENT_TYPES.items()
            if meaning.twin and event_type != f"compute.{meaning.twin}"
        ),
    )
