# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What Nova's API says of one instance. Pure."""

from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.delivery import state
from nova_dirsvc_plugin.notifications import values

_LAUNCHED_AT = "OS-SRV-USG:launched_at"
_COMPUTE_HOST = "OS-EXT-SRV-ATTR:host"


class Doubt(Exception):
    """An answer does not tell; the message says why, and what to do."""


def standing_of(
    instance_uuid: str,
    server: object,
    as_of: float,
    complain: values.Complain,
) -> state.Standing:
    """Read what ``GET /servers/{uuid}`` says of an instance.

    :param server: the ``server`` of the answer, at microversion 2.47 or
        newer
    :param complain: told in a sentence of each value that had to be left out
    :raises Doubt: it does not tell
    """
    if not isinstance(server, Mapping) or server.get("id") != instance_uuid:
        raise Doubt(
            "the answer is not about the instance: see what is between here"
            " and nova-api"
        )
    status = server.get("status")
    if status == "DELETED":
        return gone(instance_uuid, as_of)
    if status == "UNKNOWN":
        raise Doubt("Nova does not know: see whether its cell is down")
    if not isinstance(status, str) or _LAUNCHED_AT not in server:
        raise Doubt("the answer lacks status or launched_at")
    if _COMPUTE_HOST not in server:
        raise Doubt(
            "the account is not shown the compute host: give it the role admin"
        )
    if status == "BUILD" and not server[_LAUNCHED_AT]:
        raise Doubt("the instance is still being built")
    record = _record(instance_uuid, server, complain)
    alive = server[_LAUNCHED_AT] and status != "SOFT_DELETED"
    verb = events.Verb.REFRESH if alive else events.Verb.SOFT_UNREGISTER
    return state.Standing(verb, record, as_of)


def gone(instance_uuid: str, as_of: float) -> state.Standing:
    """Say that an instance is no more."""
    record = events.HostRecord(instance_uuid=instance_uuid)
    return state.Standing(events.Verb.UNREGISTER, record, as_of)


def _record(
    instance_uuid: str, server: Mapping[str, Any], complain: values.Complain
) -> events.HostRecord:
    def part(name: str, key: str) -> str:
        """Read a field of a field; Nova writes an empty one as a text."""
        value = server.get(name)
        data = value if isinstance(value, Mapping) else {}
        return values.Reader(data, complain).text(key)

    reader = values.Reader(server, complain)
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
        compute_host=reader.text(_COMPUTE_HOST),
        created_at=reader.time("created"),
        launched_at=reader.time(_LAUNCHED_AT),
        addresses=values.Reader(addresses, complain).addresses(),
    )


def _addresses(networks: object) -> list[dict[str, Any]] | None:
    """Put the fixed ones as a notification would."""
    if not isinstance(networks, Mapping):
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
