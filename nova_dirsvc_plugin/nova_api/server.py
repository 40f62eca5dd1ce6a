# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the state of an instance from an answer of Nova's API. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import values

_LAUNCHED_AT = "OS-SRV-USG:launched_at"
COMPUTE_HOST = "OS-EXT-SRV-ATTR:host"

#: Returns the names of a project and of a user, by their ids.
Names = Callable[[str, str], tuple[str, str]]


def no_names(project_id: str, user_id: str) -> tuple[str, str]:
    """Know no names."""
    return "", ""


def state_of(
    instance_uuid: str,
    server: object,
    as_of: float,
    warn: values.Warn,
    names: Names = no_names,
) -> events.HostState:
    """Return the state that ``GET /servers/{uuid}`` shows.

    :param server: the ``server`` of the answer, at microversion 2.47 or
        newer
    :param warn: called with a sentence for each value that is left out
    :param names: those of Keystone, which Nova does not have
    :raises StateUnknown: the answer does not show it
    """
    if not isinstance(server, dict) or server.get("id") != instance_uuid:
        raise events.StateUnknown(
            "the answer is not about the instance: check for a proxy between"
            " this host and nova-api"
        )
    status = server.get("status")
    if status == "DELETED":
        return gone(instance_uuid, as_of)
    if status == "UNKNOWN":
        raise events.StateUndecided(
            "Nova itself does not know it: check whether its cell is down"
        )
    if not isinstance(status, str) or _LAUNCHED_AT not in server:
        raise events.StateUnknown("the answer has no status or no launched_at")
    if COMPUTE_HOST not in server:
        raise events.StateUnknown(
            "the answer has no compute host: give the account the role admin"
        )
    if status == "BUILD" and not server[_LAUNCHED_AT]:
        raise events.StateUndecided("the instance is still being built")
    record = _record(instance_uuid, server, warn, names)
    alive = server[_LAUNCHED_AT] and status != "SOFT_DELETED"
    verb = events.Verb.REFRESH if alive else events.Verb.SOFT_UNREGISTER
    return events.HostState(verb, record, as_of)


def gone(instance_uuid: str, as_of: float) -> events.HostState:
    """Return the state of an instance that is deleted."""
    record = events.HostRecord(instance_uuid=instance_uuid)
    return events.HostState(events.Verb.UNREGISTER, record, as_of)


def _record(
    instance_uuid: str,
    server: Mapping[str, Any],
    warn: values.Warn,
    names: Names,
) -> events.HostRecord:
    reader = values.PayloadReader(server, warn)
    text = reader.text
    project_id, user_id = text("tenant_id"), text("user_id")
    project_name, user_name = names(project_id, user_id)
    return events.HostRecord(
        instance_uuid=instance_uuid,
        display_name=text("name"),
        host_name=text("OS-EXT-SRV-ATTR:hostname"),
        project_id=project_id,
        project_name=project_name,
        user_id=user_id,
        user_name=user_name,
        image_uuid=_part(server, "image", warn).text("id"),
        flavor_name=_part(server, "flavor", warn).text("original_name"),
        availability_zone=text("OS-EXT-AZ:availability_zone"),
        compute_host=text(COMPUTE_HOST),
        created_at=reader.time("created"),
        launched_at=reader.time(_LAUNCHED_AT),
        addresses=_addresses(server.get("addresses"), warn),
    )


def _part(
    server: Mapping[str, Any], name: str, warn: values.Warn
) -> values.PayloadReader:
    """Read the fields of a field; Nova writes an empty one as a text."""
    value = server.get(name)
    return values.PayloadReader(value if isinstance(value, dict) else {}, warn)


def _addresses(
    networks: object, warn: values.Warn
) -> tuple[events.Address, ...] | None:
    """Return the fixed ones."""
    if not isinstance(networks, dict):
        return None
    fixed = [
        values.PayloadReader(
            {
                "address": item.get("addr"),
                "mac": item.get("OS-EXT-IPS-MAC:mac_addr"),
                "label": label,
            },
            warn,
        ).address()
        for label, items in networks.items()
        for item in items
        if item.get("OS-EXT-IPS:type") == "fixed"
    ]
    read = tuple(filter(None, fixed))
    return read if read or not fixed else None
