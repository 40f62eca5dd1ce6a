# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""One process's connection to an outbox file.

Nova's conductor and scheduler fork their workers, maybe while a thread of
the parent stores an event: a child must not inherit a lock that nobody will
release.
"""

import os
import pathlib
import sqlite3
import threading
import weakref
from typing import Protocol

from nova_dirsvc_plugin.outbox import schema
from nova_dirsvc_plugin.outbox.values import OutboxError


class Renewable(Protocol):
    """An object with locks of its own."""

    def renew(self) -> None:
        """Make them anew."""


def renew_in_children(thing: Renewable) -> None:
    """Renew an object in each child that is forked from now on."""
    reference = weakref.ref(thing)

    def renew() -> None:
        alive = reference()
        if alive is not None:
            alive.renew()

    os.register_at_fork(after_in_child=renew)


class Session:
    """A context manager around each use of the file, for many threads.

    It opens the file when it is first needed, again in a forked child, and
    again when the file was removed or replaced; it rolls back what was
    left open, and translates errors.

    :param busy_timeout: seconds to wait for another process's commit
    """

    def __init__(self, path: pathlib.Path, busy_timeout: float) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._pid = 0
        self._inherited: list[sqlite3.Connection] = []
        renew_in_children(self)

    def renew(self) -> None:
        """Be usable in a forked child, whatever another thread held."""
        self._lock = threading.Lock()

    def __enter__(self) -> sqlite3.Connection:
        """Return the connection, for this thread alone.

        :raises OutboxError: the file cannot be opened
        """
        self._lock.acquire()
        try:
            return self._connected()
        except (sqlite3.Error, OSError, schema.NotAnOutbox) as error:
            self._lock.release()
            raise self._translated(error) from error

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        try:
            if error and self._connection and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        finally:
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise self._translated(error) from error

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            self._drop()

    def _connected(self) -> sqlite3.Connection:
        if self._connection and (self._pid, self._file) != (
            os.getpid(),
            self._identity(),
        ):
            self._drop()
        if self._connection is None:
            self._connection = schema.connect(self._path, self._busy_timeout)
            self._pid, self._file = os.getpid(), self._identity()
        return self._connection

    def _drop(self) -> None:
        if self._connection is None:
            return
        if self._pid == os.getpid():
            self._connection.close()
        else:
            # A parent's: to close it here would be to meddle with its file.
            self._inherited.append(self._connection)
        self._connection = None

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _translated(self, error: Exception) -> OutboxError:
        return OutboxError(f"outbox {self._path}: {error}")
