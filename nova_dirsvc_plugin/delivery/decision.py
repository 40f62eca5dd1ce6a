# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What an instance's turn asks of a directory: at most one write. Pure."""

import dataclasses

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import state

_KNOWN = "nothing new"
_TOO_LATE = "unregistered before"


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """What a directory is to be told.

    :ivar entry: the entry that it is done for
    :ivar wanted: how things stand
    :ivar covered: entries that it speaks for as well
    :ivar because: Nova's answer, where it was asked
    :ivar by_nova_alone: what is stored asks for something else
    :ivar repeat: it was told so once
    """

    entry: outbox.Entry
    wanted: state.Standing
    covered: tuple[outbox.Entry, ...] = ()
    because: str = ""
    by_nova_alone: bool = False
    repeat: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What to do in a turn.

    :ivar write: None when there is nothing to write
    :ivar skipped: the entries that need no write of their own, and why
    """

    write: Write | None = None
    skipped: tuple[tuple[outbox.Entry, str], ...] = ()


def by_total(turn: outbox.Turn) -> Decision:
    """Decide for a directory that holds how things stand.

    It is told what all that is stored of the instance adds up to, once for
    however many events; so it ends the same in whatever order they came.
    """
    entries = [entry for entry in turn.entries if not entry.unreadable]
    if not entries:
        return Decision()
    others = [*turn.before, *turn.after]
    told = [*others, *(entry.event for entry in entries)]
    wanted = state.total(told)
    assert wanted is not None  # noqa: S101 - there are entries
    if turn.repeat and not wanted.verb.removes:
        return _skip(entries, "restored since")
    if not turn.repeat and _same(wanted, state.total(others)):
        return _skip(entries, _TOO_LATE if wanted.final else _KNOWN)
    decisive = state.newest(told)
    lead = next(
        (entry for entry in entries if entry.event is decisive), entries[-1]
    )
    covered = tuple(entry for entry in entries if entry is not lead)
    return Decision(Write(lead, wanted, covered, repeat=turn.repeat))


def by_event(turn: outbox.Turn) -> Decision:
    """Decide for a directory that records what happens, event by event."""
    entries = [entry for entry in turn.entries if not entry.unreadable]
    if not entries:
        return Decision()
    (entry,) = entries
    earlier = state.total(turn.before)
    wanted = state.total([*turn.before, entry.event])
    assert wanted is not None  # noqa: S101 - there is an entry
    if earlier is not None:
        if earlier.final:
            return _skip(entries, _TOO_LATE)
        if _same(wanted, earlier) or (
            entry.event.verb is not events.Verb.RESTORE
            and _alike(wanted, earlier)
        ):
            return _skip(entries, _KNOWN)
    return Decision(Write(entry, wanted))


def is_late(wanted: state.Standing, now: float, late_after: float) -> bool:
    """Tell whether Nova is to be asked before this is written.

    News that is old may have been overtaken by news that went another way.
    And Nova says that a delete ended even when it failed, except where the
    instance is seen to be deleted, which is final.

    :param late_after: seconds
    """
    if wanted.final:
        return False
    return (
        wanted.verb is events.Verb.SOFT_UNREGISTER
        or now - wanted.as_of > late_after
    )


def corrected(write: Write, answer: state.Standing) -> Write:
    """Put Nova's answer in the place of late news; names it does not tell."""
    record = answer.record.completed(write.wanted.record)
    return dataclasses.replace(
        write,
        wanted=dataclasses.replace(answer, record=record),
        because=f"late, and Nova says {answer.verb}",
        by_nova_alone=answer.verb.removes != write.wanted.verb.removes,
    )


def _skip(entries: list[outbox.Entry], why: str) -> Decision:
    return Decision(skipped=tuple((entry, why) for entry in entries))


def _same(one: state.Standing, other: state.Standing | None) -> bool:
    """Tell whether one says what the other said, of the same time."""
    return (
        other is not None
        and one.as_of == other.as_of
        and one.verb is other.verb
        and (one.verb.removes or one.record == other.record)
    )


def _alike(one: state.Standing, other: state.Standing) -> bool:
    """Tell whether a log, which has the essentials, would say the same."""
    if one.verb.removes or other.verb.removes:
        return one.verb.removes and other.verb.removes
    return one.record.essentials() == other.record.essentials()
