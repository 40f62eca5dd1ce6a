# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What passes between the outbox and a dispatcher."""

import dataclasses
import enum
from collections.abc import Sequence

from nova_dirsvc_plugin import events


class OutboxError(Exception):
    """The outbox cannot be used now; the message says which and why."""


class State(enum.StrEnum):
    """What became of a claimed entry."""

    DONE = "done"
    DEFERRED = "deferred"
    BURIED = "buried"


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An event with its place in the outbox.

    :ivar attempts: times that this directory refused it
    :ivar deferrals: times that it was put off, for any reason
    :ivar unreadable: why its record cannot be read, if it cannot
    """

    number: int
    event: events.Event
    stored_at: float
    attempts: int = 0
    deferrals: int = 0
    unreadable: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Settlement:
    """How one claimed entry ended, with the counts to store.

    :ivar not_before: epoch seconds, when to try a deferred one again
    """

    entry: Entry
    state: State
    reason: str = ""
    attempts: int = 0
    deferrals: int = 0
    not_before: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """What one directory should do next.

    :ivar entries: one an instance, oldest first
    :ivar waiting: seen, but behind another entry of the same instance
    :ivar late: registers that came in after the instance's unregister
    :ivar position: all up to here is in this claim or was settled before
    """

    entries: Sequence[Entry] = ()
    waiting: Sequence[Entry] = ()
    late: Sequence[Entry] = ()
    position: int = 0

    def __bool__(self) -> bool:
        return bool(self.entries or self.waiting or self.late)
