# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Notifications of a real Nova, and variations of them."""

import copy
import json
import pathlib
import uuid
from typing import Any

from nova_dirsvc_plugin import events

_FOLDER = pathlib.Path(__file__).with_name("recordings")

Context = dict[str, Any]
Message = dict[str, Any]

#: The scenarios that are there, all but one of versioned notifications.
SCENARIOS = tuple(sorted(path.stem for path in _FOLDER.glob("*.jsonl")))
UNVERSIONED = "unversioned"

#: What is recorded of alice's boot in ``boot_delete``.
RECORD = events.HostRecord(
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
    addresses=(events.Address("10.77.0.90", "fa:16:3e:51:8e:ab", "private"),),
)


def scenario(name: str) -> list[tuple[Context, Message]]:
    """Return context and message of all of a scenario, in order of arrival."""
    lines = (_FOLDER / f"{name}.jsonl").read_text().splitlines()
    return [(line["ctxt"], line["message"]) for line in map(json.loads, lines)]


def notification(name: str, event_type: str) -> tuple[Context, Message]:
    """Return context and message of the first one of a type in a scenario."""
    for ctxt, message in scenario(name):
        if message["event_type"] == event_type:
            return ctxt, message
    raise LookupError(f"no {event_type} in {name}")


def create_end(
    instance_uuid: str | None = None, **changes: Any
) -> tuple[Context, Message]:
    """Return alice's boot, of another instance or with other values."""
    return varied("instance.create.end", instance_uuid, **changes)


def delete_end(
    instance_uuid: str | None = None, **changes: Any
) -> tuple[Context, Message]:
    """Return alice's delete, of another instance or with other values."""
    return varied("instance.delete.end", instance_uuid, **changes)


def varied(
    event_type: str,
    instance_uuid: str | None = None,
    name: str = "boot_delete",
    /,
    **changes: Any,
) -> tuple[Context, Message]:
    """Return the last one of a type in a scenario, with other values."""
    ctxt, message = copy.deepcopy(
        [
            (ctxt, message)
            for ctxt, message in scenario(name)
            if message["event_type"] == event_type
        ][-1]
    )
    message["message_id"] = str(uuid.uuid4())
    payload = message["payload"]
    data = payload.get("nova_object.data", payload)
    if instance_uuid is not None:
        data["instance_id" if data is payload else "uuid"] = instance_uuid
    data.update(changes)
    return ctxt, message
