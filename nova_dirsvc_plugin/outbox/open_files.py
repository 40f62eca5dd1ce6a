# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The three files of an outbox, as a process has them open.

SQLite does not notice when one of them is removed, replaced or emptied: it
goes on with the file that it has open, which no other process will ever
read. So each use of the outbox looks at them before and after.
"""

import contextlib
import datetime
import fcntl
import logging
import os
import pathlib
import sqlite3
import stat
from collections.abc import Iterator, Sequence

from nova_dirsvc_plugin import files

LOG = logging.getLogger(__name__)

#: The main file, the write-ahead log and its index.
SUFFIXES = ("", "-wal", "-shm")

#: Bytes in the write-ahead log before its first frame, and before the page
#: of each (https://sqlite.org/fileformat2.html#walformat).
_LOG_HEADER = 32
_FRAME_HEADER = 24


class OpenFiles:
    """The files behind a connection that has just been opened."""

    def __init__(self, path: pathlib.Path) -> None:
        self._main, self._log, self._index = _paths(path)
        self._seen = {
            file: _identity_at(file)
            for file in (self._main, self._log, self._index)
        }
        self._log_size = self._index_size = 0
        self._index_mended = False

    def fault(self, connection: sqlite3.Connection) -> str:
        """Return what happened to one of them, or an empty text.

        It costs some microseconds.

        :param connection: the one that has them open, without a transaction
        """
        try:
            return self._fault(connection)
        except files.UnsafeFile as error:
            return str(error)

    def _fault(self, connection: sqlite3.Connection) -> str:
        self.mend_index()
        for file, identity in self._seen.items():
            status = _status(file)
            if not status:
                return f"{file.name} was removed"
            if _identity(status) != identity:
                return f"{file.name} was replaced"
            if file is self._main and not status.st_size:
                return f"{file.name} was emptied"
            if file is self._log:
                if status.st_size < self._log_size and not self._log_is_whole(
                    connection
                ):
                    return f"{file.name} was truncated"
                self._log_size = status.st_size
        return ""

    def mend_index(self) -> None:
        """Return the index of the log its size back if it was truncated.

        SQLite makes its content again, but to touch a page that is not in
        the file ends the process (SIGBUS).
        """
        status = _status(self._index)
        if not status or _identity(status) != self._seen[self._index]:
            return
        if status.st_size >= self._index_size:
            self._index_size = status.st_size
            return
        LOG.error("%s was truncated while it was in use", self._index)
        # It stays open: to close it would end SQLite's locks on it.
        descriptor = os.open(self._index, os.O_RDWR | os.O_NOFOLLOW)
        os.ftruncate(descriptor, self._index_size)
        self._index_mended = True

    def are_readable(self) -> bool:
        """Return whether there can be something to read.

        SQLite forgets the size of an outbox without main file and index, and
        then removes the log of another one when it closes this one.
        """
        status = self._index_mended and _status(self._main)
        return not status or status.st_size > 0

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

    def _log_is_whole(self, connection: sqlite3.Connection) -> bool:
        """Return whether a log that got shorter has all that is in use.

        SQLite itself empties it after a checkpoint.
        """
        try:
            (page,) = connection.execute("PRAGMA page_size").fetchone()
            _, frames, _ = connection.execute(
                "PRAGMA wal_checkpoint(PASSIVE)"
            ).fetchone()
        except sqlite3.Error:
            return False
        if frames <= 0:
            return True
        needed = _LOG_HEADER + frames * (_FRAME_HEADER + page)
        return bool(self._log.stat().st_size >= needed)


def fault_at(path: pathlib.Path) -> str:
    """Return what is wrong with the files of an outbox that is not open.

    To open it in that state would lose what other processes have written.
    An empty text: nothing, or there is no outbox.
    """
    main, log, index = (_status(file) for file in _paths(path))
    if not (log or index):
        return ""
    if not main:
        return f"{path.name} was removed"
    if not main.st_size:
        return f"{path.name} was emptied"
    # SQLite makes the log before its index, and removes it after that.
    if index and not log:
        now = _status(path.with_name(f"{path.name}-shm"))
        if now and _identity(now) == _identity(index):
            return f"{path.name}-wal was removed"
    return ""


@contextlib.contextmanager
def creation_lock(path: pathlib.Path) -> Iterator[None]:
    """Let one process at a time make an outbox, or put one aside.

    It is a lock on the folder, which must be there.

    :raises OSError: the folder cannot be opened
    """
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def put_aside(
    path: pathlib.Path, opened: OpenFiles | None = None
) -> pathlib.Path | None:
    """Rename what would be mixed with a new outbox at that path.

    :param opened: the files of the outbox that was there
    :returns: the new name of the main file, which may be elsewhere; None if
        nothing was renamed
    :raises OSError: it cannot be renamed
    """
    if not path.parent.exists():
        return None
    with creation_lock(path):
        chosen = opened.in_place() if opened else []
        if path in chosen or not _status(path) or fault_at(path):
            chosen = [file for file in _paths(path) if _status(file)]
        stamp = datetime.datetime.now(datetime.UTC)
        aside = f"{path.name}.broken-{stamp:%Y%m%dT%H%M%S.%f}"
        for file in chosen:
            file.rename(
                path.with_name(aside + file.name.removeprefix(path.name))
            )
    if not chosen:
        return None
    LOG.error("Outbox %s: its files were renamed to %s*", path, aside)
    return path.with_name(aside)


def _paths(path: pathlib.Path) -> Sequence[pathlib.Path]:
    return [path.with_name(path.name + suffix) for suffix in SUFFIXES]


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _status(path: pathlib.Path) -> os.stat_result | None:
    """Return what a file is; None if there is nothing.

    :raises files.UnsafeFile: it is a link, or no regular file
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        files.check(path)
    return status


def _identity_at(path: pathlib.Path) -> tuple[int, int] | None:
    status = _status(path)
    return _identity(status) if status else None
