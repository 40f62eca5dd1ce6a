# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Counts what is in an outbox."""

import dataclasses
import sqlite3

from nova_dirsvc_plugin.outbox import sql
from nova_dirsvc_plugin.outbox.values import State

#: Entries that are counted one by one.
MANY = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """The numbers of one directory.

    :ivar oldest: epoch seconds, when the oldest entry that is waiting or
        deferred was stored; None when there is none
    """

    position: int
    waiting: int
    deferred: int
    buried: int
    confirm: int
    oldest: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Totals:
    """The numbers of an outbox, whatever the states of its entries.

    :ivar last_stored: epoch seconds, when the latest entry was stored; None
        when there is none
    """

    entries: int
    parked: int
    last_stored: float | None


def totals(database: sqlite3.Connection) -> Totals:
    """Count all that is in the outbox."""
    return Totals(**database.execute(sql.TOTALS).fetchone())


@dataclasses.dataclass(frozen=True, slots=True)
class Latest:
    """The latest of Nova's events.

    :ivar stored_at: epoch seconds; None: there is none
    :ivar occurred_at: the same, by Nova's clock
    """

    number: int = 0
    stored_at: float | None = None
    occurred_at: float | None = None


def latest(database: sqlite3.Connection) -> Latest:
    """Return when the latest of Nova's events happened and was stored."""
    row = database.execute(sql.LATEST_EVENT).fetchone()
    return Latest(**row) if row else Latest()


def last_number(database: sqlite3.Connection) -> int:
    """Return the number of the latest entry: how many were ever stored."""
    return int(database.execute(sql.LAST_NUMBER).fetchone()[0])


def count(database: sqlite3.Connection, directory: str) -> Count:
    """Count the entries of one directory by their state."""
    read_up_to = position(database, directory)
    (latest,) = database.execute(sql.LAST_NUMBER).fetchone()
    many = latest - read_up_to > MANY
    fresh = database.execute(
        sql.COUNT_MANY_FRESH if many else sql.COUNT_FRESH,
        {"position": read_up_to},
    ).fetchone()
    (elsewhere,) = database.execute(
        sql.COUNT_ELSEWHERE,
        {"directory": directory, "position": read_up_to},
    ).fetchone()
    found = {
        State(row["state"]): row
        for row in database.execute(
            sql.COUNT_BACKLOG, {"directory": directory}
        )
    }

    def number_of(state: State) -> int:
        return int(found[state]["entries"]) if state in found else 0

    oldest = [fresh["oldest"]] + [
        found[state]["oldest"]
        for state in (State.WAITING, State.DEFERRED)
        if state in found
    ]
    return Count(
        position=read_up_to,
        waiting=fresh["entries"] - elsewhere + number_of(State.WAITING),
        deferred=number_of(State.DEFERRED),
        buried=number_of(State.BURIED),
        confirm=number_of(State.CONFIRM),
        oldest=min((at for at in oldest if at is not None), default=None),
    )


def position(database: sqlite3.Connection, directory: str) -> int:
    """Return the number up to which the entries were read."""
    row = database.execute(sql.POSITION, (directory,)).fetchone()
    return 0 if row is None else int(row[0])
