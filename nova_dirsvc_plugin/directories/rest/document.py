# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A host record as the JSON document of the REST contract, and back. Pure.

The contract is ``doc/source/reference/rest.rst``, and
``examples/rest/openapi.yaml`` for programs.
"""

import dataclasses
import datetime
import hashlib
import json
import uuid
from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import text

#: Of the document; a service takes any minor.
VERSION = "1.0"

#: The keys of an address.
ADDRESS = ("ip", "mac", "network")

#: The fields of a host record that are texts.
TEXTS = tuple(
    field.name
    for field in dataclasses.fields(events.HostRecord)
    if field.name != "addresses"
)

Document = dict[str, Any]


def paths() -> Document:
    """Make a document each of whose fields is the path of itself."""
    sample = document(
        events.HostState(
            events.Verb.REGISTER, events.HostRecord(instance_uuid="")
        ),
        "",
    )
    inner = {name: f"host_record.{name}" for name in sample["host_record"]}
    return {name: name for name in sample} | {"host_record": inner}


class NotADocument(ValueError):
    """A service gave something that is not a document of the contract."""


def document(state: events.HostState, owner: str) -> Document:
    """Make the document of a state to register.

    Characters that JSON can carry and databases cannot (NUL, halves of
    UTF-16 pairs) are replaced as in every directory.
    """
    record = _cleaned(state.record)
    host_record = dataclasses.asdict(record)
    if record.addresses is not None:
        host_record["addresses"] = list(host_record["addresses"])
    return {
        **record.essentials(),
        "version": VERSION,
        "verb": str(state.verb),
        "owner": owner,
        "as_of": stamp(state.as_of),
        "host_record": host_record,
    }


def metadata(
    state: events.HostState, owner: str, body: bytes
) -> dict[str, str]:
    """Make the headers that describe a state.

    :returns: with an Idempotency-Key that is equal only for the same state
    """
    digest = hashlib.sha256(str(state.verb).encode() + b"\0" + body)
    generation = f"{round(state.as_of * 1e6)}-{digest.hexdigest()[:16]}"
    instance_uuid = state.record.instance_uuid
    return {
        "Idempotency-Key": f"{owner}:{instance_uuid}:{generation}",
        "Dirsvc-Verb": str(state.verb),
        "Dirsvc-Owner": owner,
        "Dirsvc-As-Of": stamp(state.as_of),
    }


def encoded(value: Document) -> bytes:
    """Return the JSON text, in ASCII for names of any letters."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def stamp(as_of: float) -> str:
    """Write epoch seconds so that the texts sort as the times do."""
    moment = datetime.datetime.fromtimestamp(as_of, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_of(found: Document) -> float:
    """Read the time of a document, epoch seconds; 0.0 if it has none."""
    try:
        moment = datetime.datetime.fromisoformat(found["as_of"])
        return moment.timestamp() if moment.tzinfo else 0.0
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0


def content(found: Document) -> dict[str, list[str]]:
    """Return the fields of a document by their paths, each with its texts.

    A field that is empty has none.
    """
    made: dict[str, list[str]] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            inner = content(dict(value))
            made |= {f"{name}.{path}": inner[path] for path in inner}
        elif isinstance(value, list):
            made[name] = [_as_text(one) for one in value]
        else:
            made[name] = [_as_text(value)] if value not in (None, "") else []
    return made


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True)


def record(found: Document) -> events.HostRecord:
    """Read the host record of a document; what it does not have is empty.

    :raises NotADocument: it has no instance, or a field of another type
    """
    inner = found.get("host_record")
    inner = inner if isinstance(inner, Mapping) else {}
    fields: dict[str, Any] = {
        name: _text(inner.get(name) or found.get(name) or "", name)
        for name in TEXTS
    }
    try:
        fields["instance_uuid"] = str(uuid.UUID(fields["instance_uuid"]))
    except ValueError:
        raise NotADocument(
            f"instance_uuid {fields['instance_uuid']!r:.60} is not a UUID"
        ) from None
    mac = _text(found.get("mac_address") or "", "mac_address")
    if "addresses" in inner:
        fields["addresses"] = _addresses(inner["addresses"])
    elif mac:
        fields["addresses"] = (events.Address(ip="", mac=mac),)
    else:
        fields["addresses"] = ()
    return events.HostRecord(**fields)


def _cleaned(given: events.HostRecord) -> events.HostRecord:
    clean = text.directory_string
    addresses = given.addresses
    if addresses is not None:
        addresses = tuple(
            events.Address(*(clean(getattr(one, name)) for name in ADDRESS))
            for one in addresses
        )
    texts = {name: clean(getattr(given, name)) for name in TEXTS}
    return events.HostRecord(**texts, addresses=addresses)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise NotADocument(f"{name} is not a text but {value!r:.60}")
    return value


def _addresses(found: object) -> tuple[events.Address, ...] | None:
    if found is None:
        return None
    if not isinstance(found, list):
        raise NotADocument(f"addresses is not a list but {found!r:.60}")
    made = []
    for one in found:
        if not isinstance(one, Mapping):
            raise NotADocument(f"an address is not an object but {one!r:.60}")
        made.append(
            events.Address(
                **{name: _text(one.get(name) or "", name) for name in ADDRESS}
            )
        )
    return tuple(made)
