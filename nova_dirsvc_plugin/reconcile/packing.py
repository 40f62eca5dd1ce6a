# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""States and entries as short texts, to keep many of them. Pure.

The texts are kept in memory only, and have no form to rely on.
"""

import dataclasses
import json
import operator
from collections.abc import Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base

_TEXTS = tuple(
    field.name
    for field in dataclasses.fields(events.HostRecord)
    if field.name not in ("instance_uuid", "addresses")
)

_texts_of = operator.attrgetter(*_TEXTS)

encode = json.JSONEncoder(separators=(",", ":")).encode
decode = json.JSONDecoder().decode


def state_to_list(state: events.HostState) -> list[Any]:
    """Return a state without the uuid of its instance."""
    return [state.verb.value, state.as_of, *record_to_list(state.record)]


def state_from_list(
    instance_uuid: str, packed: Sequence[Any]
) -> events.HostState:
    """Undo :func:`state_to_list`."""
    verb, as_of, *record = packed
    return events.HostState(
        _VERBS[verb], record_from_list(instance_uuid, record), as_of
    )


def record_to_list(record: events.HostRecord) -> list[Any]:
    """Return a record without its uuid."""
    addresses = record.addresses and [
        (one.ip, one.mac, one.network) for one in record.addresses
    ]
    return [addresses, *_texts_of(record)]


def record_from_list(
    instance_uuid: str, packed: Sequence[Any]
) -> events.HostRecord:
    """Undo :func:`record_to_list`."""
    addresses, *texts = packed
    if addresses is not None:
        addresses = tuple(events.Address(*one) for one in addresses)
    return events.HostRecord(
        instance_uuid=instance_uuid,
        addresses=addresses,
        **dict(zip(_TEXTS, texts, strict=True)),
    )


def entry_to_list(entry: base.Entry) -> list[Any]:
    """Return all of an entry."""
    return [
        entry.as_of,
        entry.owner,
        entry.name,
        entry.conflict,
        {name: [*values] for name, values in entry.content.items()},
        entry.record.instance_uuid,
        *record_to_list(entry.record),
    ]


def entry_from_list(packed: Sequence[Any]) -> base.Entry:
    """Undo :func:`entry_to_list`."""
    as_of, owner, name, conflict, content, instance_uuid, *record = packed
    return base.Entry(
        record=record_from_list(instance_uuid, record),
        as_of=as_of,
        owner=owner,
        name=name,
        content={one: tuple(values) for one, values in content.items()},
        conflict=conflict,
    )


_VERBS = {verb.value: verb for verb in events.Verb}
