# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads from the outbox what to deliver next to a directory."""

import collections
import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nova_dirsvc_plugin.outbox import rows, sql
from nova_dirsvc_plugin.outbox.values import (
    TOLERATED_LEAD,
    Claim,
    Entry,
    Turn,
)

#: Seconds: a deferred entry never waits longer.
MAX_WAIT = 3600.0

#: Seconds by which an event is taken to be ahead of the clocks here, at most.
LONGEST_LEAD = 86400.0

#: Numbers of one instance's entries -> (attempts, deferrals, set back).
_Counts = dict[int, tuple[int, int, bool]]
_UNTRIED = (0, 0, False)


@dataclasses.dataclass(frozen=True, slots=True)
class _Selection:
    """The entries that were chosen, by their instance; see :class:`Claim`."""

    deliver: dict[str, _Counts]
    confirm: dict[str, _Counts]
    waiting: list[tuple[int, str]]
    position: int


def claim(
    database: sqlite3.Connection,
    directory: str,
    limit: int,
    now: float,
    one_each: bool,
) -> Claim:
    """Read the next turns of a directory; see :meth:`Outbox.claim`."""
    chosen = _select(database, directory, limit, now, one_each)
    histories = _histories(
        database, directory, [*chosen.deliver, *chosen.confirm]
    )
    (latest,) = database.execute(sql.LATEST).fetchone()
    horizon = max(now, latest or 0.0) + LONGEST_LEAD
    groups = ((chosen.deliver, False), (chosen.confirm, True))
    turns = [
        _turn(histories.get(instance, ()), counts, confirm, one_each, horizon)
        for group, confirm in groups
        for instance, counts in group.items()
    ]
    turns = [
        *turns,
        *_lost(
            database, turns, [*chosen.deliver.items(), *chosen.confirm.items()]
        ),
    ]
    return Claim(
        [turn for turn in turns if turn.entries],
        chosen.waiting,
        chosen.position,
    )


def _select(
    database: sqlite3.Connection,
    directory: str,
    limit: int,
    now: float,
    one_each: bool,
) -> _Selection:
    """Choose entries: what is due, what is to be confirmed, what is new."""
    values = {
        "directory": directory,
        "now": now,
        "latest": now + MAX_WAIT,
        "limit": limit // 2,
    }
    due = [
        row
        for statement in (sql.DUE, sql.DUE_SET_BACK, sql.DUE_DAMAGED)
        for row in database.execute(statement, values)
    ]
    # What was deferred most often comes last: if it is what breaks the
    # connection, the others have been delivered.
    due.sort(key=lambda row: row["deferrals"])
    confirm = [
        row
        for statement in (sql.CONFIRM, sql.CONFIRM_SET_BACK)
        for row in database.execute(
            statement, values | {"limit": max(1, limit // 4)}
        )
    ]
    room = max(1, limit - len(due) - len(confirm))

    deferred: dict[str, _Counts] = {}
    _add(deferred, due)
    if not one_each:
        values["instances"] = json.dumps(list(deferred))
        _add(deferred, database.execute(sql.OPEN, values))
    fresh: dict[str, _Counts] = {}
    waiting = []
    position = _position(database, directory)
    values |= {"position": position, "limit": room}
    for row in database.execute(sql.FRESH, values):
        position = row["number"]
        instance = rows.text(row["instance_uuid"])
        if instance in deferred and not one_each:
            deferred[instance][position] = _UNTRIED
        elif row["blocked"] or (one_each and instance in fresh):
            waiting.append((position, instance))
        else:
            fresh.setdefault(instance, {})[position] = _UNTRIED
    deliver = fresh | deferred
    to_confirm: dict[str, _Counts] = {}
    _add(
        to_confirm,
        (row for row in confirm if row["instance_uuid"] not in deliver),
    )
    return _Selection(deliver, to_confirm, waiting, position)


def _add(group: dict[str, _Counts], found: Iterable[sqlite3.Row]) -> None:
    for row in found:
        counts = group.setdefault(rows.text(row["instance_uuid"]), {})
        counts[row["number"]] = (
            row["attempts"],
            row["deferrals"],
            bool(row["set_back"]),
        )


def _histories(
    database: sqlite3.Connection, directory: str, instances: Sequence[str]
) -> Mapping[str, Sequence[sqlite3.Row]]:
    found: dict[str, list[sqlite3.Row]] = collections.defaultdict(list)
    values = {
        "directory": directory,
        "instances": json.dumps(instances),
        "position": _position(database, directory),
    }
    for row in database.execute(sql.HISTORY, values):
        found[row["instance_uuid"]].append(row)
    return found


def _turn(
    history: Sequence[sqlite3.Row],
    counts: _Counts,
    confirm: bool,
    one_each: bool,
    horizon: float,
) -> Turn:
    """Split the history of an instance by what is to be settled."""
    entries: list[Entry] = []
    taken: list[Entry] = []
    removals: list[Entry] = []
    # From the latest on: it shows what to believe of those before.
    refuted = False
    for row in reversed(history):
        number = row["number"]
        entry = Entry.from_row(row, *counts.get(number, _UNTRIED))
        if entry.ahead > TOLERATED_LEAD:
            entry = dataclasses.replace(entry, refuted=refuted)
        elif not entry.unreadable:
            refuted = True
        if number in counts:
            entries.insert(0, entry)
        elif entry.unreadable:
            continue
        elif row["taken"]:
            taken.append(entry)
        elif entry.event.verb.removes:
            removals.append(entry)
    if one_each:
        first = min(counts)
        removals = [entry for entry in removals if entry.number < first]
    return Turn(entries, taken, removals, confirm, horizon)


def _lost(
    database: sqlite3.Connection,
    turns: Iterable[Turn],
    chosen: Iterable[tuple[str, _Counts]],
) -> Iterator[Turn]:
    """Return turns of what was chosen and is not found by its instance.

    The row, or the index that leads to it, is damaged.
    """
    found = {entry.number for turn in turns for entry in turn.entries}
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
            yield Turn([entry])


def _position(database: sqlite3.Connection, directory: str) -> int:
    row = database.execute(
        "SELECT CAST(number AS INTEGER) AS number FROM position"
        " WHERE directory = ?",
        (directory,),
    ).fetchone()
    return 0 if row is None else int(row["number"])
