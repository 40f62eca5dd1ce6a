# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Which of an instance's entries can still decide anything. Pure.

An instance may have any number of entries. Once a claim has read many, the
numbers of those few are stored that are worth as much as all, whatever comes
after: the one that decides, those that fill in what others leave out, and
those that tell how far to believe a time.
"""

import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import entry as outbox_entry
from nova_dirsvc_plugin.outbox import values


def rank(entry: outbox_entry.Entry) -> tuple[bool, float, bool, str]:
    """Rank by finality, then by Nova's own time; no two are equal.

    Of two events of the same time, the removal decides: Nova reports the
    change of an instance that it deletes, never the other way round.
    """
    event = entry.event
    return (
        event.verb is events.Verb.UNREGISTER,
        entry.happened_at,
        event.verb.removes,
        event.message_id,
    )


def rows(
    directory: str, turns: Iterable[values.Turn], taken: Collection[int]
) -> list[dict[str, Any]]:
    """Return the values of ``sql.SUMMARISE`` for turns with many entries.

    :param taken: numbers of those claimed entries that are taken now
    """
    return [
        {
            "instance_uuid": turn.readable[0].event.instance_uuid,
            "directory": directory,
            "up_to": turn.up_to,
            "numbers": json.dumps(sorted(_numbers(turn, taken))),
        }
        for turn in turns
        if turn.up_to is not None and turn.readable
    ]


def _numbers(turn: values.Turn, taken: Collection[int]) -> set[int]:
    has = [*turn.taken]
    asks = [*turn.removals]
    for entry in turn.readable:
        if entry.number in taken:
            has.append(entry)
        elif entry.event.verb.removes:
            asks.append(entry)
    final = (
        entry.number
        for entry in asks
        if entry.event.verb is events.Verb.UNREGISTER
    )
    return {
        # At least one: what is settled later is added to a summary.
        turn.readable[-1].number,
        *_decisive(has),
        *_decisive([*has, *asks]),
        *sorted(final)[:1],
        *([turn.reliable] if turn.reliable else []),
    }


def _decisive(entries: Sequence[outbox_entry.Entry]) -> Iterator[int]:
    """Yield the numbers of those that a merge of all may rest on.

    That is, as long as the times that are ahead are believed, and after.
    """
    if not entries:
        return
    yield max(entry.number for entry in entries)
    yield max(entries, key=lambda entry: entry.event.occurred_at).number
    yield from _first(entries)
    if any(entry.ahead > outbox_entry.TOLERATED_LEAD for entry in entries):
        yield from _first(
            dataclasses.replace(
                entry, refuted=entry.ahead > outbox_entry.TOLERATED_LEAD
            )
            for entry in entries
        )


def _first(entries: Iterable[outbox_entry.Entry]) -> Iterator[int]:
    """Yield the numbers of the first by rank and of what completes it."""
    ranked = sorted(entries, key=rank, reverse=True)
    yield ranked[0].number
    for name in events.COMPLETED_TEXTS:
        yield from _one(
            entry for entry in ranked if getattr(entry.event.record, name)
        )
    yield from _one(
        entry for entry in ranked if entry.event.record.addresses is not None
    )


def _one(entries: Iterator[outbox_entry.Entry]) -> Iterator[int]:
    for entry in entries:
        yield entry.number
        return
