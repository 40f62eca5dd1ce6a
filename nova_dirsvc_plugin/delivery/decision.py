# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Decides what the events of an instance ask of a directory. Pure."""

import dataclasses
from collections.abc import Iterable

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import state

_UNCHANGED = "no change"
_UNREGISTERED = "instance already unregistered"
_RESTORED = "instance restored since"
_REMOVED_SINCE = "a later removal is confirmed instead"


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """One write to a directory.

    :ivar entry: the outbox entry that it is done for
    :ivar desired: the state that the directory should have
    :ivar covered: entries that need no write of their own
    :ivar nova_answer: Nova's answer, where it was asked
    :ivar contradicts_outbox: the stored events ask for something else
    :ivar confirm: a removal that was done before is done a second time
    :ivar newest: the message id of the latest entry that the state rests on
    :ivar doubtful: it rests on an event of a later time than that at which a
        later one was stored: the order of the two is unknown
    """

    entry: outbox.Entry
    desired: events.HostState
    covered: tuple[outbox.Entry, ...] = ()
    nova_answer: str = ""
    contradicts_outbox: bool = False
    confirm: bool = False
    newest: str = ""
    doubtful: bool = False

    @property
    def note(self) -> str:
        """What is to be said of it when it is done."""
        if self.nova_answer:
            return self.nova_answer
        if self.desired.verb.removes and not self.entry.event.verb.removes:
            return "removed, as a later event asks for"
        return ""


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What to do about the entries of one instance.

    :ivar write: None when there is nothing to write
    :ivar skipped: the entries that need no write, and why
    """

    write: Write | None = None
    skipped: tuple[tuple[outbox.Entry, str], ...] = ()


def decide_state(turn: outbox.Turn) -> Decision:
    """Decide for a directory that holds the state of each instance.

    All events that the directory has taken, or is to take, are merged into
    one write, so the result is the same in whatever order they came. Of those
    that it has not taken yet, only removals count: others may be refused. An
    entry is skipped only for what the directory has taken.
    """
    entries = turn.readable
    if not entries:
        return Decision()
    news = [*turn.taken, *turn.removals, *entries]
    desired = state.merge(news, turn.horizon)
    decisive = state.latest(news)
    doubtful = not desired.final and any(
        decisive.number < entry.number
        and (decisive.refuted or decisive.happened_at > entry.stored_at)
        for entry in entries
    )
    if turn.confirm:
        needless = _why_not_confirmed(turn, desired, decisive)
    elif not doubtful and _is_taken(turn, desired, decisive):
        needless = _UNREGISTERED if desired.final else _UNCHANGED
    else:
        needless = ""
    if needless:
        return _skip(entries, needless)
    lead = decisive if decisive in entries else entries[-1]
    covered = tuple(entry for entry in entries if entry is not lead)
    write = Write(
        lead,
        desired,
        covered,
        confirm=turn.confirm,
        newest=max(news, key=_number).event.message_id,
        doubtful=doubtful,
    )
    return Decision(as_known(write) if _was_tried(turn) else write)


def decide_log(turn: outbox.Turn) -> Decision:
    """Decide for a directory that appends each event."""
    entries = turn.readable
    if not entries:
        return Decision()
    (entry,) = entries
    desired = state.merge([*turn.taken, entry])
    if not desired.final and _unregisters(
        other for other in turn.removals if other.number < entry.number
    ):
        return _skip(entries, _UNREGISTERED)
    if turn.taken:
        earlier = state.merge(turn.taken)
        if earlier.final:
            return _skip(entries, _UNREGISTERED)
        if _same(desired, earlier) or (
            entry.event.verb is not events.Verb.RESTORE
            and _alike(desired, earlier)
        ):
            return _skip(entries, _UNCHANGED)
    return Decision(Write(entry, desired))


def skip_elsewhere(turn: outbox.Turn) -> Decision:
    """Skip what is for another directory."""
    return Decision(
        skipped=tuple(
            (entry, f"for directory {entry.directory} only")
            for entry in turn.elsewhere
        )
    )


def is_late(write: Write, now: float, late_after: float) -> bool:
    """Return whether Nova is to be asked before this is written.

    An old event may have been overtaken by one that took another way. The
    age of one that comes from the future is unknown, and so is which of two
    events is older where a wrong clock has dated them. And Nova reports the
    end of a delete even when the delete failed, except where the instance is
    seen to be deleted, which is final. A removal to confirm was checked
    before.

    :param late_after: seconds
    """
    desired = write.desired
    if write.confirm or desired.final:
        return False
    return (
        write.doubtful
        or desired.verb is events.Verb.SOFT_UNREGISTER
        or not -outbox.TOLERATED_LEAD <= now - desired.as_of <= late_after
    )


def as_known(write: Write) -> Write:
    """Mark a write: the directory may have the state, or one before."""
    known = dataclasses.replace(write.desired, known=True)
    return dataclasses.replace(write, desired=known)


def corrected(write: Write, answer: events.HostState) -> Write:
    """Replace a late state by Nova's answer, which has no names of users.

    It has the time of the events: no clock but Nova's orders what is written.
    """
    record = answer.record.completed(write.desired.record)
    as_of = write.desired.as_of
    return dataclasses.replace(
        write,
        desired=dataclasses.replace(
            answer, record=record, as_of=as_of, known=write.desired.known
        ),
        nova_answer=f"late event, corrected from Nova: {answer.verb}",
        contradicts_outbox=answer.verb.removes != write.desired.verb.removes,
    )


def _was_tried(turn: outbox.Turn) -> bool:
    """Return whether a directory was given a state of an instance before."""
    return any(not entry.event.verb.removes for entry in turn.taken) or any(
        entry.deferrals for entry in turn.entries
    )


def _why_not_confirmed(
    turn: outbox.Turn, desired: events.HostState, decisive: outbox.Entry
) -> str:
    """Return why a removal needs no second one; empty if it does.

    A later one is confirmed by itself, unless Nova denied it.
    """
    if not desired.verb.removes:
        return _RESTORED
    if not desired.final and (
        decisive.happened_at > turn.readable[-1].happened_at
    ):
        return _REMOVED_SINCE
    return ""


def _is_taken(
    turn: outbox.Turn, desired: events.HostState, decisive: outbox.Entry
) -> bool:
    """Return whether the directory has taken that state, or a later one.

    It is not enough that the earlier state looks the same. Once a clock was
    ahead, all states have its time; and what Nova has denied was not written.
    """
    if not turn.taken:
        return False
    last = state.latest(turn.taken)
    if last.event.verb is not desired.verb:
        return False
    return _same(desired, state.merge(turn.taken, turn.horizon)) and (
        desired.final or last.happened_at == decisive.happened_at
    )


def _number(entry: outbox.Entry) -> int:
    return entry.number


def _skip(entries: list[outbox.Entry], reason: str) -> Decision:
    return Decision(skipped=tuple((entry, reason) for entry in entries))


def _unregisters(entries: Iterable[outbox.Entry]) -> bool:
    return any(entry.event.verb is events.Verb.UNREGISTER for entry in entries)


def _same(one: events.HostState, other: events.HostState) -> bool:
    """Return whether two states are equal, and of the same time.

    What is final has no time.
    """
    return (one.final and other.final) or (
        one.as_of == other.as_of
        and one.verb is other.verb
        and (one.verb.removes or one.record == other.record)
    )


def _alike(one: events.HostState, other: events.HostState) -> bool:
    """Return whether a log, which has six keys, would have the same line."""
    if one.verb.removes or other.verb.removes:
        return one.verb.removes and other.verb.removes
    return one.record.essentials() == other.record.essentials()
