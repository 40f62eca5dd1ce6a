# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox from the side of an operator: look, try again, give up.

Unlike a source or the daemon, it makes no outbox and brings none up to date:
it looks at what is there. Each decision is a short transaction of its own,
so that Nova and the daemon, which write meanwhile, hardly wait.
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
from nova_dirsvc_plugin.outbox import rows, schema, sql, views
from nova_dirsvc_plugin.outbox.values import OutboxError, Parked

#: Decisions in one transaction; a Nova that waits is served in between.
PORTION = 200

#: Reads a stored notification: its context and itself.
Read = Callable[
    [Mapping[str, Any], Mapping[str, Any]], events.Event | Parked | None
]

#: What to do about an error of SQLite, by its primary code.
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process writes for long: try again",
    sqlite3.SQLITE_CANTOPEN: "be root, or of the group of its folder",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "be root, or of the group of its folder",
}

_AGAIN = """
UPDATE exception
SET state = 'deferred', attempts = 0, deferrals = 0, not_before = 0,
  reason = ''
WHERE directory = ? AND number = ? AND state = 'buried'
"""

#: With those that it waits for.
_NOW = """
UPDATE exception SET not_before = 0
WHERE directory = ?1 AND state = 'deferred' AND number <= ?2
  AND instance_uuid = ?3
  AND EXISTS (SELECT 1 FROM exception AS x WHERE x.directory = ?1
    AND x.number = ?2 AND x.state = 'deferred')
"""

_GIVE_UP = """
DELETE FROM exception
WHERE directory = ? AND number = ? AND state IN ('buried', 'deferred')
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Readout:
    """What came of reading a parked notification again.

    :ivar number: the entry that it is now; None when it stays parked
    :ivar reason: why it stays
    """

    number: int | None
    reason: str = ""


class Desk:
    """One outbox that is there.

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

    @contextlib.contextmanager
    def look(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one moment, whoever writes.

        :raises OutboxError: it cannot be read
        """
        with self._transaction("BEGIN") as database:
            yield database

    def retry(self, items: Iterable[views.Item]) -> list[views.Item]:
        """Have entries delivered again: a buried one afresh, a deferred now.

        :returns: those for which that was possible still
        :raises OutboxError: it cannot be written; some may be done
        """
        return self._decide(items, "retried", _retry)

    def drop(self, items: Iterable[views.Item]) -> list[views.Item]:
        """Give up what is buried, deferred or parked.

        :returns: those for which that was possible still
        :raises OutboxError: it cannot be written; some may be done
        """
        return self._decide(items, "dropped", _drop)

    def read_again(self, number: int, read: Read) -> Readout | None:
        """Make an entry of a parked notification, if it can be understood.

        :returns: None when there is no such parked notification
        :raises OutboxError: it cannot be written
        """
        with self._transaction("BEGIN IMMEDIATE") as database:
            parking = views.parking(database, number)
            if parking is None:
                return None
            event = _understood(parking.notification, read)
            if isinstance(event, str):
                database.execute(
                    "UPDATE parked SET reason = ? WHERE number = ?",
                    (event, number),
                )
                return Readout(None, event)
            now = self._clock()
            database.execute(sql.STORE, rows.of_event(event, now))
            (entry,) = database.execute(
                "SELECT number FROM entry WHERE message_id = ?",
                (event.message_id,),
            ).fetchone()
            database.execute(
                "INSERT INTO journal (number, directory, what, reason, times,"
                " first_at, last_at) VALUES (?, '', 'parked', ?, 1, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (entry, parking.reason, parking.stored_at, now),
            )
            database.execute("DELETE FROM parked WHERE number = ?", (number,))
            return Readout(int(entry))

    def _decide(
        self,
        items: Iterable[views.Item],
        what: str,
        decide: Callable[[sqlite3.Connection, views.Item], bool],
    ) -> list[views.Item]:
        decided = []
        rest = iter(items)
        while portion := list(itertools.islice(rest, PORTION)):
            now = self._clock()
            with self._transaction("BEGIN IMMEDIATE") as database:
                done = [item for item in portion if decide(database, item)]
                database.executemany(
                    sql.NOTE,
                    [
                        (item.number, item.directory, what, "", now, now)
                        for item in done
                        if item.progress is not views.Progress.PARKED
                    ],
                )
            decided += done
        return decided

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(self._open()) as database:
                database.execute(begin)
                yield database
                database.execute("COMMIT")
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
        """Open the file that is there.

        :raises OutboxError: there is none, or this user may not read it
        """
        try:
            self.path.open("rb").close()
        except FileNotFoundError as error:
            raise OutboxError(
                f"there is no outbox {self.path}: Nova's services and"
                " nova-dirsvc-sync make it where [nova_dirsvc] outbox says;"
                " --config-file or --outbox names another"
            ) from error
        except PermissionError as error:
            raise OutboxError(
                f"outbox {self.path} is not for this user: be root, or of the"
                " group of its folder"
            ) from error
        database = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
        )
        # Text that is spoilt is to be seen.
        database.text_factory = lambda raw: raw.decode(errors="replace")
        try:
            _check(database)
            database.execute("PRAGMA synchronous = FULL")
        except BaseException:
            database.close()
            raise
        return database


def _check(database: sqlite3.Connection) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID:
        raise schema.NotAnOutbox("not an outbox")
    if version < len(schema.MIGRATIONS):
        raise schema.NotAnOutbox(
            f"of an older release (version {version}): nova-dirsvc-sync of"
            " this release brings it up to date when it starts"
        )
    if version > len(schema.MIGRATIONS):
        raise schema.NotAnOutbox(
            f"of a newer release (version {version}): upgrade"
            " nova-dirsvc-plugin here"
        )


def _retry(database: sqlite3.Connection, item: views.Item) -> bool:
    key = item.directory, item.number
    if item.progress is views.Progress.BURIED:
        return database.execute(_AGAIN, key).rowcount > 0
    if item.progress is views.Progress.DEFERRED:
        values = (*key, item.instance_uuid)
        return database.execute(_NOW, values).rowcount > 0
    return False


def _drop(database: sqlite3.Connection, item: views.Item) -> bool:
    if item.progress is views.Progress.PARKED:
        statement: str = "DELETE FROM parked WHERE number = ?"
        return database.execute(statement, (item.number,)).rowcount > 0
    key = item.directory, item.number
    return database.execute(_GIVE_UP, key).rowcount > 0


def _understood(
    notification: Mapping[str, Any] | str, read: Read
) -> events.Event | str:
    """Give the event, or why there is none."""
    if isinstance(notification, str):
        return "what was stored of the notification is spoilt"
    context = notification.get("ctxt")
    result = read(context if isinstance(context, dict) else {}, notification)
    if isinstance(result, Parked):
        return result.reason
    return result or "by this release it asks for nothing of a directory"
