# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The transactions of one connection that write, each in its turn."""

import contextlib
import pathlib
import sqlite3
import time

from nova_dirsvc_plugin.outbox import schema, turn

#: Rows that are written before what is in the write-ahead log is copied, which
#: are some 4 MiB; and where it is larger than it should be.
COPY_AFTER = 125
COPY_LARGE_AFTER = 16

#: Bytes. The log begins anew once all of it is copied: where others write all
#: the time, they wait for that when it is so large.
LARGE_LOG = 4 * schema.LOG_SIZE


class Transactions:
    """Begins and commits, for one thread at a time.

    :param path: of the outbox
    :param timeout: seconds to wait for others
    """

    def __init__(self, path: pathlib.Path, timeout: float) -> None:
        self._queue = turn.Queue(path)
        self._timeout = timeout
        self._written = 0

    def begin(self, database: sqlite3.Connection) -> None:
        """Begin when it is our turn among the writers of all processes.

        :raises sqlite3.Error: that is not possible, or takes too long
        """
        deadline = time.monotonic() + self._timeout
        # Without its turn, SQLite lets it in when it likes.
        with contextlib.suppress(OSError):
            self._queue.enter()
        while True:
            try:
                database.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if (
                    not has_code(error, sqlite3.SQLITE_BUSY)
                    or time.monotonic() > deadline
                ):
                    raise

    def commit(self, database: sqlite3.Connection, log_size: int) -> None:
        """Commit, let the next one in, and copy the log if it is long.

        SQLite itself would copy within the commit, and all would wait.

        :param log_size: bytes of the write-ahead log, as last seen
        :raises sqlite3.Error: it is not committed
        """
        database.execute("COMMIT")
        if log_size < LARGE_LOG:
            self._queue.leave()
        rows = database.total_changes - self._written
        enough = COPY_LARGE_AFTER if log_size > schema.LOG_SIZE else COPY_AFTER
        if not 0 <= rows < enough:
            self._written += rows
            copy_log(database)
        self._queue.leave()

    def leave(self) -> None:
        """Let the next one in, whatever became of the transaction."""
        self._queue.leave()

    def close(self) -> None:
        """Keep nothing open."""
        self._queue.close()


def copy_log(database: sqlite3.Connection) -> None:
    """Copy the write-ahead log, so that it can begin anew; nobody waits."""
    # What fails here is not lost, and fails or succeeds another time.
    with contextlib.suppress(sqlite3.Error):
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")


def has_code(error: BaseException | None, code: int) -> bool:
    """Return whether it is this primary error code of SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == code
