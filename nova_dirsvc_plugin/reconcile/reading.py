# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""All instances of Nova, kept small until they are compared. Pure."""

import collections
import dataclasses
import json
import operator
from collections.abc import Iterator

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import summary as nova_summary

_TEXTS = tuple(
    field.name
    for field in dataclasses.fields(events.HostRecord)
    if field.name not in ("instance_uuid", "addresses")
)

_texts_of = operator.attrgetter(*_TEXTS)
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class Reading:
    """The states of all instances; some 500 bytes for each.

    :ivar summary: what the reading is worth, set when it has ended
    :ivar projects: project id -> instances that should have an entry
    """

    def __init__(self) -> None:
        self.summary = nova_summary.Summary(
            0.0, 0, ("the reading has not ended",), ""
        )
        self.projects: collections.Counter[str] = collections.Counter()
        self._states: dict[str, str] = {}
        self._undecided: dict[str, str] = {}

    def add(self, one: events.HostState | nova_summary.Undecided) -> None:
        """Keep what was read about one instance.

        One that is read twice, since the list moved meanwhile, is kept as it
        was read last.
        """
        if isinstance(one, nova_summary.Undecided):
            self._forget(one.instance_uuid)
            self._undecided[one.instance_uuid] = one.reason
            return
        key = one.record.instance_uuid
        self._forget(key)
        self._states[key] = _packed(one)
        if not one.verb.removes:
            self.projects[one.record.project_id] += 1

    def _forget(self, instance_uuid: str) -> None:
        self._undecided.pop(instance_uuid, None)
        if instance_uuid in self._states:
            earlier = self.state(instance_uuid)
            if earlier and not earlier.verb.removes:
                self.projects[earlier.record.project_id] -= 1
            del self._states[instance_uuid]

    def state(self, instance_uuid: str) -> events.HostState | None:
        """Return the state of an instance; None if it was not read."""
        packed = self._states.get(instance_uuid)
        return None if packed is None else _unpacked(instance_uuid, packed)

    def undecided(self, instance_uuid: str) -> str:
        """Return why the state of an instance is unknown, if it was read."""
        return self._undecided.get(instance_uuid, "")

    def all_undecided(self) -> Iterator[tuple[str, str]]:
        """Return the uuids of instances of unknown state, and why it is."""
        return iter(self._undecided.items())

    def __contains__(self, instance_uuid: str) -> bool:
        """Whether the state of an instance is known."""
        return instance_uuid in self._states

    def __iter__(self) -> Iterator[str]:
        """Return the uuids of the instances whose state is known."""
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)


def _packed(state: events.HostState) -> str:
    record = state.record
    addresses = record.addresses and [
        (one.ip, one.mac, one.network) for one in record.addresses
    ]
    return _encode([state.as_of, state.verb, addresses, *_texts_of(record)])


def _unpacked(instance_uuid: str, packed: str) -> events.HostState:
    as_of, verb, addresses, *texts = _decode(packed)
    if addresses is not None:
        addresses = tuple(events.Address(*one) for one in addresses)
    record = events.HostRecord(
        instance_uuid=instance_uuid,
        addresses=addresses,
        **dict(zip(_TEXTS, texts, strict=True)),
    )
    return events.HostState(events.Verb(verb), record, as_of)
