# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: what was stored is sent, whatever dies in between.

One SQLite file on local disk. Any number of processes, of any users of the
file's group, *put* events; one process a directory *claims* entries, hands
them on, and *settles* what became of them. An entry is durable when
:meth:`Outbox.put` returns (write-ahead log, full sync).

A directory's progress is a position, up to which every entry is settled,
and a row in ``exception`` for each entry below it that is not: deferred,
waiting behind a deferred one of its instance, to be repeated, or buried.
What was done about an entry, and why, is in ``journal``.
"""

import os
import pathlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import claim as claiming
from nova_dirsvc_plugin.outbox import connection, rows, sql
from nova_dirsvc_plugin.outbox.values import (
    Claim,
    Entry,
    Parked,
    Settlement,
    State,
)

#: What a settled claim is called in the journal.
_WHAT = {
    State.DONE: "delivered",
    State.REPEAT: "delivered",
    State.SKIPPED: "skipped",
    State.DEFERRED: "deferred",
    State.BURIED: "buried",
}


class Outbox:
    """One outbox file, from the side of one process.

    Safe to share between threads; a forked child opens its own connection.

    :param path: the SQLite file; made, with its folder, when missing
    :param busy_timeout: seconds to wait for another writer's commit
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        busy_timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = pathlib.Path(path)
        self._clock = clock
        self._session = connection.Session(self.path, busy_timeout)

    # -- sources -----------------------------------------------------------

    def put(self, item: events.Event | Parked) -> int | None:
        """Store an event, or a notification to park, durably.

        :returns: its number; None when the message is there already
        :raises OutboxError: not stored
        """
        statement, values = self._insertion(item)
        with self._session as database:
            row = database.execute(statement, values).fetchone()
        return None if row is None else int(row[0])

    def put_all(
        self, items: Iterable[events.Event | Parked]
    ) -> list[int | None]:
        """Store many in one transaction; see :meth:`put`.

        :raises OutboxError: none of them is stored
        """
        numbers = []
        # Made before the transaction: others wait for that.
        insertions = [self._insertion(item) for item in items]
        with self._session as database:
            database.execute("BEGIN IMMEDIATE")
            for statement, values in insertions:
                row = database.execute(statement, values).fetchone()
                numbers.append(None if row is None else int(row[0]))
            database.execute("COMMIT")
        return numbers

    def note_origin(self, request_id: str, remote_address: str) -> None:
        """Keep from where a request came; it is joined to what it caused.

        :param request_id: Nova's ``req-…``
        :raises OutboxError: not stored
        """
        with self._session as database:
            database.execute(
                "INSERT INTO origin (request_id, remote_address, stored_at)"
                " VALUES (?, ?, ?) ON CONFLICT (request_id) DO NOTHING",
                (request_id, remote_address, self._clock()),
            )

    def _insertion(
        self, item: events.Event | Parked
    ) -> tuple[str, tuple[object, ...]]:
        now = self._clock()
        if isinstance(item, Parked):
            return sql.PARK, rows.of_parked(item, now)
        return sql.STORE, rows.of_event(item, now)

    def parked(self) -> Sequence[tuple[int, str, str]]:
        """Give number, instance uuid and reason of what is parked."""
        with self._session as database:
            return database.execute(
                "SELECT number, instance_uuid, reason FROM parked"
                " ORDER BY number"
            ).fetchall()

    # -- dispatchers -------------------------------------------------------

    def claim(
        self, directory: str, limit: int, in_turn: bool = False
    ) -> Claim:
        """Give the next turns of a directory, each of another instance.

        Nothing is written: until :meth:`settle`, another claim gives the
        same. So a directory has one dispatcher, and a dispatcher that dies
        leaves nothing behind.

        Half of the room is for what was put off before, and half for what
        is new: neither keeps the other from its turn.

        :param limit: entries to look at, at most; no less than 2
        :param in_turn: one entry an instance, for a directory that is told
            of every event; otherwise all that are new, for one that is told
            what they add up to
        :raises OutboxError: it cannot be read
        """
        with self._session as database:
            return claiming.claim(
                database, directory, max(limit, 2), self._clock(), in_turn
            )

    def settle(
        self,
        directory: str,
        claim: Claim,
        settlements: Iterable[Settlement],
    ) -> None:
        """Store how a claim ended, in one transaction.

        :param settlements: one for each entry of the claim's turns
        :raises OutboxError: nothing of it is stored; the entries come again
        """
        now = self._clock()
        done, kept, notes = [], [], []
        for one in settlements:
            number = one.entry.number
            if one.state in (State.DONE, State.SKIPPED):
                done.append((directory, number))
            else:
                kept.append(
                    _exception_row(
                        directory, number, one.entry.event.instance_uuid, one
                    )
                )
            notes.append((number, directory, _what(one), one.reason, now, now))
        kept += [
            _exception_row(directory, number, instance)
            for number, instance in claim.waiting
        ]
        with self._session as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "DELETE FROM exception WHERE directory = ? AND number = ?",
                done,
            )
            database.executemany(sql.KEEP, kept)
            database.executemany(sql.NOTE, notes)
            database.execute(sql.ADVANCE, (directory, claim.position))
            database.execute("COMMIT")

    def pending(self, directory: str) -> int:
        """Count what a directory still has to be told; buried is not."""
        with self._session as database:
            row = database.execute(
                sql.PENDING,
                (directory, directory),
            ).fetchone()
        return int(row[0])

    def buried(self, directory: str) -> Sequence[tuple[Entry, str]]:
        """Give the entries that a directory refused for good, and why."""
        with self._session as database:
            found = database.execute(sql.BURIED, (directory,)).fetchall()
        return [(rows.entry(row, *row[10:12]), row[12]) for row in found]

    def changes(self) -> int:
        """Give a number that moves when another process has written.

        It costs microseconds, so that it can be asked many times a second.

        :raises OutboxError: it cannot be read
        """
        with self._session as database:
            row = database.execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def purge(self, directories: Sequence[str], before: float) -> int:
        """Drop entries that every directory is done with.

        :param directories: those in use here; those that another process
            has ever delivered to count as well
        :param before: epoch seconds; younger entries stay, so that a late
            register is still known to be late
        :returns: how many went
        """
        total, gone = 0, [(0,)]
        while gone:
            with self._session as database:
                database.execute("BEGIN IMMEDIATE")
                done = _settled_by_all(database, directories)
                gone = database.execute(sql.PURGE, (before, done)).fetchall()
                database.executemany(
                    "DELETE FROM journal WHERE number = ?", gone
                )
                database.execute("COMMIT")
            total += len(gone)
        with self._session as database:
            database.execute(
                "DELETE FROM origin WHERE stored_at < ?", (before,)
            )
        return total

    def check_writable(self) -> None:
        """See that this process may write here, and write nothing.

        :raises OutboxError: it may not
        """
        with self._session as database:
            # BEGIN IMMEDIATE would say nothing against a file that is
            # read-only for us; a statement that could write does.
            database.execute("DELETE FROM position WHERE directory IS NULL")

    def close(self) -> None:
        """Close this process's connection; the next call opens another."""
        self._session.close()


