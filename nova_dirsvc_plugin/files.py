# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Files in a folder that less trusted accounts may write to.

Who may write to a folder can put a link, or a pipe, in the place of a file
that another account is about to make or to open.
"""

import errno
import os
import pathlib
import stat


class UnsafeFile(OSError):
    """What is there is not followed, opened or changed."""

    def __init__(self, path: pathlib.Path, why: str) -> None:
        super().__init__(errno.ELOOP, why, str(path))

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def check(path: pathlib.Path) -> None:
    """Check that a path names a file with no other name, or nothing.

    :raises UnsafeFile: it names a link, or no regular file
    :raises OSError: that cannot be seen
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    _check(path, found)


def open_file(path: pathlib.Path, flags: int) -> int:
    """Open a file that is there; no link is followed.

    :param flags: those of :func:`os.open`, without the ones that make a file
    :returns: the descriptor
    :raises UnsafeFile: a link is there, or no regular file
    :raises OSError: it cannot be opened
    """
    check(path)
    # Another account can exchange the file after the check: so this follows
    # no link, waits for no pipe, and what was opened is looked at.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _check(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_or_make(
    path: pathlib.Path, flags: int, mode: int
) -> tuple[int, bool]:
    """Open a file, or make it where there is nothing; see :func:`open_file`.

    :param mode: of a new file, less the umask; one that is there keeps its own
    :returns: the descriptor, and whether this call has made the file
    """
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, mode), True
    except FileExistsError:
        return open_file(path, flags), False


def _check(path: pathlib.Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise UnsafeFile(
            path,
            "is a symbolic link, which is not followed: remove it, or name"
            " the file itself in the options",
        )
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(path, "is not a regular file: remove it")
    if found.st_nlink > 1:
        raise UnsafeFile(
            path,
            f"is one of {found.st_nlink} names of a file (hard links):"
            " remove the name that is wrong",
        )
