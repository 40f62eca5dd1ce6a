# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the state of an instance from an answer of Nova's API. Pure."""

from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import values

_LAUNCHED_AT = "OS-SRV-USG:launched_at"
COMPUTE_HOST = "OS-EXT-SRV-ATTR:host"


def state_of(
    instance_uuid: str,
    server: object,
    as_of: float,
    warn: values.Warn,
) -> events.HostState:
    """Return the state that ``GET /servers/{uuid}`` shows.

    :param server: the ``server`` of the answer, at microversion 2.47 or
        newer
    :param warn: called with a sentence for each value that is left out
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
    record = _record(instance_uuid, server, warn)
    alive = server[_LAUNCHED_AT] and status != "SOFT_DELETED"
    verb = events.Verb.REFRESH if alive else events.Verb.SOFT_UNREGISTER
    return events.HostState(verb, record, as_of)


def gone(instance_uuid: str, as_of: float) -> events.HostState:
    """Return the state of an instance that is deleted."""
    record = events.HostRecord(instance_uuid=instance_uuid)
    return events.HostState(events.Verb.UNREGISTER, record, as_of)


def _record(
    instance_uuid: str, server: Mapping[str, Any], warn: values.Warn
) -> events.HostRecord:
    def part(name: str, key: str) -> str:
        """Read a field of a field; Nova writes an empty one as a text."""
        value = server.get(name)
        data = value if isinstance(value, dict) else {}
        return values.PayloadReader(data, warn).text(key)

    reader = values.PayloadReader(server, warn)
    addresses = {"ip_addresses": _addresses(server.get("addresses"))}
    return events.HostRecord(
        instance_uuid=instance_uuid,
        display_name=reader.text("name"),
        host_name=reader.text("OS-EXT-SRV-ATTR:hostname"),
        project_id=reader.text("tenant_id"),
        user_id=reader.text("user_id"),
        image_uuid=part("image", "id"),
        flavor_name=part("flavor", "original_name"),
        availability_zone=reader.text("OS-EXT-AZ:availability_zone"),
        compute_host=reader.text(COMPUTE_HOST),
        created_at=reader.time("created"),
        launched_at=reader.time(_LAUNCHED_AT),
        addresses=values.PayloadReader(addresses, warn).addresses(),
    )


def _addresses(networks: object) -> list[dict[str, Any]] | None:
    """Return the fixed ones in the form of a notification."""
    if not isinstance(networks, dict):
        return None
    return [
        {
            "nova_object.data": {
                "address": item.get("addr"),
                "mac": item.get("OS-EXT-IPS-MAC:mac_addr"),
                "label": label,
            }
        }
        for label, items in networks.items()
        for item in items
        if item.get("OS-EXT-IPS:type") == "fixed"
    ]
