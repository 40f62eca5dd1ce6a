# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The types of notification that Nova sends about an instance.

The versioned types are those of ``nova/notifications/objects``, the
unversioned ones those of ``nova/rpc.py``. A test holds the table against Nova
itself.
"""

import dataclasses
import types
from collections.abc import Mapping

from nova_dirsvc_plugin import events


@dataclasses.dataclass(frozen=True, slots=True)
class EventType:
    """A type of notification, and the verb that follows from it.

    :ivar verb: None if the type is ignored; the state of the instance in the
        payload takes precedence
    :ivar reason: for the operator's table
    :ivar payload: the name of the versioned object that is read
    :ivar majors: its major versions that are understood
    :ivar twin: the versioned type of the same event, if this one is
        unversioned and there is one
    :ivar unversioned: whether it is an unversioned notification
    """

    verb: events.Verb | None
    reason: str
    payload: str = ""
    majors: tuple[str, ...] = ("1",)
    twin: str = ""
    unversioned: bool = False


_REFRESH = events.Verb.REFRESH


def _action(
    verb: events.Verb, reason: str, payload: str = "InstanceActionPayload"
) -> EventType:
    """Return a type whose payload is that of most actions."""
    return EventType(verb, reason, payload)


_READ = {
    "instance.create.end": _action(
        events.Verb.REGISTER, "instance launched", "InstanceCreatePayload"
    ),
    # 2.0 (Nova 25) dropped `bandwidth`, which nobody reads here.
    "instance.update": EventType(
        _REFRESH,
        "name, state or host changed",
        "InstanceUpdatePayload",
        ("1", "2"),
    ),
    "instance.interface_attach.end": _action(_REFRESH, "addresses changed"),
    "instance.interface_detach.end": _action(_REFRESH, "addresses changed"),
    # After an evacuation it names the old host; an update follows.
    "instance.rebuild.end": _action(
        _REFRESH, "image changed", "InstanceActionRebuildPayload"
    ),
    "instance.resize_finish.end": _action(_REFRESH, "flavor and host changed"),
    "instance.resize_confirm.end": _action(_REFRESH, "resize confirmed"),
    "instance.resize_revert.end": _action(_REFRESH, "resize reverted"),
    "instance.live_migration_post_dest.end": _action(_REFRESH, "host changed"),
    "instance.shelve_offload.end": _action(
        _REFRESH, "no compute host any more"
    ),
    "instance.unshelve.end": _action(_REFRESH, "compute host assigned"),
    "instance.restore.end": _action(events.Verb.RESTORE, "soft delete undone"),
    "instance.soft_delete.end": _action(
        events.Verb.SOFT_UNREGISTER, "soft-deleted"
    ),
    "instance.delete.end": _action(events.Verb.UNREGISTER, "instance deleted"),
}

#: Reason for ignoring -> types. A failed create may be tried on another host;
#: a failed delete leaves the instance.
_IGNORED = {
    "outcome not known yet": """
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
    "reported by the destination host": """
        instance.live_migration_post.end
        instance.live_migration_post.start
        instance.resize.end
        """,
    "addresses missing, instance not deleted yet": """
        instance.shutdown.end
        instance.shutdown.start
        """,
    "periodic audit, possibly out of date": """
        instance.exists
        """,
    "reported by instance.update": """
        compute_task.build_instances.error
        compute_task.migrate_server.error
        compute_task.rebuild_server.error
        instance.rebuild.error
        instance.resize.error
        """,
    "no recorded field changes": """
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

#: Unversioned action -> versioned action, where the names differ.
_RENAMED_ACTIONS = {
    "finish_resize": "resize_finish",
    # Forced deletes have no versioned type.
    "force_delete": "delete",
    "delete": "delete",
    "live.migration.abort": "live_migration_abort",
    "live.migration.force.complete": "live_migration_force_complete",
    "live_migration._post": "live_migration_post",
    "live_migration._rollback": "live_migration_rollback",
    "live_migration.post.dest": "live_migration_post_dest",
    "live_migration.pre": "live_migration_pre",
    "live_migration.rollback.dest": "live_migration_rollback_dest",
    "resize.confirm": "resize_confirm",
    "resize.prep": "resize_prep",
    "resize.revert": "resize_revert",
}

#: Unversioned type -> versioned type, where the names differ.
_RENAMED = {
    **{
        f"compute.instance.{action}.{phase}": f"instance.{versioned}.{phase}"
        for action, versioned in _RENAMED_ACTIONS.items()
        for phase in ("end", "start")
    },
    "compute.instance.rebuild.scheduled": "instance.rebuild_scheduled",
    "compute.instance.volume.attach": "instance.volume_attach.end",
    "compute.instance.volume.detach": "instance.volume_detach.end",
    "compute_task.build_instances": "compute_task.build_instances.error",
    "compute_task.migrate_server": "compute_task.migrate_server.error",
    "compute_task.rebuild_server": "compute_task.rebuild_server.error",
}

#: Prefixes of the other versioned types that have no unversioned type.
_VERSIONED_ONLY = (
    "instance.interface_",
    "instance.lock",
    "instance.share_",
    "instance.unlock",
    "instance.volume_",
)

#: Unversioned types that have no versioned type (the server actions
#: ``addFixedIp`` and ``removeFixedIp``, up to microversion 2.43).
_UNVERSIONED_ONLY = {
    f"compute.instance.{action}.{phase}": EventType(
        verb, reason, unversioned=True
    )
    for action in ("create_ip", "delete_ip")
    for phase, verb, reason in (
        ("end", _REFRESH, "addresses changed"),
        ("start", None, "outcome not known yet"),
    )
}


def _table() -> dict[str, EventType]:
    versioned = _READ | {
        name: EventType(None, reason)
        for reason, names in _IGNORED.items()
        for name in names.split()
    }
    twins = _RENAMED | {
        f"compute.{name}": name
        for name in versioned
        if name not in _RENAMED.values()
        and not name.startswith(_VERSIONED_ONLY)
    }
    unversioned = {
        name: EventType(
            versioned[twin].verb,
            versioned[twin].reason,
            twin=twin,
            unversioned=True,
        )
        for name, twin in twins.items()
    }
    return versioned | unversioned | _UNVERSIONED_ONLY


#: Name -> type. A type that is not in the table is ignored.
EVENT_TYPES: Mapping[str, EventType] = types.MappingProxyType(_table())
