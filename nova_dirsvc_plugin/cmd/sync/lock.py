# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The lock that lets one process deliver to a directory."""

import fcntl
import logging
import os
import pathlib

from nova_dirsvc_plugin import files, outbox

LOG = logging.getLogger(__name__)


class AlreadyLocked(Exception):
    """Another process has the lock, or it cannot be made."""


class DirectoryLock:
    """The right to deliver one outbox to one directory.

    A lock of the kernel on a file beside the outbox: it ends with the last
    process that has it, however that ends, and children inherit it. It is
    the same by whatever folder the outbox is named.
    """

    def __init__(self, outbox_path: str, directory: str) -> None:
        path = outbox.resolved(pathlib.Path(outbox_path))
        self._path = path.with_name(f"{path.name}.{directory}.lock")
        self._directory = directory
        self._descriptor = -1

    def acquire(self) -> None:
        """Take it, for as long as this process and its children live.

        :raises AlreadyLocked: another has it, or the file cannot be made
        """
        try:
            outbox.create_folder(self._path.parent)
            # Nova's account, too, may put something into the folder.
            descriptor, is_new = files.open_or_make(
                self._path, os.O_RDONLY, 0o660
            )
            if is_new:
                # no umask narrows it: any user of the group may come next
                os.fchmod(descriptor, 0o660)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise AlreadyLocked(
                f"another nova-dirsvc-sync delivers to {self._directory}"
                f" already ({self._path} is locked)"
            ) from error
        except OSError as error:
            raise AlreadyLocked(f"{self._path}: {error.strerror}") from error
        # What it had before locks a file that nobody else finds.
        self._descriptor = descriptor

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
