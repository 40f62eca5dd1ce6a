# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps what may be kept of a notification that cannot be understood. Pure.

Metadata, keys and tags, which may hold a tenant's secrets, are not kept, nor
is anything of the request context but names and ids. What is kept can be
stored, whatever it was: plain values, of a bounded size and depth.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import unversioned, values

#: Characters, items and levels that are kept of a value, more than any that
#: Nova has.
LONGEST_TEXT = 64 * 1024
_MOST_ITEMS = 1000
_DEEPEST = 16
_HUGE = 2**63

#: Characters of all that is kept.
_LARGEST = 256 * 1024

#: What is kept of a request context.
_CONTEXT_KEYS = (
    "user_id",
    "user_name",
    "project_id",
    "project_name",
    "request_id",
)

#: What is read of the data of a versioned payload.
VERSIONED_KEYS = (
    "uuid",
    "display_name",
    "host_name",
    "tenant_id",
    "user_id",
    "image_uuid",
    "availability_zone",
    "host",
    "state",
    "task_state",
    "created_at",
    "launched_at",
    "terminated_at",
    "deleted_at",
    "request_id",
)


def notification(
    ctxt: object,
    message: object,
    error: Exception,
    instance_uuid: str = "",
    *,
    users: bool = True,
) -> events.Parked:
    """Return a notification to park, whatever is wrong with its payload.

    :param users: whether the user's name is kept
    """
    kept: dict[str, Any] = {}
    if isinstance(message, Mapping):
        kept = {
            key: message.get(key)
            for key in ("message_id", "event_type", "timestamp")
        }
        # Two whose ids are malformed are not one and the same.
        if not isinstance(kept["message_id"], str):
            kept["message_id"] = None
        kept["payload"] = essential(message.get("payload"))
    if isinstance(ctxt, Mapping):
        kept["ctxt"] = {
            key: ctxt.get(key)
            for key in _CONTEXT_KEYS
            if users or key != "user_name"
        }
    return _parked(kept, instance_uuid, str(error))


def stub(
    thing: object, error: Exception, instance_uuid: str = ""
) -> events.Parked:
    """Return what can be parked of anything that broke what handled it.

    :param thing: a message, or what was made of one
    """
    try:
        if isinstance(thing, events.Event):
            thing = {"message_id": thing.message_id}
        elif isinstance(thing, events.Parked):
            thing = thing.notification
        kept = notification(None, thing, error, instance_uuid).notification
    except Exception:
        kept = {"malformed": type(thing).__name__}
    try:
        reason = f"{type(error).__name__}: {error}"
    except Exception:
        reason = type(error).__name__
    return _parked(kept, instance_uuid, reason)


def _parked(
    kept: Mapping[str, Any], instance_uuid: str, reason: str
) -> events.Parked:
    plain = {text(key): _plain(value) for key, value in kept.items()}
    if len(json.dumps(plain)) > _LARGEST:
        plain |= {"payload": {"malformed": "too large"}}
        plain.pop("ctxt", None)
    return events.Parked(plain, text(instance_uuid), text(reason))


def text(value: str) -> str:
    """Return a text that any file, log and JSON can have."""
    kept = str.encode(value[:LONGEST_TEXT], "utf-8", "backslashreplace")
    return kept.decode()


def _plain(value: object, depth: int = 0) -> Any:
    """Return a value of JSON, or the name of the type of another."""
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    # An integer can have more digits than Python prints, a float be NaN.
    if isinstance(value, int | float) and -_HUGE < value < _HUGE:
        return value
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                text(str(key)): _plain(value[key], depth + 1)
                for key in itertools.islice(value, _MOST_ITEMS)
            }
        if isinstance(value, list | tuple):
            return [_plain(item, depth + 1) for item in value[:_MOST_ITEMS]]
    return type(value).__name__


def essential(payload: object) -> dict[str, Any]:
    """Return what may be kept of a payload: what is read of a good one."""
    if not isinstance(payload, Mapping):
        return {"malformed": type(payload).__name__}
    data = values.unwrap(payload)
    if data is None and "instance_id" in payload:
        return _unversioned(payload)
    kept: dict[str, Any] = {
        f"nova_object.{name}": str(payload.get(f"nova_object.{name}"))
        for name in ("name", "namespace", "version")
    }
    if data is None:
        return kept
    kept_data = _only(data, VERSIONED_KEYS)
    if "flavor" in data:
        kept_data["flavor"] = _object(data["flavor"], ("name",))
    if "ip_addresses" in data:
        kept_data["ip_addresses"] = _list(
            data["ip_addresses"],
            lambda item: _object(item, ("address", "mac", "label")),
        )
    return kept | {"nova_object.data": kept_data}


def _unversioned(payload: Mapping[str, Any]) -> dict[str, Any]:
    kept = _only(
        payload, (*unversioned.NAMES, "instance_type", "image_ref_url")
    )
    if "image_meta" in payload:
        kept["image_meta"] = _mapping(
            payload["image_meta"], ("base_image_ref",)
        )
    if "fixed_ips" in payload:
        kept["fixed_ips"] = _list(
            payload["fixed_ips"],
            lambda item: _mapping(item, unversioned.ADDRESS_NAMES),
        )
    return kept


def _only(data: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: data[name] for name in names if name in data}


def _mapping(value: object, names: Iterable[str]) -> object:
    if not isinstance(value, Mapping):
        return type(value).__name__
    return _only(value, names)


def _object(value: object, names: Iterable[str]) -> object:
    data = values.unwrap(value)
    if data is None:
        return type(value).__name__
    return {"nova_object.data": _only(data, names)}


def _list(items: object, keep: Callable[[object], object]) -> object:
    if not isinstance(items, list | tuple):
        return type(items).__name__
    return [keep(item) for item in items]
