# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Notifications of a real Nova, and variations of them."""

import copy
import json
import pathlib
import uuid
from collections.abc import Iterator
from typing import Any

_FOLDER = pathlib.Path(__file__).with_name("recordings")

Context = dict[str, Any]
Message = dict[str, Any]


def notification(scenario: str, event_type: str) -> tuple[Context, Message]:
    """Give context and message of the first one of a type in a scenario."""
    for ctxt, message in scenario_notifications(scenario):
        if message["event_type"] == event_type:
            return ctxt, message
    raise LookupError(f"no {event_type} in {scenario}")


def scenario_notifications(
    scenario: str,
) -> Iterator[tuple[Context, Message]]:
    """Give all of a scenario, in order, as a driver gets them."""
    for path in sorted((_FOLDER / scenario).glob("*.json")):
        recorded = json.loads(path.read_text())
        message = {
            "event_type": recorded["event_type"],
            "payload": recorded["payload"],
            "priority": recorded["priority"].upper(),
            "publisher_id": recorded["publisher_id"],
            **recorded["metadata"],
        }
        yield recorded["ctxt"], message


def create_end(
    instance_uuid: str | None = None, **changes: Any
) -> tuple[Context, Message]:
    """Give alice's boot, of another instance or with other values."""
    return _varied("instance.create.end", instance_uuid, changes)


def delete_end(
    instance_uuid: str | None = None, **changes: Any
) -> tuple[Context, Message]:
    """Give alice's delete, of another instance or with other values."""
    return _varied("instance.delete.end", instance_uuid, changes)


def _varied(
    event_type: str, instance_uuid: str | None, changes: dict[str, Any]
) -> tuple[Context, Message]:
    ctxt, message = copy.deepcopy(notification("boot_delete", event_type))
    message["message_id"] = str(uuid.uuid4())
    data = message["payload"]["nova_object.data"]
    if instance_uuid is not None:
        data["uuid"] = instance_uuid
    data.update(changes)
    return ctxt, message