def _settled_by_all(
    database: sqlite3.Connection, directories: Iterable[str]
) -> int:
    """Give the number up to which no directory has anything to do."""
    known = dict(database.execute("SELECT directory, number FROM position"))
    positions = [
        *known.values(),
        *(known.get(name, 0) for name in directories),
    ]
    return min(positions, default=0)


def _what(settlement: Settlement) -> str:
    """Say for the journal what was done; a repeat can be put off, too."""
    put_off = settlement.state is State.REPEAT and settlement.deferrals
    return "deferred" if put_off else _WHAT[settlement.state]


def _exception_row(
    directory: str,
    number: int,
    instance_uuid: str,
    settlement: Settlement | None = None,
) -> dict[str, str | int | float]:
    """Give the values of ``sql.KEEP``; without a settlement, of a wait."""
    row: dict[str, str | int | float] = {
        "directory": directory,
        "number": number,
        "instance": instance_uuid,
        "state": State.DEFERRED.value,
        "attempts": 0,
        "deferrals": 0,
        "not_before": 0.0,
        "reason": "",
    }
    if settlement:
        row |= {
            "state": settlement.state.value,
            "attempts": settlement.attempts,
            "deferrals": settlement.deferrals,
            "not_before": settlement.not_before,
            "reason": settlement.reason,
        }
    return row
