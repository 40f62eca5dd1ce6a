# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The three files of an outbox, as a process has them open.

SQLite does not notice when one of them is removed, replaced or emptied: it
goes on with the file that it has open, which no other process will ever
read. So each use of the outbox looks at them before and after.
"""

import logging
import operator
import os
import pathlib
import sqlite3
import stat
from collections.abc import Sequence

from nova_dirsvc_plugin import files
from nova_dirsvc_plugin.outbox import reports

LOG = logging.getLogger(__name__)

#: The main file, the write-ahead log and its index.
SUFFIXES = ("", "-wal", "-shm")

#: Bytes in the write-ahead log before its first frame, and before the page
#: of each (https://sqlite.org/fileformat2.html#walformat).
_LOG_HEADER = 32
_FRAME_HEADER = 24

#: Errors that say that the log lacks what its index names. Others, of a full
#: disk for one, say nothing about that.
_CUT_OFF = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_NOTADB,
)


class OpenFiles:
    """The files behind a connection that has just been opened.

    :ivar log_size: bytes of the write-ahead log at the last look
    :ivar taken: whether all that it reads was taken over; it is closed then
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._main, self._log, self._index = paths(path)
        self._seen = {
            file: _identity(status) if (status := _found(file)) else None
            for file in (self._main, self._log, self._index)
        }
        # Without pathlib, which takes as long as the look.
        self._names = [os.fspath(file) for file in self._seen]
        self._identities = tuple(self._seen.values())
        self._last_look: tuple[tuple[int, ...], ...] = ()
        self._main_size = self.log_size = self._index_size = 0
        self._index_mended = False
        self._readable = True
        self.taken = False

    def fault(self, connection: sqlite3.Connection) -> str:
        """Return what happened to one of them, or an empty text.

        It costs some microseconds.

        :param connection: the one that has them open, without a transaction
        """
        try:
            return "" if self._are_as_before() else self._fault(connection)
        except files.UnsafeFile as error:
            return str(error)

    def _are_as_before(self) -> bool:
        """Return whether all are in place, and none is shorter."""
        lstat, (main, log, index) = os.lstat, self._names
        try:
            # Nova waits for this: mode to size, and no other name of them.
            look = lstat(main)[:7], lstat(log)[:7], lstat(index)[:7]
        except OSError:
            return False
        return look == self._last_look or self._have_grown(look)

    def _have_grown(self, look: tuple[tuple[int, ...], ...]) -> bool:
        """Return whether all are in place, and sizes only larger."""
        sizes = [status[6] for status in look]
        before = self._main_size, self.log_size, self._index_size
        if (
            tuple(status[1:3] for status in look) != self._identities
            or not sizes[0]
            or any(map(operator.lt, sizes, before))
        ):
            return False
        self._main_size, self.log_size, self._index_size = sizes
        self._last_look = look
        return True

    def _fault(self, connection: sqlite3.Connection) -> str:
        self.mend_index()
        for file, identity in self._seen.items():
            status = _found(file)
            if not status:
                return f"{file.name} was removed"
            if _identity(status) != identity:
                files.check(file)
                return f"{file.name} was replaced"
            if file is self._main and not status.st_size:
                return f"{file.name} was emptied"
            if file is self._main and status.st_size < self._main_size:
                # SQLite never does that, but for VACUUM.
                return f"{file.name} was truncated or overwritten"
            if file is self._log and not self._log_is_whole(
                connection, status.st_size
            ):
                return f"{file.name} was truncated"
        return ""

    def mend_index(self) -> None:
        """Return the index of the log its size back if it was truncated.

        SQLite makes its content again, but to touch a page that is not in
        the file ends the process (SIGBUS).
        """
        status = _found(self._index)
        if not status or _identity(status) != self._seen[self._index]:
            return
        if status.st_size >= self._index_size:
            self._index_size = status.st_size
            return
        reports.error(LOG, "%s was truncated while it was in use", self._index)
        # It stays open: to close it would end SQLite's locks on it.
        descriptor = os.open(self._index, os.O_RDWR | os.O_NOFOLLOW)
        os.ftruncate(descriptor, self._index_size)
        self._index_mended = True

    def are_readable(self) -> bool:
        """Return whether there can be something to read.

        SQLite forgets the size of an outbox without main file and index, and
        then removes the log of another one when it closes this one.
        """
        status = self._index_mended and status_of(self._main)
        if status and not status.st_size:
            self._readable = False
        return self._readable

    def are_at(self, path: pathlib.Path) -> bool:
        """Return whether all are in their place, if that is their path."""
        return path != self._main or len(self.in_place()) == len(SUFFIXES)

    def in_place(self) -> list[pathlib.Path]:
        """Return those that are still what is found by their names."""
        return [
            file
            for file, identity in self._seen.items()
            if identity and identity == _identity_at(file)
        ]

    def _log_is_whole(self, connection: sqlite3.Connection, size: int) -> bool:
        """Return whether the log has all that is in use.

        SQLite itself makes it shorter after a checkpoint, which may happen
        between two looks at it.
        """
        if size >= self.log_size:
            self.log_size = size
            return True
        for _ in range(2):
            try:
                missing = self._missing(connection)
            except sqlite3.Error as error:
                return getattr(error, "sqlite_errorcode", 0) not in _CUT_OFF
            if missing is None:
                return True
            if not missing:
                self.log_size = size
                return True
        return False

    def _missing(self, connection: sqlite3.Connection) -> bool | None:
        """Return whether frames are missing; None if that is not known."""
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        _, frames, _ = connection.execute(
            "PRAGMA wal_checkpoint(PASSIVE)"
        ).fetchone()
        if frames < 0:
            # Another process is at it.
            return None
        needed = _LOG_HEADER + frames * (_FRAME_HEADER + page)
        return bool(frames and self._log.stat().st_size < needed)


def fault_at(path: pathlib.Path) -> str:
    """Return what is wrong with the files of an outbox that is not open.

    To open it in that state would lose what other processes have written.
    An empty text: nothing, or there is no outbox.
    """
    # In this order: SQLite makes the log before its index, and removes it
    # after that.
    index, log, main = (status_of(file) for file in reversed(paths(path)))
    if not (log or index):
        return ""
    if not main:
        return f"{path.name} was removed"
    if not main.st_size:
        return f"{path.name} was emptied"
    if index and not log:
        now = status_of(path.with_name(f"{path.name}-shm"))
        if now and _identity(now) == _identity(index):
            return f"{path.name}-wal was removed"
    return ""


def paths(path: pathlib.Path) -> Sequence[pathlib.Path]:
    """Return the names of the three files of an outbox."""
    return [path.with_name(path.name + suffix) for suffix in SUFFIXES]


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_dev


def status_of(path: pathlib.Path) -> os.stat_result | None:
    """Return what a file is; None if there is nothing.

    :raises files.UnsafeFile: it is a link, or no regular file
    """
    status = _found(path)
    if not status:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        files.check(path)
    return status


def _found(path: pathlib.Path) -> os.stat_result | None:
    """Return what has that name, whatever it is.

    That a file which is open has another name, too, as long as somebody
    copies the folder by hard links, is no harm.
    """
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _identity_at(path: pathlib.Path) -> tuple[int, int] | None:
    status = status_of(path)
    return _identity(status) if status else None
