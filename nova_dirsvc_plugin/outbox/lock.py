# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The lock that lets one process deliver to a directory, and who has it.

It is a lock of the kernel on a file beside the outbox: it ends with the last
process that has it, however that ends, and children inherit it. It is the
same by whatever folder the outbox is named. The file says who has locked it
last; it is touched as long as that one delivers. All who may write to the
outbox may write that, too: it is shown to people, and nothing rests on it.
"""

import dataclasses
import errno
import fcntl
import logging
import os
import pathlib
import re
import socket
import time
import urllib.parse

from nova_dirsvc_plugin import files
from nova_dirsvc_plugin.outbox import schema

LOG = logging.getLogger(__name__)

#: Seconds for which a lock is tried: whoever only looks whether it is locked
#: has it for a moment.
_PATIENCE = 1.0
_PAUSE = 0.02

#: What the file says, and how much of it is read.
_SIGNED = re.compile(
    r"(?P<process>\d{1,10}) (?P<since>\d{1,11}\.\d{3}) (?P<host>\S{1,255})\n"
)
_MOST_BYTES = 300


class AlreadyLocked(Exception):
    """Another process has the lock, or it cannot be made."""


@dataclasses.dataclass(frozen=True, slots=True)
class Holder:
    """Who delivers to a directory, or was the last to do so.

    :ivar running: whether it has the lock; None: that cannot be seen
    :ivar process: its number, as it sees it itself; 0: not known
    :ivar host: of the process; empty: not known
    :ivar since: epoch seconds, when it got the lock; None: not known
    :ivar seen: epoch seconds, when it was last known to deliver, or None
    """

    running: bool | None
    process: int
    host: str
    since: float | None
    seen: float | None


NOBODY = Holder(False, 0, "", None, None)


class DirectoryLock:
    """The right to deliver one outbox to one directory."""

    def __init__(
        self, outbox_path: str | os.PathLike[str], directory: str
    ) -> None:
        self._path = path_of(outbox_path, directory)
        self._directory = directory
        self._descriptor = -1

    def acquire(self) -> None:
        """Take it, for as long as this process and its children live.

        :raises AlreadyLocked: another has it, or the file cannot be made
        """
        descriptor = -1
        try:
            schema.create_folder(self._path.parent)
            # Nova's account, too, may put something into the folder.
            descriptor, is_new = files.open_or_make(
                self._path, os.O_RDWR, 0o660
            )
            if is_new:
                # no umask narrows it: any user of the group may come next
                os.fchmod(descriptor, 0o660)
            _lock(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            raise AlreadyLocked(
                f"another nova-dirsvc-sync delivers to {self._directory}"
                f" already ({self._path} is locked)"
            ) from error
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise AlreadyLocked(f"{self._path}: {error.strerror}") from error
        # What it had before locks a file that nobody else finds.
        self._descriptor = descriptor
        self._sign()

    def renew(self) -> None:
        """Take it again if its file was removed or replaced.

        :raises AlreadyLocked: another has it now, or it cannot be made
        """
        try:
            found = self._path.lstat()
            if os.path.samestat(found, os.fstat(self._descriptor)):
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise AlreadyLocked(f"{self._path}: {error.strerror}") from error
        LOG.warning(
            "%s was removed or replaced: it is locked anew", self._path
        )
        self.acquire()

    def touch(self) -> None:
        """Note that its holder delivers."""
        try:
            os.utime(self._descriptor)
        except OSError as error:
            LOG.debug("%s cannot be touched: %s", self._path, error)

    def remove(self) -> None:
        """Remove the file, whose lock this process has.

        :raises OSError: it cannot be removed
        """
        self._path.unlink(missing_ok=True)

    def release(self) -> None:
        """Let it go."""
        os.close(self._descriptor)
        self._descriptor = -1

    def _sign(self) -> None:
        """Write who has it; a disk that is full does not matter."""
        line = f"{os.getpid()} {time.time():.3f} {socket.gethostname()}"
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{line}\n".encode(), 0)
        except OSError as error:
            LOG.debug("%s cannot be written: %s", self._path, error)


def path_of(
    outbox_path: str | os.PathLike[str], directory: str
) -> pathlib.Path:
    """Return the path of the lock of a directory."""
    path = schema.resolved(pathlib.Path(outbox_path))
    # A damaged outbox may have any name.
    name = urllib.parse.quote(directory, safe="", errors="replace")
    return path.with_name(f"{path.name}.{name}.lock")


def holder(
    outbox_path: str | os.PathLike[str], directory: str
) -> Holder | None:
    """Return who delivers an outbox to a directory, or was the last.

    :returns: None: nobody ever has, since the file was made
    """
    path = path_of(outbox_path, directory)
    try:
        descriptor = files.open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError:
        return Holder(None, 0, "", None, None)
    try:
        running = _is_locked(descriptor)
        text = os.pread(descriptor, _MOST_BYTES, 0)
        touched = os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
    signed = _SIGNED.fullmatch(text.decode(errors="replace"))
    if not signed:
        return Holder(running, 0, "", None, None)
    return Holder(
        running,
        int(signed["process"]),
        signed["host"],
        float(signed["since"]),
        touched,
    )


def _lock(descriptor: int) -> None:
    """Lock a file.

    :raises BlockingIOError: another process has it
    """
    ends_at = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= ends_at:
                raise
            time.sleep(_PAUSE)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno == errno.EWOULDBLOCK
    return False
