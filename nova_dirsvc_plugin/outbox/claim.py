# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads from the outbox what to deliver next to a directory."""

import collections
import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from nova_dirsvc_plugin.outbox import counts as counting
from nova_dirsvc_plugin.outbox import selection, sql
from nova_dirsvc_plugin.outbox.entry import TOLERATED_LEAD, Entry
from nova_dirsvc_plugin.outbox.values import Claim, Turn

#: Seconds by which an event is taken to be ahead of the clocks here, at most.
LONGEST_LEAD = 86400.0

#: Entries of one instance that a claim reads beside its own, in their order;
#: of an instance with more, so many of each kind that may decide; and how many
#: were read where a summary is to be made.
WINDOW = 64
FEW = 16
MANY = 16


def claim(
    database: sqlite3.Connection,
    directory: str,
    limit: int,
    now: float,
    one_each: bool,
    under_way: Claim | None,
) -> Claim:
    """Read the next turns of a directory; see :meth:`Outbox.claim`."""
    chosen = selection.select(
        database, directory, limit, now, one_each, under_way
    )
    groups = ((chosen.deliver, False), (chosen.confirm, True))
    read = _read(
        database, directory, chosen.deliver | chosen.confirm, limit + WINDOW
    )
    (latest,) = database.execute(sql.LATEST).fetchone()
    horizon = max(now, latest or 0.0) + LONGEST_LEAD
    turns = [
        _turn(directory, read[instance], counts, confirm, horizon)
        for group, confirm in groups
        for instance, counts in group.items()
    ]
    turns = [
        *turns,
        *_lost(
            database,
            directory,
            turns,
            [*chosen.deliver.items(), *chosen.confirm.items()],
        ),
    ]
    return Claim(
        [turn for turn in turns if turn.entries or turn.elsewhere],
        chosen.waiting,
        chosen.position,
        chosen.deferred,
        instances=chosen.instances,
    )


@dataclasses.dataclass(slots=True)
class _Read:
    """What a claim reads of one instance.

    :ivar numbers: those of its entries that are read
    :ivar up_to: no other one up to here can decide
    :ivar summarised: there is a summary, which what is settled belongs to
    :ivar rows: oldest first
    """

    numbers: set[int]
    up_to: int = 0
    summarised: bool = False
    rows: list[sqlite3.Row] = dataclasses.field(default_factory=list)


def _read(
    database: sqlite3.Connection,
    directory: str,
    chosen: Mapping[str, selection.Counts],
    window: int,
) -> Mapping[str, _Read]:
    """Read the entries of some instances that can decide."""
    found = {
        instance: _Read(set(counts)) for instance, counts in chosen.items()
    }
    values = {
        "directory": directory,
        "instances": json.dumps(list(found)),
        "window": window,
        "position": counting.position(database, directory),
    }
    after = collections.Counter[str]()
    for row in database.execute(sql.NUMBERS, values):
        one = found[row["instance_uuid"]]
        one.numbers.add(row["number"])
        if row["after"]:
            after[row["instance_uuid"]] += 1
            one.up_to = max(one.up_to, row["number"])
        else:
            one.summarised = True
    for instance in (name for name in after if after[name] == window):
        found[instance].numbers.update(
            row["number"]
            for row in database.execute(
                sql.NUMBERS_BEYOND,
                values | {"instance_uuid": instance, "few": FEW},
            )
        )
    numbers = set[int]().union(*(one.numbers for one in found.values()))
    values["numbers"] = json.dumps(sorted(numbers))
    for row in database.execute(sql.HISTORY, values):
        if row["instance_uuid"] in found:
            found[row["instance_uuid"]].rows.append(row)
    return found


def _turn(
    directory: str,
    read: _Read,
    counts: selection.Counts,
    confirm: bool,
    horizon: float,
) -> Turn:
    """Split the history of an instance by what is to be settled."""
    all_read = [
        Entry.from_row(row, *counts.get(row["number"], selection.UNTRIED))
        for row in read.rows
    ]
    reliable, ours = _believed(
        [entry for entry in all_read if entry.is_for(directory)]
    )
    taken = {row["number"] for row in read.rows if row["taken"]}
    others = [
        entry
        for entry in ours
        if entry.number not in counts and not entry.unreadable
    ]
    many = read.summarised or len(read.rows) > MANY
    return Turn(
        [entry for entry in ours if entry.number in counts],
        [entry for entry in others if entry.number in taken],
        [
            entry
            for entry in others
            if entry.number not in taken and entry.event.verb.removes
        ],
        confirm,
        horizon,
        reliable,
        read.up_to if many else None,
        [
            entry
            for entry in all_read
            if entry.number in counts and not entry.is_for(directory)
        ],
    )


def _believed(entries: Iterable[Entry]) -> tuple[int, list[Entry]]:
    """Return the latest whose time is not ahead, and all with what it shows.

    Those before it whose time is ahead are refuted.
    """
    reliable = max(
        (
            entry.number
            for entry in entries
            if entry.ahead <= TOLERATED_LEAD and not entry.unreadable
        ),
        default=0,
    )
    return reliable, [
        dataclasses.replace(entry, refuted=True)
        if entry.ahead > TOLERATED_LEAD and entry.number < reliable
        else entry
        for entry in entries
    ]


def _lost(
    database: sqlite3.Connection,
    directory: str,
    turns: Iterable[Turn],
    chosen: Iterable[tuple[str, selection.Counts]],
) -> Iterator[Turn]:
    """Return turns of what was chosen and is not found by its instance.

    The row, or the index that leads to it, is damaged.
    """
    found = {
        entry.number
        for turn in turns
        for entry in (*turn.entries, *turn.elsewhere)
    }
    for instance, counts in chosen:
        for number in counts.keys() - found:
            row = database.execute(sql.ENTRY, (number,)).fetchone()
            if row is None:
                entry = Entry.lost(number, instance, "its row is missing")
            else:
                entry = Entry.from_row(row, *counts[number])
            if entry.event.instance_uuid != instance and not entry.unreadable:
                entry = Entry.lost(
                    number, instance, "the backlog names another instance"
                )
            if entry.is_for(directory):
                yield Turn([entry])
            else:
                yield Turn((), elsewhere=[entry])
