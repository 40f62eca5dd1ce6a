# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The types of notification that Nova sends about an instance.

The versioned types are those of ``nova/notifications/objects``, the legacy
ones those of ``nova/rpc.py``. A test holds the table against Nova itself.
"""

import dataclasses
import types
from collections.abc import Iterator, Mapping

from nova_dirsvc_plugin import events


@dataclasses.dataclass(frozen=True, slots=True)
class EventType:
    """A type of notification, and what it asks for.

    :ivar verb: None when there is nothing to do; what the payload says of
        the instance's state may change it
    :ivar reason: in a few words, for the operator
    :ivar payload: the name of the versioned object that is read
    :ivar majors: its major versions that are understood
    :ivar twin: of a legacy type the versioned one, if there is one
    :ivar legacy: it is an unversioned notification
    :ivar until: the last release of Nova that sends it, if not today's
    """

    verb: events.Verb | None
    reason: str
    payload: str = ""
    majors: tuple[str, ...] = ("1",)
    twin: str = ""
    legacy: bool = False
    until: str = ""


_READ = {
    "instance.create.end": EventType(
        events.Verb.REGISTER, "launched", "InstanceCreatePayload"
    ),
    # 2.0 (Nova 25) dropped `bandwidth`, which nobody reads here.
    "instance.update": EventType(
        events.Verb.REFRESH,
        "name, state or host changed",
        "InstanceUpdatePayload",
        ("1", "2"),
    ),
    "instance.interface_attach.end": EventType(
        events.Verb.REFRESH, "addresses changed", "InstanceActionPayload"
    ),
    "instance.interface_detach.end": EventType(
        events.Verb.REFRESH, "addresses changed", "InstanceActionPayload"
    ),
    # After an evacuation it names the old host; an update follows.
    "instance.rebuild.end": EventType(
        events.Verb.REFRESH, "image changed", "InstanceActionRebuildPayload"
    ),
    "instance.resize_finish.end": EventType(
        events.Verb.REFRESH, "flavor and host changed", "InstanceActionPayload"
    ),
    "instance.resize_confirm.end": EventType(
        events.Verb.REFRESH, "flavor and host stay", "InstanceActionPayload"
    ),
    "instance.resize_revert.end": EventType(
        events.Verb.REFRESH,
        "flavor and host are back",
        "InstanceActionPayload",
    ),
    "instance.live_migration_post_dest.end": EventType(
        events.Verb.REFRESH, "host changed", "InstanceActionPayload"
    ),
    "instance.shelve_offload.end": EventType(
        events.Verb.REFRESH, "on no host", "InstanceActionPayload"
    ),
    "instance.unshelve.end": EventType(
        events.Verb.REFRESH, "on a host again", "InstanceActionPayload"
    ),
    "instance.restore.end": EventType(
        events.Verb.RESTORE, "soft delete undone", "InstanceActionPayload"
    ),
    "instance.soft_delete.end": EventType(
        events.Verb.SOFT_UNREGISTER, "may be restored", "InstanceActionPayload"
    ),
    "instance.delete.end": EventType(
        events.Verb.UNREGISTER, "deleted", "InstanceActionPayload"
    ),
}

#: Reason why nothing is done -> types. A failed create may be tried on another
#: host; a failed delete leaves the instance.
_IGNORED = {
    "not final": """
        instance.create.error
        instance.create.start
        instance.delete.start
        instance.evacuate
        instance.interface_attach.start
        instance.interface_detach.start
        instance.live_migration_abort.end
        instance.live_migration_abort.start
        instance.live_migration_force_complete.end
        instance.live_migration_force_complete.start
        instance.live_migration_post_dest.start
        instance.live_migration_pre.end
        instance.live_migration_pre.start
        instance.rebuild.start
        instance.rebuild_scheduled
        instance.resize.start
        instance.resize_confirm.start
        instance.resize_finish.start
        instance.resize_prep.end
        instance.resize_prep.start
        instance.resize_revert.start
        instance.restore.start
        instance.shelve_offload.start
        instance.soft_delete.start
        instance.unshelve.start
        """,
    "the destination tells": """
        instance.live_migration_post.end
        instance.live_migration_post.start
        instance.resize.end
        """,
    "no addresses, but alive": """
        instance.shutdown.end
        instance.shutdown.start
        """,
    "periodic, may be stale": """
        instance.exists
        """,
    "an update tells": """
        compute_task.build_instances.error
        compute_task.migrate_server.error
        compute_task.rebuild_server.error
        instance.rebuild.error
        instance.resize.error
        """,
    "no change": """
        instance.interface_attach.error
        instance.live_migration_rollback.end
        instance.live_migration_rollback.start
        instance.live_migration_rollback_dest.end
        instance.live_migration_rollback_dest.start
        instance.lock
        instance.pause.end
        instance.pause.start
        instance.power_off.end
        instance.power_off.start
        instance.power_on.end
        instance.power_on.start
        instance.reboot.end
        instance.reboot.error
        instance.reboot.start
        instance.rescue.end
        instance.rescue.start
        instance.resume.end
        instance.resume.start
        instance.share_attach.end
        instance.share_attach.error
        instance.share_attach.start
        instance.share_detach.end
        instance.share_detach.error
        instance.share_detach.start
        instance.shelve.end
        instance.shelve.start
        instance.snapshot.end
        instance.snapshot.start
        instance.suspend.end
        instance.suspend.start
        instance.trigger_crash_dump.end
        instance.trigger_crash_dump.start
        instance.unlock
        instance.unpause.end
        instance.unpause.start
        instance.unrescue.end
        instance.unrescue.start
        instance.volume_attach.end
        instance.volume_attach.error
        instance.volume_attach.start
        instance.volume_detach.end
        instance.volume_detach.start
        instance.volume_swap.end
        instance.volume_swap.error
        instance.volume_swap.start
        """,
}

#: Legacy type -> the versioned one of another name that means the same.
_RENAMED = {
    "compute.instance.finish_resize.end": "instance.resize_finish.end",
    "compute.instance.finish_resize.start": "instance.resize_finish.start",
    # Forced deletes have no versioned type.
    "compute.instance.force_delete.end": "instance.delete.end",
    "compute.instance.force_delete.start": "instance.delete.start",
    "compute.instance.live.migration.abort.end": (
        "instance.live_migration_abort.end"
    ),
    "compute.instance.live.migration.abort.start": (
        "instance.live_migration_abort.start"
    ),
    "compute.instance.live.migration.force.complete.end": (
        "instance.live_migration_force_complete.end"
    ),
    "compute.instance.live.migration.force.complete.start": (
        "instance.live_migration_force_complete.start"
    ),
    "compute.instance.live_migration._post.end": (
        "instance.live_migration_post.end"
    ),
    "compute.instance.live_migration._post.start": (
        "instance.live_migration_post.start"
    ),
    "compute.instance.live_migration._rollback.end": (
        "instance.live_migration_rollback.end"
    ),
    "compute.instance.live_migration._rollback.start": (
        "instance.live_migration_rollback.start"
    ),
    "compute.instance.live_migration.post.dest.end": (
        "instance.live_migration_post_dest.end"
    ),
    "compute.instance.live_migration.post.dest.start": (
        "instance.live_migration_post_dest.start"
    ),
    "compute.instance.live_migration.pre.end": (
        "instance.live_migration_pre.end"
    ),
    "compute.instance.live_migration.pre.start": (
        "instance.live_migration_pre.start"
    ),
    "compute.instance.live_migration.rollback.dest.end": (
        "instance.live_migration_rollback_dest.end"
    ),
    "compute.instance.live_migration.rollback.dest.start": (
        "instance.live_migration_rollback_dest.start"
    ),
    "compute.instance.rebuild.scheduled": "instance.rebuild_scheduled",
    "compute.instance.resize.confirm.end": "instance.resize_confirm.end",
    "compute.instance.resize.confirm.start": "instance.resize_confirm.start",
    "compute.instance.resize.prep.end": "instance.resize_prep.end",
    "compute.instance.resize.prep.start": "instance.resize_prep.start",
    "compute.instance.resize.revert.end": "instance.resize_revert.end",
    "compute.instance.resize.revert.start": "instance.resize_revert.start",
    "compute.instance.volume.attach": "instance.volume_attach.end",
    "compute.instance.volume.detach": "instance.volume_detach.end",
    "compute_task.build_instances": "compute_task.build_instances.error",
    "compute_task.migrate_server": "compute_task.migrate_server.error",
    "compute_task.rebuild_server": "compute_task.rebuild_server.error",
}

#: Versioned types that have no legacy one, neither renamed nor prefixed.
_VERSIONED_ONLY = (
    "compute_task.",
    "instance.interface_",
    "instance.lock",
    "instance.share_",
    "instance.unlock",
    "instance.volume_",
)

#: Legacy types that have no versioned one (``addFixedIp`` of the servers'
#: actions, up to microversion 2.43).
_LEGACY_ONLY = {
    "compute.instance.create_ip.end": EventType(
        events.Verb.REFRESH, "addresses changed", legacy=True
    ),
    "compute.instance.create_ip.start": EventType(
        None, "not final", legacy=True
    ),
    "compute.instance.delete_ip.end": EventType(
        events.Verb.REFRESH, "addresses changed", legacy=True
    ),
    "compute.instance.delete_ip.start": EventType(
        None, "not final", legacy=True
    ),
}


def _versioned() -> Iterator[tuple[str, EventType]]:
    yield from _READ.items()
    for reason, event_types in _IGNORED.items():
        for event_type in event_types.split():
            yield event_type, EventType(None, reason)


def _legacy(
    versioned: Mapping[str, EventType],
) -> Iterator[tuple[str, EventType]]:
    renamed = set(_RENAMED.values()) - {
        "instance.delete.end",
        "instance.delete.start",
    }
    twins = dict(_RENAMED)
    for event_type in versioned:
        if event_type in renamed or event_type.startswith(_VERSIONED_ONLY):
            continue
        twins[f"compute.{event_type}"] = event_type
    for event_type, twin in twins.items():
        known = versioned[twin]
        yield (
            event_type,
            EventType(known.verb, known.reason, twin=twin, legacy=True),
        )
    yield from _LEGACY_ONLY.items()


def _table() -> Mapping[str, EventType]:
    versioned = dict(_versioned())
    return types.MappingProxyType(
        {**versioned, **dict(_legacy(versioned))},
    )


#: Name -> type. A type that is not here is ignored.
EVENT_TYPES: Mapping[str, EventType] = _table()
