# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What passes between the outbox, delivery and the operator's tool."""

import dataclasses
import enum
import json
import math
import sqlite3
from collections.abc import Sequence
from typing import Any

from nova_dirsvc_plugin import events, untrusted_text
from nova_dirsvc_plugin.outbox import rows

#: Seconds by which the clocks of Nova's hosts and of this one may differ. An
#: event that is further ahead is checked with Nova.
TOLERATED_LEAD = 60.0


class OutboxError(Exception):
    """The outbox cannot be used now; the message says which and why."""


class State(enum.StrEnum):
    """How far an entry is with one directory, in the order of urgency.

    ``buried``: refused for good; an operator decides. ``parked``: a
    notification that could not be understood; it is no entry yet, and of no
    directory. ``deferred``: tried again later. ``waiting``: not tried yet, or
    behind an older entry of its instance. ``confirm``: a removal that is
    done, and is done a second time. ``delivered``, ``skipped`` (it needed no
    write) and ``dropped`` (by an operator) are final.
    """

    BURIED = "buried"
    PARKED = "parked"
    DEFERRED = "deferred"
    WAITING = "waiting"
    CONFIRM = "confirm"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    DROPPED = "dropped"

    @property
    def final(self) -> bool:
        """Whether nothing more will be done about it."""
        return self in (State.DELIVERED, State.SKIPPED, State.DROPPED)


class Cause(enum.Enum):
    """Why an entry got its state, in a form for programs."""

    NONE = enum.auto()
    AWAITS_NOVA = enum.auto()
    COVERED = enum.auto()
    FOREIGN = enum.auto()
    HELD = enum.auto()
    NOT_SENT = enum.auto()
    REJECTED = enum.auto()
    UNAVAILABLE = enum.auto()
    UNREADABLE = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An event with its place in the outbox.

    :ivar attempts: times that this directory refused it
    :ivar deferrals: times that it was deferred, for any reason
    :ivar set_back: the clock was set back while it waited
    :ivar unreadable: why its record cannot be read, if it cannot
    :ivar refuted: its time was ahead of the clock here by more than
        :data:`TOLERATED_LEAD`, and that of a later one of its instance was
        not: the clock that it came from is wrong, not ours
    """

    number: int
    event: events.Event
    stored_at: float
    attempts: int = 0
    deferrals: int = 0
    set_back: bool = False
    unreadable: str = ""
    refuted: bool = False

    @property
    def ahead(self) -> float:
        """Seconds by which Nova's clock was ahead when it was stored."""
        return self.event.occurred_at - self.stored_at

    @property
    def happened_at(self) -> float:
        """Epoch seconds by which the events of its instance are ordered.

        Nova's time of the event, whatever the clock here says, unless that is
        known to be wrong.
        """
        return self.stored_at if self.refuted else self.event.occurred_at

    @classmethod
    def from_row(
        cls,
        row: sqlite3.Row,
        attempts: int = 0,
        deferrals: int = 0,
        set_back: bool = False,
    ) -> "Entry":
        """Read a row of the table ``entry`` with its ``remote_address``.

        Whatever is in the row, there is an entry, which may be unreadable.
        """
        instance_uuid = rows.text(row["instance_uuid"])
        record, unreadable = _record(row, instance_uuid)
        if row["remote_address"] and not record.user_remote_address:
            record = dataclasses.replace(
                record, user_remote_address=rows.text(row["remote_address"])
            )
        stored_at = rows.time(row["stored_at"])
        event = events.Event(
            message_id=rows.text(row["message_id"]),
            event_type=rows.text(row["event_type"]),
            verb=row["verb"] if unreadable else events.Verb(row["verb"]),
            occurred_at=rows.time(row["occurred_at"]),
            request_id=rows.text(row["request_id"]),
            record=record,
        )
        return cls(
            row["number"],
            event,
            stored_at,
            attempts,
            deferrals,
            set_back,
            unreadable,
        )

    @classmethod
    def lost(cls, number: int, instance_uuid: str, why: str) -> "Entry":
        """Return an entry of which no more is known."""
        record = events.HostRecord(instance_uuid=instance_uuid)
        event = events.Event(
            message_id="",
            event_type="",
            verb=events.Verb.REFRESH,
            occurred_at=0.0,
            request_id="",
            record=record,
        )
        return cls(number, event, 0.0, unreadable=f"the row is damaged: {why}")


