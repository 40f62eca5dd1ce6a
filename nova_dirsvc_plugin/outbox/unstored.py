# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a process keeps in memory because it cannot store it, for operators.

As long as there is something, the process has an empty file beside the
outbox, whose name says how much and since when: that can be made and renamed
on a full disk as well. It keeps the file locked, by a lock that no child of
the process has. One that is not locked is left from a process that has ended,
in whatever container.
"""

import contextlib
import dataclasses
import fcntl
import glob
import os
import pathlib
import re
import secrets
from collections.abc import Iterator

from nova_dirsvc_plugin import files

_NAME = re.compile(
    r"\.unstored-(?P<process>\d{1,10})-(?P<events>\d{1,10})"
    r"-(?P<since>\d{1,11})-[0-9a-f]{8}"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Unstored:
    """What a process reported last.

    :ivar process: its number, as it sees it itself
    :ivar events: how many were not stored
    :ivar since: epoch seconds, when the oldest came
    :ivar running: whether the process still keeps them; None: not known
    """

    path: pathlib.Path
    process: int
    events: int
    since: int
    running: bool | None


class Report:
    """The file of one writer of this process."""

    def __init__(self, outbox: pathlib.Path) -> None:
        self._outbox = outbox
        self._token = secrets.token_hex(4)
        self._file: pathlib.Path | None = None
        self._descriptor = -1

    def show(self, number: int, since: float) -> None:
        """Report how many events are not stored, and since when.

        :param since: epoch seconds
        :raises OSError: it cannot be reported
        """
        if self._file and not os.path.lexists(self._file):
            # Somebody has removed it, or moved the folder.
            self.leave()
        if not self._file:
            self._make()
        assert self._file  # noqa: S101 - it was just made
        name = (
            f"{self._outbox.name}.unstored-{os.getpid()}-{number}"
            f"-{max(int(since), 0)}-{self._token}"
        )
        self._file = self._file.rename(self._outbox.with_name(name))

    def _make(self) -> None:
        # Locked before it has its name: nobody reads one without the lock.
        path = self._outbox.with_name(
            f"{self._outbox.name}.unstored-{self._token}"
        )
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            # No umask narrows its mode: the group reads it.
            os.fchmod(descriptor, 0o640)
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        self._file, self._descriptor = path, descriptor

    def remove(self) -> None:
        """Report that all is stored.

        :raises OSError: the file cannot be removed
        """
        if self._file:
            self._file.unlink(missing_ok=True)
            self.leave()

    def leave(self) -> None:
        """Leave the file as it is: it is another process's, or the last."""
        if self._file:
            os.close(self._descriptor)
            self._file = None


def find(outbox: pathlib.Path) -> list[Unstored]:
    """Return what the other processes keep in memory of an outbox.

    A process that has a file there itself would lose the lock on it.
    """
    pattern = f"{glob.escape(outbox.name)}.unstored-*"
    found = (_read(file, outbox) for file in outbox.parent.glob(pattern))
    return sorted(
        (one for one in found if one), key=lambda one: (one.since, one.path)
    )


def _read(file: pathlib.Path, outbox: pathlib.Path) -> Unstored | None:
    match = _NAME.fullmatch(file.name.removeprefix(outbox.name))
    if not match:
        return None
    try:
        running = _is_locked(file)
    except (FileNotFoundError, files.UnsafeFile):
        # All is stored meanwhile, or it is somebody's bad joke.
        return None
    except OSError:
        running = None
    numbers = {name: int(digits) for name, digits in match.groupdict().items()}
    return Unstored(path=file, running=running, **numbers)


def _is_locked(file: pathlib.Path) -> bool:
    with _opened(file) as descriptor:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def _opened(file: pathlib.Path) -> Iterator[int]:
    descriptor = files.open_file(file, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
