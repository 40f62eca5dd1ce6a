# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the entries that a directory gets next.

What was deferred and is due, what is to be confirmed, and what is new.
"""

import dataclasses
import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import Any

from nova_dirsvc_plugin.outbox import counts, rows, sql
from nova_dirsvc_plugin.outbox.values import Claim

#: Seconds: a deferred entry never waits longer.
MAX_WAIT = 3600.0

#: Deferred entries of one instance in a claim: one that has thousands leaves
#: room for the others.
EACH = 64

#: Numbers of one instance's entries -> (attempts, deferrals, set back).
Counts = dict[int, tuple[int, int, bool]]
UNTRIED = (0, 0, False)


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """The entries that were chosen, by their instance.

    :ivar waiting: see :class:`~nova_dirsvc_plugin.outbox.values.Claim`, as
        for ``position`` and ``deferred``
    """

    deliver: dict[str, Counts]
    confirm: dict[str, Counts]
    waiting: list[tuple[int, str]]
    position: int
    deferred: list[str]

    @property
    def instances(self) -> frozenset[str]:
        """Those that have something in it."""
        waiting = (instance for _, instance in self.waiting)
        return frozenset((*self.deliver, *self.confirm, *waiting))


def select(
    database: sqlite3.Connection,
    directory: str,
    limit: int,
    now: float,
    one_each: bool,
    under_way: Claim | None,
) -> Selection:
    """Choose entries; see :meth:`Outbox.claim`."""
    held = under_way.instances if under_way else frozenset()
    due = _due(database, directory, limit, now, held)
    confirm = _to_confirm(database, directory, limit, now, held)
    deferred: dict[str, Counts] = {}
    _add(deferred, due)
    if not one_each:
        values = {
            "directory": directory,
            "instances": json.dumps(list(deferred)),
            "each": EACH,
        }
        _add(deferred, database.execute(sql.OPEN, values))
    room = max(1, limit - len(due) - len(confirm))
    chosen = _with_fresh(
        database, directory, deferred, room, one_each, under_way
    )
    _add(
        chosen.confirm,
        (row for row in confirm if row["instance_uuid"] not in chosen.deliver),
    )
    return chosen


def _with_fresh(
    database: sqlite3.Connection,
    directory: str,
    deferred: dict[str, Counts],
    room: int,
    one_each: bool,
    under_way: Claim | None,
) -> Selection:
    """Add what is new to what was deferred.

    What is for another directory waits behind nothing.
    """
    fresh: dict[str, Counts] = {}
    elsewhere, waiting = [], []
    if under_way:
        position = under_way.position
    else:
        position = counts.position(database, directory)
    values = {"directory": directory, "position": position, "limit": room}
    for row in database.execute(sql.FRESH, values):
        instance = rows.text(row["instance_uuid"])
        if under_way and instance in under_way.instances:
            break
        position = row["number"]
        if row["elsewhere"]:
            elsewhere.append((position, instance))
        elif (
            len(deferred.get(instance, ())) in range(1, EACH) and not one_each
        ):
            deferred[instance][position] = UNTRIED
        elif row["blocked"] or (one_each and instance in fresh):
            waiting.append((position, instance))
        else:
            fresh.setdefault(instance, {})[position] = UNTRIED
    deliver = fresh | deferred
    for number, instance in elsewhere:
        deliver.setdefault(instance, {})[number] = UNTRIED
    return Selection(deliver, {}, waiting, position, [*deferred])


def _due(
    database: sqlite3.Connection,
    directory: str,
    limit: int,
    now: float,
    held: Collection[str],
) -> list[sqlite3.Row]:
    """Read deferred entries that are due.

    What was deferred most often comes last: if it is what breaks the
    connection, the others have been delivered.
    """
    values = {
        "directory": directory,
        "now": now,
        "latest": now + MAX_WAIT,
        "limit": limit // 2,
    }
    due = [
        row
        for statement in (
            sql.DUE,
            sql.DUE_SET_BACK,
            sql.DUE_DAMAGED,
            sql.DUE_NO_TIME,
        )
        for row in _not_held(database, statement, values, held)
    ]
    due.sort(key=lambda row: row["deferrals"])
    return due


def _to_confirm(
    database: sqlite3.Connection,
    directory: str,
    limit: int,
    now: float,
    held: Collection[str],
) -> list[sqlite3.Row]:
    """Read removals that are to be confirmed by now."""
    values = {
        "directory": directory,
        "now": now,
        "limit": max(1, limit // 4),
    }
    return [
        row
        for statement in (sql.CONFIRM, sql.CONFIRM_SET_BACK)
        for row in _not_held(database, statement, values, held)
    ]


def _not_held(
    database: sqlite3.Connection,
    statement: str,
    values: dict[str, Any],
    held: Collection[str],
) -> list[sqlite3.Row]:
    """Read so many rows of instances that are not under way."""
    limit = values["limit"]
    found = database.execute(
        statement, values | {"limit": limit + len(held)}
    ).fetchall()
    return [
        row for row in found if rows.text(row["instance_uuid"]) not in held
    ][:limit]


def _add(group: dict[str, Counts], found: Iterable[sqlite3.Row]) -> None:
    for row in found:
        numbers = group.setdefault(rows.text(row["instance_uuid"]), {})
        numbers[row["number"]] = (
            row["attempts"],
            row["deferrals"],
            bool(row["set_back"]),
        )