def _record(
    row: sqlite3.Row, instance_uuid: str
) -> tuple[events.HostRecord, str]:
    """Return the record of a row, and why the row cannot be used, if so."""
    bare = events.HostRecord(instance_uuid=instance_uuid)
    try:
        rows.check(row)
        verb = events.Verb(row["verb"])
    except ValueError as error:
        return bare, str(error)
    try:
        record = events.HostRecord.from_json(row["record"])
    except ValueError as error:
        # To unregister, the uuid is enough.
        return bare, "" if verb is events.Verb.UNREGISTER else str(error)
    if record.instance_uuid != instance_uuid:
        return bare, "the row and its record are of two instances"
    return record, ""


def event_row(event: events.Event, now: float) -> dict[str, Any]:
    """Return the values of ``sql.STORE``."""
    values: dict[str, Any] = {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "verb": event.verb.value,
        "instance_uuid": event.instance_uuid,
        "occurred_at": event.occurred_at,
        "stored_at": now,
        "request_id": event.request_id,
        "record": event.record.to_json(),
    }
    return values | {"checksum": rows.checksum(values)}


def parked_row(parked: events.Parked, now: float) -> dict[str, Any]:
    """Return the values of ``sql.PARK``."""
    return {
        "message_id": str(parked.notification.get("message_id") or "") or None,
        "event_type": str(parked.notification.get("event_type")),
        "instance_uuid": parked.instance_uuid,
        "stored_at": now,
        "reason": parked.reason,
        "notification": json.dumps(parked.notification, default=repr),
    }


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """The entries of one instance that are due, and what else is known.

    :ivar entries: those to settle, oldest first
    :ivar taken: the instance's entries that the directory has taken
    :ivar removals: those that it has not taken and that ask for a removal
    :ivar confirm: the entry is a removal that was done before
    :ivar horizon: epoch seconds, the latest time that a directory is given
    :ivar reliable: number of the latest whose time is not ahead; 0: none
    :ivar up_to: a summary is to be made of the entries up to this number
    """

    entries: Sequence[Entry]
    taken: Sequence[Entry] = ()
    removals: Sequence[Entry] = ()
    confirm: bool = False
    horizon: float = math.inf
    reliable: int = 0
    up_to: int | None = None

    @property
    def readable(self) -> list[Entry]:
        """Those whose record can be read."""
        return [entry for entry in self.entries if not entry.unreadable]

    @property
    def unreadable(self) -> list[Entry]:
        """The others."""
        return [entry for entry in self.entries if entry.unreadable]


@dataclasses.dataclass(frozen=True, slots=True)
class Settlement:
    """The new state of a claimed entry, with the counts to store.

    :ivar not_before: epoch seconds, when to try a deferred one again
    """

    entry: Entry
    state: State
    reason: str = ""
    cause: Cause = Cause.NONE
    attempts: int = 0
    deferrals: int = 0
    not_before: float = 0.0

    def __post_init__(self) -> None:
        if self.reason:
            clean = untrusted_text.on_one_line(self.reason)
            object.__setattr__(self, "reason", clean)

    @property
    def outcome(self) -> State:
        """What was done: a removal to confirm is delivered, or deferred."""
        if self.state is not State.CONFIRM:
            return self.state
        return State.DEFERRED if self.deferrals else State.DELIVERED

    def to_row(self, directory: str, now: float) -> dict[str, Any]:
        """Return the values of ``sql.KEEP``."""
        return {
            "directory": directory,
            "number": self.entry.number,
            "instance_uuid": self.entry.event.instance_uuid,
            "state": self.state.value,
            "attempts": self.attempts,
            "deferrals": self.deferrals,
            "deferred_at": now,
            "not_before": self.not_before,
            "reason": self.reason,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """What to deliver next to one directory.

    :ivar turns: one for each instance
    :ivar waiting: numbers and instances of entries that were seen, but must
        wait behind another entry of the same instance
    :ivar position: each entry up to here is in this claim, or was claimed
        before
    :ivar deferred: instances of the turns that others may wait behind, as
        the backlog names them
    :ivar generation: of the files that it was read from
    """

    turns: Sequence[Turn] = ()
    waiting: Sequence[tuple[int, str]] = ()
    position: int = 0
    deferred: Sequence[str] = ()
    generation: int = 0

    @property
    def entries(self) -> Sequence[Entry]:
        """All that is to be settled."""
        return [entry for turn in self.turns for entry in turn.entries]

    def __bool__(self) -> bool:
        return bool(self.turns or self.waiting)
