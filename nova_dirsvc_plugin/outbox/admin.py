# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox from the side of an operator: list, retry, drop, forget.

Unlike a source or the daemon, it makes no outbox and brings none up to date.
Each decision is a short transaction of its own, so that Nova and the daemon,
which write meanwhile, hardly wait.
"""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import (
    poke,
    queries,
    schema,
    sql,
    transactions,
    turn,
)
from nova_dirsvc_plugin.outbox.values import (
    OutboxError,
    State,
    event_row,
)

#: Decisions in one transaction; a Nova that waits is served in between.
PORTION = 200

#: Reads a stored notification: its context and itself.
Read = Callable[
    [Mapping[str, Any], Mapping[str, Any]], events.Event | events.Parked | None
]

#: What to do about an error of SQLite, by its primary code.
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process writes for long: try again",
    sqlite3.SQLITE_CANTOPEN: "be root, or of the group of its folder",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "be root, or of the group of its folder",
}


@dataclasses.dataclass(frozen=True, slots=True)
class ReparseResult:
    """What came of reading a parked notification again.

    :ivar number: the entry that it is now; None when it stays parked
    :ivar reason: why it stays
    """

    number: int | None
    reason: str = ""


class OutboxAdmin:
    """An outbox that exists.

    :param path: the SQLite file
    :param busy_timeout: seconds to wait for another process's commit
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        busy_timeout: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = pathlib.Path(path)
        self._busy_timeout = busy_timeout
        self._clock = clock
        self._poke = poke.Sender(self.path)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Return a connection that sees the outbox as of one moment.

        :raises OutboxError: it cannot be read
        """
        with self._transaction("BEGIN") as database:
            yield database

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Return a connection for one transaction that writes.

        :raises OutboxError: nothing of it is stored
        """
        with self._transaction("BEGIN IMMEDIATE") as database:
            yield database
        self._poke.send()

    def retry(self, items: Iterable[queries.Item]) -> list[queries.Item]:
        """Have entries delivered again, the deferred ones now.

        :returns: those that were still buried or deferred
        :raises OutboxError: it cannot be written; some may be done
        """
        return self._decide(
            items, State.WAITING, "retried by an operator", _retry
        )

    def drop(self, items: Iterable[queries.Item]) -> list[queries.Item]:
        """Drop what is buried, deferred or parked.

        :returns: those that still were
        :raises OutboxError: it cannot be written; some may be done
        """
        return self._decide(items, State.DROPPED, "", _drop)

    def forget(self, directory: str) -> None:
        """Remove what is kept for a directory; its own lock must be held.

        The entries are kept for the others, and for as long as those that
        were delivered. What is interrupted can be begun anew.

        :raises OutboxError: it cannot be written; some may be done
        """
        values = {"directory": directory, "limit": PORTION}
        for statement in (sql.FORGET_BACKLOG, sql.FORGET_SUMMARY):
            gone = PORTION
            while gone == PORTION:
                with self.transaction() as database:
                    gone = database.execute(statement, values).rowcount
        with self.transaction() as database:
            database.execute(sql.FORGET_POSITION, values)

    def reparse(self, number: int, read: Read) -> ReparseResult | None:
        """Make an entry of a parked notification, if it can be understood.

        :returns: None when there is no such parked notification
        :raises OutboxError: it cannot be written
        """
        with self.transaction() as database:
            parked = queries.parked(database, number)
            if parked is None:
                return None
            event = _parsed(parked.notification, read)
            if isinstance(event, str):
                database.execute(
                    "UPDATE parked SET reason = ? WHERE number = ?",
                    (event, number),
                )
                return ReparseResult(None, event)
            now = self._clock()
            database.execute(sql.STORE, event_row(event, now))
            (entry,) = database.execute(
                "SELECT number FROM entry WHERE message_id = ?",
                (event.message_id,),
            ).fetchone()
            database.execute(
                "INSERT INTO journal (number, directory, state, reason, times,"
                " first_at, last_at) VALUES (?, '', 'parked', ?, 1, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (entry, parked.reason, parked.stored_at, now),
            )
            database.execute("DELETE FROM parked WHERE number = ?", (number,))
            return ReparseResult(int(entry))

    def _decide(
        self,
        items: Iterable[queries.Item],
        state: State,
        reason: str,
        decide: Callable[[sqlite3.Connection, queries.Item], bool],
    ) -> list[queries.Item]:
        decided = []
        rest = iter(items)
        while portion := list(itertools.islice(rest, PORTION)):
            now = self._clock()
            with self.transaction() as database:
                done = [item for item in portion if decide(database, item)]
                database.executemany(
                    sql.NOTE,
                    [
                        (
                            item.number,
                            item.directory,
                            state.value,
                            reason,
                            now,
                            now,
                        )
                        for item in done
                        if item.state is not State.PARKED
                    ],
                )
            decided += done
        return decided

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        in_turn = turn.taken if begin != "BEGIN" else contextlib.nullcontext
        try:
            with contextlib.closing(self._open()) as database:
                with in_turn(self.path):
                    database.execute(begin)
                    yield database
                    database.execute("COMMIT")
                if begin != "BEGIN":
                    transactions.copy_log(database)
        except sqlite3.Error as error:
            advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
            sentence = f"outbox {self.path}: {error}"
            if advice:
                sentence += f"; {advice}"
            raise OutboxError(sentence) from error
        except OSError as error:
            raise OutboxError(
                f"outbox {self.path}: {error.strerror or error}"
            ) from error
        except schema.NotAnOutbox as error:
            raise OutboxError(f"outbox {self.path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        """Open the file.

        :raises OutboxError: there is none, or this user may not read it
        """
        try:
            return schema.connect(self.path, self._busy_timeout, create=False)
        except FileNotFoundError as error:
            raise OutboxError(
                f"there is no outbox {self.path}: Nova's services and"
                " nova-dirsvc-sync create it where [nova_dirsvc] outbox says;"
                " --config-file or --outbox names another"
            ) from error
        except PermissionError as error:
            raise OutboxError(
                f"outbox {self.path} is not for this user: be root, or of the"
                " group of its folder"
            ) from error


def _retry(database: sqlite3.Connection, item: queries.Item) -> bool:
    statement = {
        State.BURIED: sql.RETRY_BURIED,
        State.DEFERRED: sql.RETRY_DEFERRED,
    }.get(item.state)
    if statement is None:
        return False
    return database.execute(statement, _key(item)).rowcount > 0


def _drop(database: sqlite3.Connection, item: queries.Item) -> bool:
    parked = item.state is State.PARKED
    statement = sql.DROP_PARKED if parked else sql.DROP
    dropped = database.execute(statement, _key(item)).rowcount > 0
    database.execute(sql.WAKE, _key(item))
    return dropped


def _key(item: queries.Item) -> dict[str, str | int]:
    return {
        "directory": item.directory,
        "number": item.number,
        "instance_uuid": item.instance_uuid,
    }


def _parsed(
    notification: Mapping[str, Any] | str, read: Read
) -> events.Event | str:
    """Return the event, or the reason why it cannot be made."""
    if isinstance(notification, str):
        return "the stored notification is damaged"
    context = notification.get("ctxt")
    result = read(context if isinstance(context, dict) else {}, notification)
    if isinstance(result, events.Parked):
        return result.reason
    return result or "this release ignores notifications of this type"
