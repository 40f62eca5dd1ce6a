# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The lock that lets one process deliver to a directory."""

import fcntl
import os
import pathlib


class AlreadyLocked(Exception):
    """Another process has the lock, or it cannot be made."""


class DirectoryLock:
    """The right to deliver one outbox to one directory.

    A lock of the kernel on a file beside the outbox: it ends with the last
    process that has it, however that ends, and children inherit it.
    """

    def __init__(self, outbox_path: str, directory: str) -> None:
        self._path = pathlib.Path(f"{outbox_path}.{directory}.lock")
        self._directory = directory
        self._descriptor = -1

    def acquire(self) -> None:
        """Take it, for as long as this process and its children live.

        :raises AlreadyLocked: another has it, or the file cannot be made
        """
        try:
            # Nova's account, too, may put something into the folder.
            self._descriptor = os.open(
                self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o660
            )
            self._share_with_group()
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyLocked(
                f"another nova-dirsvc-sync delivers to {self._directory}"
                f" already ({self._path} is locked)"
            ) from error
        except OSError as error:
            raise AlreadyLocked(f"{self._path}: {error.strerror}") from error

    def _share_with_group(self) -> None:
        """Undo the umask, if the file is ours: any user may come next."""
        if os.fstat(self._descriptor).st_uid == os.geteuid():
            os.fchmod(self._descriptor, 0o660)
