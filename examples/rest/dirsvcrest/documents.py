# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Documents, and the merge of two of them. Values only."""

from typing import Any

Document = dict[str, Any]

VERSION = "1.0"
SIX = (
    "image_uuid",
    "instance_uuid",
    "mac_address",
    "project_name",
    "user_name",
    "user_remote_address",
)
#: These are in the host record, too.
SHARED = tuple(name for name in SIX if name != "mac_address")
#: Keys that may be known in one document and unknown in the next.
FILLED = ("project_name", "user_name", "user_remote_address")
TEXTS = (
    "instance_uuid",
    "display_name",
    "host_name",
    "project_id",
    "project_name",
    "user_id",
    "user_name",
    "user_remote_address",
    "image_uuid",
    "flavor_name",
    "availability_zone",
    "compute_host",
    "created_at",
    "launched_at",
)
ADDRESS = ("ip", "mac", "network")


def document(body: Document, owner: str, as_of: str, verb: str) -> Document:
    """Make a document of what a client wrote.

    :param body: fits the schema Registration; keys that are not in it are
        left out
    :param owner: counts when the body says none; so do the next two
    :param as_of: a time as in the schema AsOf
    """
    record = body.get("host_record")
    made = {name: body[name] for name in SIX}
    made["version"] = VERSION
    made["verb"] = body.get("verb", verb)
    made["owner"] = body.get("owner") or owner
    made["as_of"] = body.get("as_of", as_of)
    if record is not None:
        made["host_record"] = _record(record)
        for name in SHARED:
            made[name] = made[name] or record.get(name, "")
        macs = _macs(made)
        made["mac_address"] = made["mac_address"] or next(iter(macs), "")
        _share(made)
    return made


def merged(stored: Document, received: Document) -> Document:
    """Return the document to store after another one was received.

    The newer one counts; what is unknown in it is taken from the older one.
    So two documents give the same result in either order.
    """
    if received["as_of"] >= stored["as_of"]:
        first, second = received, stored
    else:
        first, second = stored, received
    result = dict(first)
    for name in FILLED:
        result[name] = first[name] or second[name]
    record = first.get("host_record") or second.get("host_record")
    if record is not None:
        result["host_record"] = dict(record)
        result["host_record"]["addresses"] = _addresses(first)
    if _knows_no_addresses(first):
        result["mac_address"] = second["mac_address"]
        if record is not None:
            result["host_record"]["addresses"] = _addresses(second)
    elif (
        record is not None
        and _addresses(first) is None
        and first["mac_address"] in _macs(second)
    ):
        # Only a MAC address was received. If it is not among the stored
        # addresses, those are of other ports.
        result["host_record"]["addresses"] = _addresses(second)
    if record is not None:
        _share(result)
    return result


def addresses(document: Document) -> set[tuple[str, str]]:
    """Return the addresses of a document as pairs of kind and value."""
    found = {("mac", document["mac_address"])}
    for address in _addresses(document) or ():
        found.add(("ip", address["ip"]))
        found.add(("mac", address["mac"]))
    return {(kind, value) for kind, value in found if value}


def _record(record: Document) -> Document:
    made: Document = {name: record.get(name, "") for name in TEXTS}
    made["addresses"] = record.get("addresses")
    if made["addresses"] is not None:
        made["addresses"] = [
            {name: address.get(name, "") for name in ADDRESS}
            for address in made["addresses"]
        ]
    return made


def _share(document: Document) -> None:
    for name in SHARED:
        document["host_record"][name] = document[name]


def _addresses(document: Document) -> list[dict[str, str]] | None:
    found: list[dict[str, str]] | None = document.get("host_record", {}).get(
        "addresses"
    )
    return found


def _macs(document: Document) -> list[str]:
    every = (address["mac"] for address in _addresses(document) or ())
    return [mac for mac in every if mac]


def _knows_no_addresses(document: Document) -> bool:
    return not document["mac_address"] and _addresses(document) is None
