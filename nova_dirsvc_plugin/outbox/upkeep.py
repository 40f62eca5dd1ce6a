# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps an outbox small, and makes no writer wait for that.

What can go is looked up without a lock, and goes a few rows at a time, with
a pause after each as long as it took.
"""

import logging
import pathlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence

from nova_dirsvc_plugin.outbox import connection, schema, sql

LOG = logging.getLogger(__name__)

#: Rows that go in one transaction, some milliseconds.
PORTION = 50

#: Bytes: the daemon warns of a write-ahead log of this size.
LARGE_LOG = 64 * 2**20


def purge(
    session: connection.Session,
    directories: Sequence[str],
    before: float,
    pause: Callable[[float], object] = time.sleep,
) -> int:
    """Delete what is past its retention; see :meth:`Outbox.purge`.

    :param pause: waits so many seconds
    """
    total = 0
    place = {"at": float("-inf"), "number": 0}
    while True:
        began = time.monotonic()
        with session as database:
            done = _settled_by_all(database, directories)
            found = database.execute(
                sql.OLD, {**place, "before": before, "limit": PORTION}
            ).fetchall()
        if not found:
            break
        place = {"at": found[-1]["stored_at"], "number": found[-1]["number"]}
        gone = [
            (row["number"],)
            for row in found
            if row["number"] <= done and not row["kept"]
        ]
        if gone:
            with session.transaction() as database:
                database.executemany(sql.PURGE_SUMMARY, gone)
                total += database.executemany(sql.PURGE, gone).rowcount
                database.executemany(sql.PURGE_JOURNAL, gone)
            pause(time.monotonic() - began)
    for statement in (sql.PURGE_ORIGIN, sql.PURGE_REPAIRS, sql.PURGE_RUNS):
        _purge_by(statement, session, before, pause)
    return total


def _purge_by(
    statement: str,
    session: connection.Session,
    before: float,
    pause: Callable[[float], object],
) -> None:
    """Delete what a statement finds, a portion at a time."""
    rest = PORTION
    while rest == PORTION:
        began = time.monotonic()
        with session.transaction() as database:
            rest = database.execute(statement, (before, PORTION)).rowcount
        pause(time.monotonic() - began)


def shrink_log(session: connection.Session, path: pathlib.Path) -> None:
    """Give back the room of a write-ahead log; see :meth:`Outbox.shrink_log`.

    What is in it is copied without a lock, and it is emptied only if nobody
    uses it at that moment.
    """
    log = path.with_name(f"{path.name}-wal")
    with session as database:
        if log.stat().st_size <= schema.LOG_SIZE:
            return
        session.let_wait(0)
        _, frames, copied = database.execute(
            "PRAGMA wal_checkpoint(PASSIVE)"
        ).fetchone()
        if frames == copied:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = log.stat().st_size
    if size > LARGE_LOG:
        LOG.warning(
            "Outbox %s: the write-ahead log has %d MiB. It gets smaller when"
            " no other program reads the outbox for long: end what does",
            path,
            size >> 20,
        )


def _settled_by_all(
    database: sqlite3.Connection, directories: Iterable[str]
) -> int:
    """Return the number up to which no directory has anything to do."""
    known = dict(database.execute("SELECT directory, number FROM position"))
    positions = [
        *known.values(),
        *(known.get(name, 0) for name in directories),
    ]
    return min(positions, default=0)
