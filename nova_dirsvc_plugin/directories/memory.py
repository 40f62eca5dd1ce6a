# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A directory in memory: for trying things out, and the shortest driver."""

from collections.abc import Iterator, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base


class MemoryDirectory(base.Directory):
    """Keeps the entries as long as the process lives.

    :ivar content: instance uuid -> (owner mark, record)
    """

    def __init__(self, options: Any, owner: str) -> None:
        self._owner = owner
        self.content: dict[str, tuple[str, events.HostRecord]] = {}

    def apply(self, changes: Sequence[base.Change]) -> list[base.Outcome]:
        return [self._apply(change) for change in changes]

    def _apply(self, change: base.Change) -> base.Outcome:
        key = change.record.instance_uuid
        owner, _ = self.content.get(key, (self._owner, None))
        if owner != self._owner:
            return base.Rejected("the entry carries another owner mark")
        if change.verb is events.Verb.REGISTER:
            self.content[key] = self._owner, change.record
        else:
            self.content.pop(key, None)
        return base.Done()

    def entries(self) -> Iterator[events.HostRecord]:
        for owner, record in list(self.content.values()):
            if owner == self._owner:
                yield record
