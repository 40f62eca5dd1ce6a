# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: what was stored is sent, whatever dies in between.

One SQLite file on local disk. Any number of processes, of any users of the
file's group, *put* events; one process a directory *claims* entries, hands
them on, and *settles* what became of them. An entry is durable when
:meth:`Outbox.put` returns (write-ahead log, full sync).

A directory's progress is a position, up to which every entry is settled,
and a row in ``exception`` for each entry below it that is not: deferred,
waiting behind a deferred one of its instance, or buried.
"""

import json
import os
import pathlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import connection, sql
from nova_dirsvc_plugin.outbox.values import Claim, Entry, Settlement, State

#: Seconds: no wait of a deferred entry is as long.
FAR = 3600.0


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

    def put(self, event: events.Event) -> int | None:
        """Store an event durably.

        :returns: the entry's number; None when the message is there already
        :raises OutboxError: not stored
        """
        return self._insert(
            "INSERT INTO entry (message_id, event_type, verb, instance_uuid,"
            " occurred_at, stored_at, request_id, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (message_id) DO NOTHING RETURNING number",
            (
                event.message_id,
                event.event_type,
                event.verb.value,
                event.instance_uuid,
                event.occurred_at,
                self._clock(),
                event.request_id,
                event.record.to_json(),
            ),
        )

    def park(
        self,
        notification: Mapping[str, Any],
        instance_uuid: str,
        reason: str,
    ) -> int | None:
        """Keep a notification that could not be understood.

        :param notification: what a later release needs to read it again;
            no token, no whole context
        :returns: its number; None when the message is there already
        :raises OutboxError: not stored
        """
        return self._insert(
            "INSERT INTO parked (message_id, event_type, instance_uuid,"
            " stored_at, reason, notification) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (message_id) DO NOTHING RETURNING number",
            (
                str(notification.get("message_id") or "") or None,
                str(notification.get("event_type")),
                instance_uuid,
                self._clock(),
                reason,
                json.dumps(notification, default=repr),
            ),
        )

    def parked(self) -> Sequence[tuple[int, str, str]]:
        """Give number, instance uuid and reason of what is parked."""
        with self._session as database:
            return database.execute(
                "SELECT number, instance_uuid, reason FROM parked"
                " ORDER BY number"
            ).fetchall()

    # -- dispatchers -------------------------------------------------------

    def claim(self, directory: str, limit: int) -> Claim:
        """Give the next entries of a directory, each of another instance.

        Nothing is written: until :meth:`settle`, another claim gives the
        same. So a directory has one dispatcher, and a dispatcher that dies
        leaves nothing behind.

        Half of the room is for what was put off before, and half for what
        is new: neither keeps the other from its turn.

        :param limit: entries to look at, at most; no less than 2
        :raises OutboxError: it cannot be read
        """
        limit, now = max(limit, 2), self._clock()
        with self._session as database:
            due = _entries(
                database.execute(
                    sql.DUE,
                    (directory, now, now + FAR, directory, limit // 2),
                )
            )
            position = _position(database, directory)
            fresh = database.execute(
                sql.FRESH, (directory, position, limit - len(due))
            ).fetchall()
        return _sort_out(due, fresh, position)

    def settle(
        self,
        directory: str,
        claim: Claim,
        settlements: Iterable[Settlement],
    ) -> None:
        """Store how a claim ended, in one transaction.

        :param settlements: one for each of ``claim.entries``
        :raises OutboxError: nothing of it is stored; the entries come again
        """
        done, kept = [], []
        for settlement in settlements:
            number = settlement.entry.number
            if settlement.state is State.DONE:
                done.append((directory, number))
            else:
                kept.append(_exception_row(directory, settlement))
        kept += [
            _exception_row(directory, Settlement(entry, State.DEFERRED))
            for entry in claim.waiting
        ]
        with self._session as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "DELETE FROM exception WHERE directory = ? AND number = ?",
                done,
            )
            database.executemany(sql.KEEP, kept)
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
            rows = database.execute(sql.BURIED, (directory,)).fetchall()
        return [(_entry(row[:-1]), row[-1]) for row in rows]

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
        total, gone = 0, -1
        while gone:
            with self._session as database:
                done = _settled_by_all(database, directories)
                gone = database.execute(sql.PURGE, (before, done)).rowcount
            total += gone
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

    def _insert(self, sql: str, values: tuple[Any, ...]) -> int | None:
        with self._session as database:
            row = database.execute(sql, values).fetchone()
        return None if row is None else int(row[0])


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


def _sort_out(
    due: Sequence[Entry], fresh: Sequence[Any], position: int
) -> Claim:
    """Part fresh rows into those to do now, those to wait, those too late.

    What was put off most often comes last: if it is what breaks the
    connection, the others have been served.
    """
    entries: list[Entry] = []
    waiting, late = [], []
    seen = {entry.event.instance_uuid for entry in due}
    for row in fresh:
        *columns, blocked, too_late = row
        entry = _entry(columns)
        position = entry.number
        if too_late:
            late.append(entry)
        elif blocked or entry.event.instance_uuid in seen:
            waiting.append(entry)
        else:
            entries.append(entry)
            seen.add(entry.event.instance_uuid)
    entries += sorted(due, key=lambda entry: entry.deferrals)
    return Claim(entries, waiting, late, position)


def _position(database: sqlite3.Connection, directory: str) -> int:
    row = database.execute(
        "SELECT number FROM position WHERE directory = ?", (directory,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _exception_row(
    directory: str, settlement: Settlement
) -> tuple[str | int | float, ...]:
    entry = settlement.entry
    return (
        directory,
        entry.number,
        entry.event.instance_uuid,
        settlement.state.value,
        settlement.attempts,
        settlement.deferrals,
        settlement.not_before,
        settlement.reason,
    )


def _entries(rows: Iterable[Any]) -> Sequence[Entry]:
    return [_entry(row) for row in rows]


def _entry(row: Sequence[Any]) -> Entry:
    (number, message_id, event_type, verb, occurred_at, request_id) = row[:6]
    (instance_uuid, stored, stored_at, attempts, deferrals) = row[6:11]
    unreadable = ""
    record = events.HostRecord(instance_uuid=instance_uuid)
    try:
        verb = events.Verb(verb)
        record = events.HostRecord.from_json(stored)
    except (ValueError, TypeError) as error:
        # To unregister, the uuid is enough.
        unreadable = "" if verb is events.Verb.UNREGISTER else str(error)
    event = events.Event(
        message_id=message_id,
        event_type=event_type,
        verb=verb,
        occurred_at=occurred_at,
        request_id=request_id,
        record=record,
    )
    return Entry(number, event, stored_at, attempts, deferrals, unreadable)
