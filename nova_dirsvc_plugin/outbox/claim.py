# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a directory should do next, read from an outbox in one go."""

import collections
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import rows, sql
from nova_dirsvc_plugin.outbox.values import Claim, Entry, Turn

#: Seconds: no wait of a deferred entry is as long.
FAR = 3600.0

#: Numbers of one instance's entries -> (attempts, deferrals).
_Counts = dict[int, tuple[int, int]]


def claim(
    database: sqlite3.Connection,
    directory: str,
    limit: int,
    now: float,
    in_turn: bool,
) -> Claim:
    """Read the next turns of a directory; see :meth:`Outbox.claim`."""
    due = database.execute(sql.DUE, (directory, now, limit // 2)).fetchall()
    due += database.execute(
        sql.OUT_OF_TIME, (directory, now + FAR, limit // 2)
    ).fetchall()
    repeats = database.execute(
        sql.REPEATS, (directory, now, max(1, limit // 4))
    ).fetchall()
    position = _position(database, directory)
    room = max(1, limit - len(due) - len(repeats))
    fresh = database.execute(sql.FRESH, (directory, position, room)).fetchall()

    chosen: dict[str, _Counts] = collections.defaultdict(dict)
    repeated: dict[str, _Counts] = {}
    waiting = []
    joined = {instance for _, instance, _, _ in due}
    late: dict[str, _Counts] = collections.defaultdict(dict)
    for number, instance, blocked in fresh:
        position = number
        if instance in joined and not in_turn:
            late[instance][number] = (0, 0)
        elif blocked or (in_turn and chosen[instance]):
            waiting.append((number, instance))
        else:
            chosen[instance][number] = (0, 0)
    # What was put off most often comes last: if it is what breaks the
    # connection, the others have been served.
    due.sort(key=lambda row: row[3])
    for number, instance, attempts, deferrals in due:
        chosen[instance][number] = (attempts, deferrals)
    if not in_turn:
        for number, instance, attempts, deferrals in database.execute(
            sql.WAITING, (directory, json.dumps(list(joined)))
        ):
            chosen[instance][number] = (attempts, deferrals)
        for instance, counts in late.items():
            chosen[instance] |= counts
    for number, instance, attempts, deferrals in repeats:
        if instance not in chosen:
            repeated[instance] = {number: (attempts, deferrals)}

    told = _histories(database, directory, [*chosen, *repeated])
    turns = [
        _turn(told.get(instance, ()), counts, repeat)
        for counted, repeat in ((chosen, False), (repeated, True))
        for instance, counts in counted.items()
    ]
    return Claim([turn for turn in turns if turn.entries], waiting, position)


def _histories(
    database: sqlite3.Connection, directory: str, instances: Sequence[str]
) -> Mapping[str, Sequence[Any]]:
    found: dict[str, list[Any]] = collections.defaultdict(list)
    for row in database.execute(
        sql.HISTORY, (directory, json.dumps(instances), directory)
    ):
        found[row[6]].append(row)
    return found


def _turn(told: Sequence[Any], counts: _Counts, repeat: bool) -> Turn:
    entries: list[Entry] = []
    before: list[events.Event] = []
    after: list[events.Event] = []
    for row in told:
        number, buried = row[0], row[10]
        if number in counts:
            entries.append(rows.entry(row, *counts[number]))
            continue
        entry = rows.entry(row)
        # What is refused is not how things stand; an unregister is.
        if entry.unreadable or (buried and not entry.event.verb.removes):
            continue
        (after if entries else before).append(entry.event)
    return Turn(entries, before, after, repeat)


def _position(database: sqlite3.Connection, directory: str) -> int:
    row = database.execute(
        "SELECT number FROM position WHERE directory = ?", (directory,)
    ).fetchone()
    return 0 if row is None else int(row[0])
