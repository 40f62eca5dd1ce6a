# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What passes between the outbox, its sources and its dispatchers."""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events


class OutboxError(Exception):
    """The outbox cannot be used now; the message says which and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parked:
    """A notification that could not be understood, kept for a later release.

    :ivar notification: what is needed to read it again; no token, no whole
        context
    :ivar instance_uuid: the instance; empty when even that is not known
    :ivar reason: why it could not be understood
    """

    notification: Mapping[str, Any]
    instance_uuid: str
    reason: str


class State(enum.StrEnum):
    """What became of a claimed entry.

    *Repeat*: done, and to be done once more when no older news of the
    instance can be under way elsewhere any longer.
    """

    DONE = "done"
    SKIPPED = "skipped"
    DEFERRED = "deferred"
    BURIED = "buried"
    REPEAT = "repeat"


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
class Turn:
    """One instance's turn: its entries that are due, and what else is known.

    :ivar entries: those to settle, oldest first
    :ivar before: the instance's events that were stored before them
    :ivar after: and after them; refused ones are in neither
    :ivar repeat: the entry was delivered once, and is to be once more
    """

    entries: Sequence[Entry]
    before: Sequence[events.Event] = ()
    after: Sequence[events.Event] = ()
    repeat: bool = False


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

    :ivar turns: one an instance
    :ivar waiting: numbers and instances of entries that were seen, but must
        wait behind another entry of the same instance
    :ivar position: all up to here is in this claim or was settled before
    """

    turns: Sequence[Turn] = ()
    waiting: Sequence[tuple[int, str]] = ()
    position: int = 0

    @property
    def entries(self) -> Sequence[Entry]:
        """All that is to be settled."""
        return [entry for turn in self.turns for entry in turn.entries]

    def __bool__(self) -> bool:
        return bool(self.turns or self.waiting)
