# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""One process's connection to an outbox file.

Nova's conductor and scheduler fork their workers, maybe while a thread of
the parent stores an event. A child must inherit neither a lock that nobody
will release nor an open connection: SQLite keeps the locks of a file, and
mutexes of its own, in the memory of the process
(https://www.sqlite.org/howtocorrupt.html, section 2.6).
"""

import contextlib
import pathlib
import sqlite3
import threading
import weakref

from nova_dirsvc_plugin.outbox import (
    aside,
    forks,
    open_files,
    rescue,
    schema,
    transactions,
)
from nova_dirsvc_plugin.outbox.values import OutboxError

#: Milliseconds that SQLite waits by itself for another writer, whose turn it
#: is not: its pauses grow up to 0.1 s.
TURN_WAIT = 5

#: SQLite's, which may quote what is no text.
_ERRORS = (sqlite3.Error, UnicodeDecodeError)

#: Those of this process.
_SESSIONS: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Session:
    """A context manager around each use of the file, for many threads.

    It opens the file when it is first needed, and again after a fork; it
    rolls back what was left open, and translates errors. A use that finds
    one of the files removed or replaced fails; the next one takes over what
    the old ones hold, which takes longer.

    :param busy_timeout: seconds to wait for another process's commit
    :param prompt: each use fails that would take longer, until
        :meth:`prepare` has done that
    :ivar generation: a number of the files that are open, never used again
    """

    def __init__(
        self, path: pathlib.Path, busy_timeout: float, *, prompt: bool = False
    ) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._prompt = prompt
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._waits = -1
        self._files: open_files.OpenFiles | None = None
        self._fault = ""
        self.generation = 0
        self._transactions = transactions.Transactions(path, busy_timeout)
        self._idle = False
        self._inherited: list[sqlite3.Connection | None] = []
        forks.at_fork(self._before_fork, self._in_parent, self._in_child)
        _SESSIONS.add(self)

    def __enter__(self) -> sqlite3.Connection:
        """Return the connection, for this thread alone.

        :raises OutboxError: the file cannot be opened
        """
        return self._enter(round(self._busy_timeout * 1000), self._prompt)

    def _enter(self, waits: int, prompt: bool) -> sqlite3.Connection:
        self._lock.acquire()
        try:
            database = self._connected(prompt=prompt)
            self.let_wait(waits)
            return database
        except (*_ERRORS, OSError, schema.NotAnOutbox) as error:
            self._note_damage(error)
            self._lock.release()
            raise self._translated(error) from error
        except BaseException:
            self._lock.release()
            raise

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        try:
            if error is None:
                self._check()
            self._note_damage(error)
            if error and self._connection and self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
        finally:
            self._transactions.leave()
            self._lock.release()
        if isinstance(error, (*_ERRORS, OSError)):
            raise self._translated(error) from error

    def prepare(self) -> None:
        """Open the file, however long that takes.

        What other files hold is taken over first, and an outbox of an older
        release is brought up to date.

        :raises OutboxError: it cannot be opened; it can be tried again
        """
        self._enter(TURN_WAIT, prompt=False)
        self._lock.release()

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            self._drop()

    def transaction(self) -> "_Writing":
        """Use the file for one transaction that writes.

        Whoever enters it gets an :class:`OutboxError` if nothing is stored.
        """
        return _Writing(self)

    def let_wait(self, milliseconds: int) -> None:
        """Have SQLite wait so long for other connections, in this use."""
        if self._connection and self._waits != milliseconds:
            self._connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
            self._waits = milliseconds

    def _connected(self, *, prompt: bool) -> sqlite3.Connection:
        if self._inherited:
            raise OSError("this process was forked while another used it")
        if self._connection and not self._fault:
            self._check()
            return self._connection
        moved = self._moved()
        fault = self._why_to_take_over()
        if prompt and (moved or fault):
            raise OutboxError(
                f"outbox {self._path}: {fault or 'it was moved'}: what it"
                " holds is taken over first"
            )
        for files in moved:
            aside.put_aside(self._path, files)
        if fault := self._why_to_take_over():
            self._connection, self._files = rescue.take_over(
                self._path,
                fault,
                self._busy_timeout,
                self._connection,
                self._files,
            )
        else:
            self._connection = schema.connect(
                self._path, self._busy_timeout, upgrade=not prompt
            )
            self._files = open_files.OpenFiles(self._path)
        self._fault, self._waits = "", -1
        self._transactions.close()
        self.generation += 1
        return self._connection

    def _moved(self) -> list[open_files.OpenFiles]:
        """Return what others of this process have open that was moved.

        SQLite would mix it with what is there now.
        """
        return [
            files
            for other in list(_SESSIONS)
            if other is not self
            and (files := other._files)
            and not files.are_at(self._path)
        ]

    def _why_to_take_over(self) -> str:
        """Return what happened to an outbox here; empty: nothing."""
        fault = self._fault or open_files.fault_at(self._path)
        if not fault and aside.not_taken(self._path):
            fault = "an earlier outbox was put aside"
        return fault

    def _check(self) -> None:
        """Check that what is open is what other processes will open.

        :raises OutboxError: it is not; nothing is to be written there
        """
        if self._connection is None or self._files is None:
            return
        try:
            self._fault = self._files.fault(self._connection)
        except (*_ERRORS, OSError) as error:
            raise self._translated(error) from error
        if self._fault:
            raise OutboxError(f"outbox {self._path}: {self._fault}")

    def _note_damage(self, error: BaseException | None) -> None:
        """Have the next use take over what can be read of damaged pages."""
        damaged = isinstance(error, UnicodeDecodeError)
        if not (
            damaged or transactions.has_code(error, sqlite3.SQLITE_CORRUPT)
        ):
            return
        self._fault = f"{self._path.name} was damaged"
        if self._files is None:
            self._files = open_files.OpenFiles(self._path)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._files, self._fault = None, None, ""
        self._transactions.close()

    def _before_fork(self) -> None:
        """Leave nothing open, and keep other threads out."""
        self._idle = False
        if not self._lock.acquire(timeout=forks.WAIT):
            return
        # What fails here fails again, and is said, when it is used next.
        with contextlib.suppress(Exception):
            with contextlib.suppress(OutboxError):
                self._check()
            if self._fault:
                self._connected(prompt=False)
            self._drop()
            self._idle = True
        if not self._idle:
            self._lock.release()

    def _in_parent(self) -> None:
        if self._idle:
            self._lock.release()

    def _in_child(self) -> None:
        """Be usable; never touch what another thread was using."""
        self._lock = threading.Lock()
        if not self._idle:
            self._inherited.append(self._connection)
            self._connection, self._files, self._fault = None, None, ""
            self._transactions.close()

    def _translated(self, error: Exception) -> OutboxError:
        return OutboxError(f"outbox {self._path}: {error}")


class _Writing:
    """A use for one transaction, in a third of the time of contextlib's."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> sqlite3.Connection:
        session = self._session
        database = session._enter(TURN_WAIT, session._prompt)
        try:
            session._transactions.begin(database)
        except BaseException as error:
            session.__exit__(type(error), error, None)
            raise
        return database

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        session = self._session
        database, files = session._connection, session._files
        if error is None and database and files:
            try:
                session._transactions.commit(database, files.log_size)
            except BaseException as failure:
                session.__exit__(type(failure), failure, None)
                raise
        session.__exit__(kind, error, trace)
