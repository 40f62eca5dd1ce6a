# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Parses a notification of Nova into an event. Pure.

The type of the notification says what it asks for
(:mod:`nova_dirsvc_plugin.notifications.event_types`); its payload may change
that: an instance has a host entry as long as it has been launched and is
neither deleted nor soft-deleted.

The payload classes are Nova's ``nova/notifications/objects/instance.py``; a
new minor version adds fields only, so any minor is read.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import event_types, unversioned, values

_CONCERNING = frozenset(
    event_type
    for event_type, known in event_types.EVENT_TYPES.items()
    if known.verb
)
_UNVERSIONED = frozenset(
    event_type
    for event_type, known in event_types.EVENT_TYPES.items()
    if known.unversioned
)

#: Nova's ``vm_state`` of an instance that is gone, and of one that waits.
_DELETED = "deleted"
_SOFT_DELETED = "soft-delete"


class Unreadable(ValueError):
    """A notification that concerns us and cannot be understood.

    :ivar instance_uuid: the instance, when at least that could be read
    """

    def __init__(self, reason: str, instance_uuid: str = "") -> None:
        super().__init__(reason)
        self.instance_uuid = instance_uuid


def concerns(event_type: object) -> TypeGuard[str]:
    """Return whether notifications of a type can ask for anything.

    An unknown type, of a newer Nova, does not.
    """
    return isinstance(event_type, str) and event_type in _CONCERNING


def is_unversioned(event_type: object) -> bool:
    """Return whether a type is of Nova's unversioned notifications."""
    return isinstance(event_type, str) and (
        event_type in _UNVERSIONED
        or event_type.startswith("compute.instance.")
    )


def parse(
    ctxt: Mapping[str, Any], message: Mapping[str, Any], warn: values.Warn
) -> events.Event | None:
    """Parse one notification, versioned or not.

    :param ctxt: the request context as a dict, redacted or not: only names
        and ids are read
    :param message: ``message_id``, ``event_type``, ``timestamp``, ``payload``
    :param warn: called with a sentence for each value that is left out
    :returns: the event, or None where it asks for nothing
    :raises Unreadable: it is one, but of an unknown version or malformed
    """
    event_type = message.get("event_type")
    if not concerns(event_type):
        return None
    known = event_types.EVENT_TYPES[event_type]
    payload = message.get("payload")
    data = (
        _unversioned_data(ctxt, payload)
        if known.unversioned
        else _versioned_data(payload, known)
    )
    instance_uuid = _instance_uuid(data)
    verb = _verb(known, data)
    if verb is None:
        return None
    reader = values.PayloadReader(data, warn)
    return events.Event(
        message_id=_message_id(message, instance_uuid),
        event_type=event_type,
        verb=verb,
        occurred_at=_occurred_at(message, warn),
        request_id=reader.storable_text("request_id"),
        record=_record(ctxt, reader, instance_uuid, verb),
    )


def _versioned_data(
    payload: object, known: event_types.EventType
) -> Mapping[str, Any]:
    data = values.unwrap(payload)
    if data is None:
        raise Unreadable("the payload is not a versioned object")
    assert isinstance(payload, Mapping)  # noqa: S101 - unwrap saw to it
    name = payload.get("nova_object.name")
    if name != known.payload:
        raise Unreadable(
            f"the payload is {values.for_log(name)}, not {known.payload}",
            values.canonical_uuid(data.get("uuid")),
        )
    version = payload.get("nova_object.version")
    if str(version).partition(".")[0] not in known.majors:
        understood = " and ".join(f"{major}.x" for major in known.majors)
        raise Unreadable(
            f"{name} {values.for_log(version)}:"
            f" only version {understood} is understood",
            values.canonical_uuid(data.get("uuid")),
        )
    return data


def _unversioned_data(
    ctxt: Mapping[str, Any], payload: object
) -> Mapping[str, Any]:
    if not isinstance(payload, Mapping):
        raise Unreadable("the payload is not an unversioned one")
    return unversioned.as_versioned(ctxt, payload)


