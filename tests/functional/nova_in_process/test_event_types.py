# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The table of meanings, held against the Nova that is installed.

A type that a newer Nova sends and the table does not name is ignored in
production: these tests are what finds it.
"""

import ast
import pathlib
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import fixtures
import nova
from nova import rpc
from nova.notifications.objects import compute_task, instance
from nova.objects import fields
from oslotest import base

from nova_dirsvc_plugin.notifications import event_types, parked, parse
from tests.functional.nova_in_process import cloud

SOURCES = pathlib.Path(nova.__file__).parent

#: How types begin that older releases of Nova do not send -> the first
#: release that does.
SINCE = {"instance.share_": 31}

#: Versioned and unversioned types that are about an instance.
VERSIONED = ("instance.", "compute_task.")
UNVERSIONED = ("compute.instance.", "compute_task.")


class TestEventTypes(base.BaseTestCase):
    def test_every_versioned_type_that_nova_documents_is_in_the_table(self):
        self.hold(set(documented()), unversioned=False)

    def test_every_versioned_type_that_nova_asks_for_is_in_the_table(self):
        found = set(asked_for())
        self.assertIn("instance.live_migration_post_dest.end", found)
        self.assertEqual(set(), found - table(unversioned=False))

    def test_every_unversioned_type_that_nova_allows_is_in_the_table(self):
        notifier = rpc.LegacyValidatingNotifier
        allowed = {
            event_type
            for event_type in notifier.allowed_legacy_notification_event_types
            if event_type.startswith(UNVERSIONED)
        }
        # Nova logs a warning about what is not on its list, and sends it.
        forced = set(forced_deletes())
        self.assertIn("compute.instance.force_delete.end", forced)
        self.hold(allowed | forced, unversioned=True)

    def test_every_unversioned_type_that_nova_asks_for_is_in_the_table(self):
        found = set(asked_for_in_unversioned())
        self.assertIn("compute.instance.live_migration._post.end", found)
        self.assertEqual(set(), found - table(unversioned=True))

    def test_every_payload_that_is_read_is_of_a_known_version(self):
        for event_type, meaning in event_types.EVENT_TYPES.items():
            if meaning.payload:
                version = getattr(instance, meaning.payload).VERSION
                self.assertIn(
                    version.partition(".")[0], meaning.majors, event_type
                )

    def test_every_field_that_is_read_is_there(self):
        read = {*parked.VERSIONED_KEYS, "flavor", "ip_addresses"}
        for event_type, meaning in event_types.EVENT_TYPES.items():
            if meaning.payload:
                there = getattr(instance, meaning.payload).fields
                self.assertEqual(set(), read - set(there), event_type)

    def test_the_states_that_have_the_last_word_are_novas(self):
        self.assertEqual("deleted", fields.InstanceState.DELETED)
        self.assertEqual("soft-delete", fields.InstanceState.SOFT_DELETED)
        self.assertEqual(
            "soft-deleting", fields.InstanceTaskState.SOFT_DELETING
        )

    def hold(self, sent: set[str], *, unversioned: bool) -> None:
        """Compare what Nova can send with the table, either way."""
        release = int(metadata.version("nova").partition(".")[0])
        newer = tuple(name for name, at in SINCE.items() if release < at)
        named = table(unversioned=unversioned)
        self.assertEqual(set(), sent - named, "Nova sends, the table lacks")
        self.assertEqual(
            set(),
            {name for name in named - sent if not name.startswith(newer)},
            "the table names, Nova does not send",
        )


class TestBothFormatsSaySame(cloud.NovaTestCase):
    NOTIFICATION_FORMAT = "both"

    def prepare(self) -> None:
        """Keep what a driver is given, instead of storing it."""
        self.told: list[tuple[Any, Any]] = []

        def notify(_: object, ctxt: Any, message: Any, *more: Any) -> None:
            self.told.append((ctxt, message))

        self.useFixture(
            fixtures.MonkeyPatch(
                "nova_dirsvc_plugin.sources.notification_driver.OutboxDriver.notify",
                notify,
            )
        )

    def test_a_boot_and_a_delete_give_the_same_record(self):
        self.delete(self.boot())

        for event_type in ("instance.create.end", "instance.delete.end"):
            versioned = self.event(event_type)
            unversioned = self.event(f"compute.{event_type}")

            self.assertEqual(versioned.verb, unversioned.verb)
            self.assertEqual(versioned.request_id, unversioned.request_id)
            self.assertEqual(
                versioned.record,
                unversioned.record.completed(versioned.record),
            )
            if not versioned.verb.removes:
                self.assertEqual(versioned.record, unversioned.record)

    def event(self, event_type: str) -> Any:
        """Return what the one notification of a type was read as."""
        read = {
            message["message_id"]: parse.parse(ctxt, message, self.fail)
            for ctxt, message in list(self.told)
            if message["event_type"] == event_type
        }
        [event] = read.values()
        return event


def table(*, unversioned: bool) -> set[str]:
    return {
        event_type
        for event_type, meaning in event_types.EVENT_TYPES.items()
        if meaning.unversioned is unversioned
    }


def documented() -> Iterator[str]:
    """Yield the types of Nova's samples of notifications.

    A sample may be of a variation (``power_on_share``), which is no type.
    """
    for module in (instance, compute_task):
        for thing in vars(module).values():
            for sample in getattr(thing, "samples", ()):
                event_type = sample.removesuffix(".json").replace("-", ".")
                _, action, *_ = event_type.split(".")
                # compute_task-build_instances-error.json
                if action in fields.NotificationAction.ALL:
                    yield event_type


def asked_for() -> Iterator[str]:
    """Yield the versioned types that Nova's source names by constants."""
    for call in calls("notify_about_instance_action"):
        said = {keyword.arg: keyword.value for keyword in call.keywords}
        match said.get("action"), said.get("phase"):
            case ast.Attribute(attr=action), None:
                yield f"instance.{value(fields.NotificationAction, action)}"
            case ast.Attribute(attr=action), ast.Attribute(attr=phase):
                yield (
                    f"instance.{value(fields.NotificationAction, action)}"
                    f".{value(fields.NotificationPhase, phase)}"
                )


def value(names: type, name: str) -> str:
    return getattr(names, name)


def asked_for_in_unversioned() -> Iterator[str]:
    """Yield the unversioned types that Nova's source names by constants."""
    for name in (
        "notify_about_instance_usage",
        "_notify_about_instance_usage",
    ):
        for call in calls(name):
            for argument in call.args:
                match argument:
                    case ast.Constant(value=str(suffix)):
                        yield f"compute.instance.{suffix}"


def forced_deletes() -> Iterator[str]:
    """Return the unversioned types of each kind of delete in nova-api."""
    for call in calls("_delete"):
        match call.args:
            case [_, _, ast.Constant(value=str(kind)), *_]:
                yield f"compute.instance.{kind}.start"
                yield f"compute.instance.{kind}.end"


def calls(wanted: str) -> Iterator[ast.Call]:
    """Yield all calls in Nova of a function or method of a name."""
    for part in ("compute", "conductor"):
        for path in (SOURCES / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Name(id=name) | ast.Attribute(attr=name)
                    ) if name == wanted:
                        yield node
