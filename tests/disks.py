# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to have a disk that takes no more."""

import contextlib
import errno
import pathlib
import resource
import sqlite3
import subprocess

import fixtures

_PAGE = 4096


class SmallDisk(fixtures.Fixture):
    """A tmpfs, which can be filled to the last page. Only root may mount.

    :param folder: where it is mounted; made
    :param size: as mount takes it
    """

    def __init__(self, folder: pathlib.Path, size: str = "512k") -> None:
        super().__init__()
        self._folder = folder
        self._size = size
        self._filler = folder / "filler"

    def _setUp(self) -> None:
        self._folder.mkdir()
        subprocess.run(
            [
                *("mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs"),
                self._folder,
            ],
            check=True,
        )
        # Lazily: a Nova of the test has the outbox open until it ends.
        self.addCleanup(
            subprocess.run,
            ["umount", "--lazy", self._folder],
            check=True,
        )

    def fill(self) -> None:
        """Take every page there is; what the outbox has, it keeps."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (1 << 20, _PAGE):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


class FileSizeLimit(fixtures.Fixture):
    """Lets this process, whose ever it is, write no file beyond a size.

    A write beyond gets EFBIG (setrlimit(2); Python ignores SIGXFSZ). Nova's
    own databases stay below; what is to fail has to be longer already.
    Processes that run already are not concerned.
    """

    SIZE = 16 * 2**20

    def _setUp(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.SIZE, before[1]))


def lengthen_log(database: pathlib.Path, size: int) -> None:
    """Make the write-ahead log of an outbox as long as that, in bytes.

    SQLite goes on at its end, as long as somebody has the database open.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(
            "INSERT INTO parked (event_type, instance_uuid, stored_at, reason,"
            " notification) VALUES ('', '', 0, 'ballast', zeroblob(?))",
            (size,),
        )
        connection.commit()