def _instance_uuid(data: Mapping[str, Any]) -> str:
    value = data.get("uuid")
    instance_uuid = values.canonical_uuid(value)
    if not instance_uuid:
        raise Unreadable(f"uuid is {values.for_log(value)}, not a UUID")
    return instance_uuid


def _verb(
    known: event_types.EventType, data: Mapping[str, Any]
) -> events.Verb | None:
    """Return what a payload asks for, by the state of the instance.

    :returns: None for an instance that is not launched yet
    """
    state = data.get("state")
    if state == _DELETED:
        return events.Verb.UNREGISTER
    if known.verb is events.Verb.UNREGISTER:
        return (
            events.Verb.UNREGISTER
            if _is_destroyed(data)
            else events.Verb.SOFT_UNREGISTER
        )
    if state == _SOFT_DELETED:
        return events.Verb.SOFT_UNREGISTER
    if known.verb is events.Verb.SOFT_UNREGISTER:
        return known.verb
    if "launched_at" in data and not data["launched_at"]:
        return None
    return known.verb


def _is_destroyed(data: Mapping[str, Any]) -> bool:
    """Return whether the end of a delete without that state proves it.

    Nova's API sends ``delete.end`` when the delete has failed, too. A build
    that was aborted is destroyed without a change of its state. The request
    for a soft delete sets ``deleted_at`` before anything is done, and it
    stays when that fails, so of an instance that was launched it proves
    nothing.
    """
    return bool(
        data.get("deleted_at")
        and not data.get("launched_at")
        and data.get("state") != _SOFT_DELETED
        and data.get("task_state") != "soft-deleting"
    )


def _message_id(message: Mapping[str, Any], instance_uuid: str) -> str:
    message_id = message.get("message_id")
    if not isinstance(message_id, str) or not message_id:
        raise Unreadable("message_id is missing", instance_uuid)
    if not values.storable(message_id):
        raise Unreadable("message_id is no Unicode text", instance_uuid)
    return message_id


def _record(
    ctxt: Mapping[str, Any],
    reader: values.PayloadReader,
    instance_uuid: str,
    verb: events.Verb,
) -> events.HostRecord:
    user_id, project_id = reader.text("user_id"), reader.text("tenant_id")
    user_name, project_name = _owner_names(ctxt, user_id, project_id)
    # Later requests may be somebody else's.
    is_create = verb is events.Verb.REGISTER
    remote_address = ctxt.get("remote_address") if is_create else None
    return events.HostRecord(
        instance_uuid=instance_uuid,
        display_name=reader.text("display_name"),
        host_name=reader.text("host_name"),
        project_id=project_id,
        project_name=project_name,
        user_id=user_id,
        user_name=user_name,
        user_remote_address=values.remote_address(remote_address),
        image_uuid=reader.text("image_uuid"),
        flavor_name=reader.flavor_name(),
        availability_zone=reader.text("availability_zone"),
        compute_host=reader.text("host"),
        created_at=reader.time("created_at"),
        launched_at=reader.time("launched_at"),
        addresses=reader.addresses(),
    )


def _owner_names(
    ctxt: Mapping[str, Any], user_id: str, project_id: str
) -> tuple[str, str]:
    """Return user and project by name, where the context names the owner.

    A context names who *acts*: when an admin deletes alice's instance, it
    names the admin, who is not the owner.
    """
    by_owner = user_id and user_id == ctxt.get("user_id")
    in_project = project_id and project_id == ctxt.get("project_id")
    return (
        _text(ctxt.get("user_name")) if by_owner else "",
        _text(ctxt.get("project_name")) if in_project else "",
    )


def _occurred_at(message: Mapping[str, Any], warn: values.Warn) -> float:
    """Read oslo.messaging's own stamp: naive, UTC, a blank for the T."""
    value = message.get("timestamp")
    try:
        return values.moment(str(value)).timestamp()
    except (ValueError, OverflowError):
        warn(f"timestamp {values.for_log(value)} is not a time")
        return 0.0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
