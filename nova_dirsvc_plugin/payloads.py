# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What each of Nova's notifications means for a directory.

Pure: a notification in, an event out. The payload classes are Nova's
``nova/notifications/objects/instance.py``; a new minor version adds fields
only, so any minor is read (``doc/source/notifications.rst``).
"""

import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from nova_dirsvc_plugin import events

#: Event type -> (what it means, payload object, major version that is read).
#: ``instance.delete.start`` is no reason to unregister: the delete may fail.
MEANINGS: Mapping[str, tuple[events.Verb, str, str]] = {
    "instance.create.end": (
        events.Verb.REGISTER,
        "InstanceCreatePayload",
        "1",
    ),
    "instance.delete.end": (
        events.Verb.UNREGISTER,
        "InstanceActionPayload",
        "1",
    ),
}

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

Complain = Callable[[str], None]


class Unreadable(ValueError):
    """A notification that concerns us and cannot be understood.

    :ivar instance_uuid: the instance, when at least that could be read
    """

    def __init__(self, reason: str, instance_uuid: str = "") -> None:
        super().__init__(reason)
        self.instance_uuid = instance_uuid


def parse(
    ctxt: Mapping[str, Any], message: Mapping[str, Any], complain: Complain
) -> events.Event | None:
    """Understand one versioned notification.

    :param ctxt: the request context as a dict, redacted or not: only names
        and ids are read
    :param message: ``message_id``, ``event_type``, ``timestamp``, ``payload``
    :param complain: told in a sentence of each value that had to be left out
    :returns: the event, or None when this is no event for a directory
    :raises Unreadable: it is one, but of an unknown version or malformed
    """
    event_type = message.get("event_type")
    if not isinstance(event_type, str) or event_type not in MEANINGS:
        return None
    verb, object_name, major = MEANINGS[event_type]
    data = _payload_data(message.get("payload"), object_name, major)
    return events.Event(
        message_id=_message_id(message, data),
        event_type=event_type,
        verb=verb,
        occurred_at=_occurred_at(message, complain),
        request_id=_text(data.get("request_id")),
        record=_record(ctxt, data, complain),
    )


#: All that :func:`parse` reads of a payload's data.
_READ = (
    "uuid",
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
)


def essential(payload: object) -> dict[str, Any]:
    """Give what may be kept of a payload that could not be understood.

    Metadata, keys and tags, which may hold a tenant's secrets, are not.
    """
    if not isinstance(payload, Mapping):
        return {"malformed": type(payload).__name__}
    data = _unwrap(payload)
    kept = {
        f"nova_object.{name}": str(payload.get(f"nova_object.{name}"))
        for name in ("name", "namespace", "version")
    }
    if data is None:
        return kept
    return kept | {
        "nova_object.data": {
            name: data[name] for name in _READ if name in data
        }
    }


def _payload_data(
    payload: object, object_name: str, major: str
) -> Mapping[str, Any]:
    data = _unwrap(payload)
    if data is None:
        raise Unreadable("the payload is not a versioned object")
    instance_uuid = _canonical_uuid(data.get("uuid"))
    assert isinstance(payload, Mapping)  # noqa: S101 - _unwrap saw to it
    name = payload.get("nova_object.name")
    if name != object_name:
        raise Unreadable(
            f"the payload is a {name!r}, not a {object_name}", instance_uuid
        )
    version = payload.get("nova_object.version")
    if str(version).partition(".")[0] != major:
        raise Unreadable(
            f"{object_name} {version!r}: only version {major}.x is understood",
            instance_uuid,
        )
    if not instance_uuid:
        raise Unreadable(f"uuid is {data.get('uuid')!r}, not a UUID")
    return data


def _message_id(message: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    message_id = message.get("message_id")
    if not isinstance(message_id, str) or not message_id:
        raise Unreadable("message_id is missing", _text(data.get("uuid")))
    return message_id


def _record(
    ctxt: Mapping[str, Any], data: Mapping[str, Any], complain: Complain
) -> events.HostRecord:
    flavor = _unwrap(data.get("flavor")) or {}
    user_name, project_name = _owner_names(ctxt, data)
    return events.HostRecord(
        instance_uuid=_canonical_uuid(data.get("uuid")),
        display_name=_text(data.get("display_name")),
        host_name=_text(data.get("host_name")),
        project_id=_text(data.get("tenant_id")),
        project_name=project_name,
        user_id=_text(data.get("user_id")),
        user_name=user_name,
        user_remote_address=_text(ctxt.get("remote_address")),
        image_uuid=_text(data.get("image_uuid")),
        flavor_name=_text(flavor.get("name")),
        availability_zone=_text(data.get("availability_zone")),
        compute_host=_text(data.get("host")),
        created_at=_time(data, "created_at", complain),
        launched_at=_time(data, "launched_at", complain),
        addresses=_addresses(data.get("ip_addresses"), complain),
    )


def _owner_names(
    ctxt: Mapping[str, Any], data: Mapping[str, Any]
) -> tuple[str, str]:
    """User and project by name, where the context names the owner.

    A context names who *acts*: when an admin deletes alice's instance it
    says admin, and that is not whose instance it was.
    """
    owner, project = data.get("user_id"), data.get("tenant_id")
    by_owner = owner and owner == ctxt.get("user_id")
    in_project = project and project == ctxt.get("project_id")
    return (
        _text(ctxt.get("user_name")) if by_owner else "",
        _text(ctxt.get("project_name")) if in_project else "",
    )


def _addresses(
    items: object, complain: Complain
) -> tuple[events.Address, ...]:
    if items is None:
        return ()
    if not isinstance(items, list | tuple):
        complain(f"ip_addresses is {items!r}, not a list")
        return ()
    read = (_address(item, complain) for item in items)
    return tuple(address for address in read if address)


def _address(item: object, complain: Complain) -> events.Address | None:
    data = _unwrap(item)
    if data is None:
        complain(f"an item of ip_addresses is {item!r}")
        return None
    try:
        ip = str(ipaddress.ip_address(_text(data.get("address"))))
    except ValueError:
        complain(f"address {data.get('address')!r} is not an IP address")
        return None
    mac = _text(data.get("mac")).lower()
    if mac and not _MAC.fullmatch(mac):
        complain(f"mac {data.get('mac')!r} is not a MAC address")
        mac = ""
    return events.Address(ip=ip, mac=mac, network=_text(data.get("label")))


def _time(data: Mapping[str, Any], name: str, complain: Complain) -> str:
    value = _text(data.get(name))
    if value and not _TIME.fullmatch(value):
        complain(f"{name} {value!r} is not a time")
        return ""
    return value


def _occurred_at(message: Mapping[str, Any], complain: Complain) -> float:
    """Read oslo.messaging's own stamp: naive, UTC, a blank for the T."""
    value = message.get("timestamp")
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError:
        complain(f"timestamp {value!r} is not a time")
        return 0.0
    return moment.replace(tzinfo=datetime.UTC).timestamp()


def _unwrap(value: object) -> Mapping[str, Any] | None:
    """Give the ``nova_object.data`` of a versioned object, if it is one."""
    if not isinstance(value, Mapping):
        return None
    data = value.get("nova_object.data")
    return data if isinstance(data, Mapping) else None


def _canonical_uuid(value: object) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
