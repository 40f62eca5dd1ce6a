# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: what was stored is sent, whatever dies in between.

One SQLite file on local disk. Any number of processes, of any users of the
file's group, *put* events; one process a directory *claims* entries, hands
them on, and *settles* what became of them. An entry is durable when
:meth:`Outbox.put` returns (write-ahead log, full sync).

A directory's progress is a position, and a row in ``backlog`` for each entry
up to there that is not in a final state. What was done about an entry, and
why, is in ``journal``. The states are those of :class:`State`. Of an instance
with many entries, ``summary`` names the few that can still decide.
"""

import dataclasses
import os
import pathlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import claim as claiming
from nova_dirsvc_plugin.outbox import (
    connection,
    counts,
    poke,
    settlement,
    sql,
    upkeep,
)
from nova_dirsvc_plugin.outbox.values import (
    Claim,
    OutboxError,
    Settlement,
    event_row,
    parked_row,
)

#: A request id that Nova never uses, and the size of a part of a batch in
#: bytes.
_ROOM = "room"
_BATCH_SIZE = 64 * 1024

#: What sources put.
Item = events.Event | events.Parked | events.Origin


class Outbox:
    """One outbox file, from the side of one process.

    Safe to share between threads; a forked child opens its own connection.

    :param path: the SQLite file; made, with its folder, when missing
    :param busy_timeout: seconds to wait for another writer's commit
    :param prompt: nothing is stored as long as :meth:`prepare` has to do
        what may take seconds
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        busy_timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
        *,
        prompt: bool = False,
    ) -> None:
        self.path = pathlib.Path(path)
        self._clock = clock
        self._session = connection.Session(
            self.path, busy_timeout, prompt=prompt
        )
        self._poke = poke.Sender(self.path)

    def prepare(self) -> None:
        """Do first what may take seconds; see ``Session.prepare``.

        :raises OutboxError: that cannot be done now
        """
        self._session.prepare()

    # -- sources -----------------------------------------------------------

    def put(self, item: Item) -> int | None:
        """Store an event, or a notification to park, durably.

        :returns: its number; None when the message is there already
        :raises OutboxError: not stored
        """
        return self.put_all([item])[0]

    def put_all(self, items: Iterable[Item]) -> list[int | None]:
        """Store many in one transaction; see :meth:`put`.

        :raises OutboxError: none of them is stored
        :raises ValueError: one of them can never be; none is stored
        """
        # Made before the transaction: others wait for that.
        insertions = [self._insertion(item) for item in items]
        with self._session.transaction() as database:
            numbers = [
                _insert(database, statement, values)
                for statement, values in insertions
            ]
        if any(numbers):
            self._poke.send()
        return numbers

    def _insertion(self, item: Item) -> tuple[str, dict[str, Any]]:
        now = self._clock()
        if isinstance(item, events.Parked):
            return sql.PARK, parked_row(item, now)
        if isinstance(item, events.Origin):
            return sql.NOTE_ORIGIN, dataclasses.asdict(item) | {
                "stored_at": now
            }
        return sql.STORE, event_row(item, now)

    # -- dispatchers -------------------------------------------------------

    def claim(
        self,
        directory: str,
        limit: int,
        one_each: bool = False,
        under_way: Claim | None = None,
    ) -> Claim:
        """Return the next turns of a directory, each of another instance.

        Nothing is written: until :meth:`settle`, another claim gives the
        same. So a directory has one dispatcher, and a dispatcher that dies
        leaves nothing behind.

        Half of the room is for what was put off before, and half for what
        is new: neither keeps the other from its turn.

        :param limit: maximum number of entries to read, at least 2
        :param one_each: one entry an instance, for a directory that appends
            each event; otherwise all of an instance, for one that holds
            their state
        :param under_way: the claim that is not settled yet, if there is one.
            Nothing of its instances is returned, and nothing that is new
            after an entry of theirs
        :raises OutboxError: it cannot be read
        """
        with self._session as database:
            if under_way:
                self._check_replaced(under_way)
            claim = claiming.claim(
                database,
                directory,
                max(limit, 2),
                self._clock(),
                one_each,
                under_way,
            )
            return dataclasses.replace(
                claim, generation=self._session.generation
            )

    def settle(
        self,
        directory: str,
        claim: Claim,
        settlements: Iterable[Settlement],
    ) -> None:
        """Store how a claim ended, in one transaction.

        It is stored in the file that the claim came from, or nowhere.

        :param settlements: one for each entry of the claim's turns
        :raises OutboxError: nothing of it is stored; the entries come again
        """
        rows = settlement.Rows(directory, claim, settlements, self._clock())
        with self._session.transaction() as database:
            self._check_replaced(claim)
            rows.store(database)

    def _check_replaced(self, claim: Claim) -> None:
        if claim.generation != self._session.generation:
            raise OutboxError(
                f"outbox {self.path} was replaced while entries of the old"
                " one were delivered"
            )

    def pending(self, directory: str) -> int:
        """Count the entries that are still to be delivered to a directory."""
        with self._session as database:
            count = counts.count(database, directory)
        return count.waiting + count.deferred

    def changes(self) -> int:
        """Return a number that moves when another process has written.

        It costs microseconds, so that it can be asked many times a second.

        :raises OutboxError: it cannot be read
        """
        with self._session as database:
            row = database.execute("PRAGMA data_version").fetchone()
        return int(row[0])

    def purge(self, directories: Sequence[str], before: float) -> int:
        """Delete entries that are final for every directory.

        :param directories: those in use here; those that another process
            has ever delivered to count as well
        :param before: epoch seconds; younger entries stay, so that a late
            register is still known to be late
        :returns: how many went
        """
        return upkeep.purge(self._session, directories, before)

    def shrink_log(self) -> None:
        """Give back the room of a write-ahead log that has grown.

        It grows while somebody reads the outbox for long; the log names one
        that cannot be made smaller.

        :raises OutboxError: it cannot be read
        """
        upkeep.shrink_log(self._session, self.path)

    def check_writable(self) -> None:
        """Check that this process may write here, without writing.

        :raises OutboxError: it may not
        """
        with self._session as database:
            # BEGIN IMMEDIATE does not fail on a file that is read-only for
            # this process; a statement that could write does.
            database.execute("DELETE FROM position WHERE directory IS NULL")

    def check_room(self) -> None:
        """Check that a batch can be stored, by writing as much as one.

        :raises OutboxError: it cannot
        """
        room = events.Origin(_ROOM, " " * _BATCH_SIZE)
        self.put(room)
        with self._session.transaction() as database:
            database.execute(
                "DELETE FROM origin WHERE request_id = ?", (_ROOM,)
            )

    def close(self) -> None:
        """Close this process's connection; the next call opens another."""
        self._session.close()


def _insert(
    database: sqlite3.Connection, statement: str, values: dict[str, Any]
) -> int | None:
    """Insert a row; return its number, None without one.

    :raises ValueError: no outbox can have this row
    """
    try:
        cursor = database.execute(statement, values)
    except (sqlite3.IntegrityError, sqlite3.DataError) as error:
        raise ValueError(str(error)) from error
    # Without RETURNING, which takes a sixth of the time of all of it.
    if statement is sql.NOTE_ORIGIN or not cursor.rowcount:
        return None
    return cursor.lastrowid
