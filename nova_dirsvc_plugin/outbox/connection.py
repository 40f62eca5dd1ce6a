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

from nova_dirsvc_plugin.outbox import open_files, rescue, schema
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


#: Those of this process.
_SESSIONS: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Session:
    """A context manager around each use of the file, for many threads.

    It opens the file when it is first needed, and again in a forked child;
    it rolls back what was left open, and translates errors. A use that finds
    one of the files removed or replaced fails; the next one takes over what
    the old ones hold, which takes longer.

    :param busy_timeout: seconds to wait for another process's commit
    :ivar generation: a number of the files that are open, never used again
    """

    def __init__(self, path: pathlib.Path, busy_timeout: float) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._files: open_files.OpenFiles | None = None
        self._fault = ""
        self._pid = 0
        self.generation = 0
        self._inherited: list[sqlite3.Connection] = []
        renew_in_children(self)
        _SESSIONS.add(self)

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
        except BaseException as error:
            self._lock.release()
            if isinstance(error, sqlite3.Error | OSError | schema.NotAnOutbox):
                raise self._translated(error) from error
            raise

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        try:
            if error is None:
                self._check()
            elif self._connection and self._connection.in_transaction:
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
        if self._pid != os.getpid():
            self._drop()
        if self._connection and not self._fault:
            self._check()
            return self._connection
        self._put_aside_for_others()
        fault = self._fault or open_files.fault_at(self._path)
        if fault:
            self._connection = rescue.take_over(
                self._path,
                fault,
                self._busy_timeout,
                self._connection,
                self._files,
            )
        else:
            self._connection = schema.connect(self._path, self._busy_timeout)
        self._files = open_files.OpenFiles(self._path)
        self._pid, self._fault = os.getpid(), ""
        self.generation += 1
        return self._connection

    def _put_aside_for_others(self) -> None:
        """Rename what another thread of this process has open, if it moved.

        SQLite would mix it with what is there now.
        """
        for other in list(_SESSIONS):
            if other is self or not other._files:
                continue
            if not other._files.are_at(self._path):
                open_files.put_aside(self._path, other._files)

    def _check(self) -> None:
        """Check that what is open is what other processes will open.

        :raises OutboxError: it is not; nothing is to be written there
        """
        if self._connection is None or self._files is None:
            return
        self._fault = self._files.fault(self._connection)
        if self._fault:
            raise OutboxError(f"outbox {self._path}: {self._fault}")

    def _drop(self) -> None:
        if self._connection is None:
            return
        if self._pid == os.getpid():
            self._connection.close()
        else:
            # A parent's: to close it here would be to meddle with its file.
            self._inherited.append(self._connection)
        self._connection, self._files, self._fault = None, None, ""

    def _translated(self, error: Exception) -> OutboxError:
        return OutboxError(f"outbox {self._path}: {error}")
