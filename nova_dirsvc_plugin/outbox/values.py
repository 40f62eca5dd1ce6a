# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What passes between the outbox, delivery and the operator's tool."""

import dataclasses
import enum
import json
import math
from collections.abc import Sequence
from typing import Any

from nova_dirsvc_plugin import events, untrusted_text
from nova_dirsvc_plugin.outbox import entry as outbox_entry
from nova_dirsvc_plugin.outbox import rows


class OutboxError(untrusted_text.UntrustedError):
    """The outbox cannot be used now; the message says which and why.

    It may quote the name of a file, or of a damaged table.
    """


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
    CONFIRMED = enum.auto()
    COVERED = enum.auto()
    FOREIGN = enum.auto()
    HELD = enum.auto()
    NOT_SENT = enum.auto()
    REJECTED = enum.auto()
    UNAVAILABLE = enum.auto()
    UNREADABLE = enum.auto()


def event_row(
    event: events.Event, now: float, directory: str = ""
) -> dict[str, Any]:
    """Return the values of ``sql.STORE``.

    :param directory: the only one that it is for; empty: every one
    """
    values: dict[str, Any] = {
        "message_id": event.message_id,
        "event_type": event.event_type,
        "verb": event.verb.value,
        "instance_uuid": event.instance_uuid,
        "occurred_at": event.occurred_at,
        "stored_at": now,
        "request_id": event.request_id,
        "record": event.record.to_json(),
        "directory": directory,
    }
    values["checksum"] = rows.checksum(values)
    return values


def waiting_row(directory: str, number: int, instance: str) -> dict[str, Any]:
    """Return the values of ``sql.KEEP`` for an entry that was not tried."""
    return {
        "directory": directory,
        "number": number,
        "instance_uuid": instance,
        "state": State.WAITING.value,
        "attempts": 0,
        "deferrals": 0,
        "deferred_at": 0.0,
        # It is not looked at before it is woken: there may be thousands.
        "not_before": math.inf,
        "reason": "",
    }


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
    :ivar elsewhere: those to settle that are for another directory
    """

    entries: Sequence[outbox_entry.Entry]
    taken: Sequence[outbox_entry.Entry] = ()
    removals: Sequence[outbox_entry.Entry] = ()
    confirm: bool = False
    horizon: float = math.inf
    reliable: int = 0
    up_to: int | None = None
    elsewhere: Sequence[outbox_entry.Entry] = ()

    @property
    def readable(self) -> list[outbox_entry.Entry]:
        """Those whose record can be read."""
        return [entry for entry in self.entries if not entry.unreadable]

    @property
    def unreadable(self) -> list[outbox_entry.Entry]:
        """The others."""
        return [entry for entry in self.entries if entry.unreadable]


@dataclasses.dataclass(frozen=True, slots=True)
class Settlement:
    """The new state of a claimed entry, with the counts to store.

    :ivar not_before: epoch seconds, when to try a deferred one again
    """

    entry: outbox_entry.Entry
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
    :ivar instances: those of the turns and of what waits
    """

    turns: Sequence[Turn] = ()
    waiting: Sequence[tuple[int, str]] = ()
    position: int = 0
    deferred: Sequence[str] = ()
    generation: int = 0
    instances: frozenset[str] = frozenset()

    @property
    def entries(self) -> Sequence[outbox_entry.Entry]:
        """All that is to be settled."""
        return [
            entry
            for turn in self.turns
            for entry in (*turn.entries, *turn.elsewhere)
        ]

    def __bool__(self) -> bool:
        return bool(self.turns or self.waiting)
