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
        key, record = state.record.instance_uuid, state.record
        kept = self.content.get(key)
        if kept is None:
            if not state.verb.removes:
                self.content[key] = Kept(self._owner, record, state.as_of)
                return base.Done()
            return base.Done(operation="")
        if kept.owner != self._owner:
            return base.Foreign(
                "the entry carries another owner mark than ours,"
                f" {self._owner!r}"
            )
        if state.verb is events.Verb.UNREGISTER:
            del self.content[key]
        elif kept.as_of > state.as_of:
            if not state.verb.removes:
                self.content[key] = dataclasses.replace(
                    kept, record=kept.record.completed(record)
                )
        elif state.verb.removes:
            del self.content[key]
        else:
            self.content[key] = Kept(
                self._owner, record.completed(kept.record), state.as_of
            )
        return base.Done()

    def entries(self) -> Iterator[events.HostRecord]:
        for kept in list(self.content.values()):
            if kept.owner == self._owner:
                yield kept.record
