# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A directory in memory: the shortest driver, and one for trials."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """An entry: its owner mark, its record, and the time of its state."""

    owner: str
    record: events.HostRecord
    as_of: float


class MemoryDirectory(base.Directory):
    """Keeps the entries as long as the process lives.

    :ivar content: instance uuid -> entry
    """

    def __init__(self, options: Any, owner: str) -> None:
        self._owner = owner
        self.content: dict[str, Kept] = {}

    def apply(self, states: Sequence[events.HostState]) -> list[base.Outcome]:
        return [self._apply(state) for state in states]

    def _apply(self, state: events.HostState) -> base.Outcome:
        key = state.record.instance_uuid
        kept = self.content.get(key)
        if kept is None:
            if not state.verb.removes:
                self.content[key] = Kept(
                    self._owner, state.record, state.as_of
                )
                return base.Done()
            return base.Done(operation="")
        if kept.owner != self._owner:
            return base.Foreign(
                "the entry carries another owner mark than ours,"
                f" {self._owner!r}"
            )
        if not state.verb.removes:
            self.content[key] = _updated(kept, state)
        elif state.verb is events.Verb.UNREGISTER or kept.as_of <= state.as_of:
            del self.content[key]
        return base.Done()

    def entries(self) -> Iterator[base.Entry]:
        for kept in list(self.content.values()):
            if kept.owner == self._owner:
                yield _entry(kept)

    def find(self, uuids: Sequence[str]) -> Iterator[base.Entry]:
        for kept in filter(None, map(self.content.get, uuids)):
            yield _entry(kept)

    def differences(
        self, entry: base.Entry, state: events.HostState
    ) -> list[base.Difference]:
        kept = Kept(entry.owner, entry.record, entry.as_of)
        new = _content(_updated(kept, state).record)
        return [
            base.Difference(name, entry.content.get(name, ()), values)
            for name, values in new.items()
            if values != entry.content.get(name, ())
        ]

    def new_entry(self, state: events.HostState) -> base.Entry:
        return _entry(Kept(self._owner, state.record, state.as_of))


def _updated(kept: Kept, state: events.HostState) -> Kept:
    """Return what becomes of an entry by a state that does not remove it."""
    if kept.as_of > state.as_of:
        return dataclasses.replace(
            kept, record=kept.record.completed(state.record)
        )
    record = state.record.completed(kept.record)
    return dataclasses.replace(kept, record=record, as_of=state.as_of)


def _entry(kept: Kept) -> base.Entry:
    return base.Entry(
        record=kept.record,
        as_of=kept.as_of,
        owner=kept.owner,
        name=kept.record.instance_uuid,
        content=_content(kept.record),
    )


def _content(record: events.HostRecord) -> dict[str, tuple[str, ...]]:
    """Return the fields by their names; an unknown one has no value."""
    content = {
        field.name: tuple(filter(None, [getattr(record, field.name)]))
        for field in dataclasses.fields(record)
        if field.name != "addresses"
    }
    content["addresses"] = tuple(
        " ".join(dataclasses.astuple(address))
        for address in record.addresses or ()
    )
    return content
