# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Puts the files of an outbox aside, one process at a time.

What was put aside is marked until all of it was taken over: the process that
does this may be killed at any moment, and the next one goes on.
"""

import contextlib
import datetime
import glob
import logging
import pathlib
from collections.abc import Iterator

from nova_dirsvc_plugin.outbox import open_files, reports, turn

LOG = logging.getLogger(__name__)

#: Ends the name of an empty file beside an outbox that was put aside, until
#: all of it was taken over.
_NOT_TAKEN = ".not-taken"

#: Seconds to wait for another process that makes an outbox or puts one
#: aside. It takes milliseconds, but each account of the group can lock the
#: folder for as long as it likes.
CREATION_WAIT = 2.0


@contextlib.contextmanager
def creation_lock(path: pathlib.Path) -> Iterator[None]:
    """Let one process at a time make an outbox, or put one aside.

    It is a lock on the folder, which must be there.

    :raises OSError: the folder cannot be opened, or stays locked
    """
    with turn.taken(path, CREATION_WAIT) as is_our_turn:
        if not is_our_turn:
            raise TimeoutError(
                f"{path.parent} is locked by another process for more than"
                f" {CREATION_WAIT:.0f} s: lslocks names it"
            )
        yield


def put_aside(
    path: pathlib.Path, opened: open_files.OpenFiles | None = None
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
        for aside in not_taken(path):
            _finish_renames(path, aside)
        chosen = opened.in_place() if opened else []
        if (
            path in chosen
            or not open_files.status_of(path)
            or open_files.fault_at(path)
        ):
            chosen = _present(path)
        if not chosen:
            return None
        stamp = datetime.datetime.now(datetime.UTC)
        aside = path.with_name(f"{path.name}.broken-{stamp:%Y%m%dT%H%M%S.%f}")
        if path in chosen:
            # Made first: whatever dies from here on, another finishes it.
            _mark(aside).touch(mode=0o660, exist_ok=False)
        for file in chosen:
            file.rename(_renamed(aside, path, file))
    reports.error(
        LOG, "Outbox %s: its files were renamed to %s*", path, aside.name
    )
    return aside


def not_taken(path: pathlib.Path) -> list[pathlib.Path]:
    """Return outboxes that were put aside, and not taken over to the end."""
    if not path.parent.exists():
        return []
    found = path.parent.glob(f"{glob.escape(path.name)}.broken-*{_NOT_TAKEN}")
    return sorted(
        mark.with_name(mark.name.removesuffix(_NOT_TAKEN)) for mark in found
    )


def taken(aside: pathlib.Path) -> None:
    """Note that an outbox that was put aside has nothing more to take."""
    _mark(aside).unlink(missing_ok=True)


def _finish_renames(path: pathlib.Path, aside: pathlib.Path) -> None:
    """Rename what a process has left that was killed between two files.

    Where there is no main file, those beside it belong to the last one.
    """
    if open_files.status_of(aside) and not open_files.status_of(path):
        for file in _present(path):
            if not _renamed(aside, path, file).exists():
                file.rename(_renamed(aside, path, file))


def _present(path: pathlib.Path) -> list[pathlib.Path]:
    return [
        file for file in open_files.paths(path) if open_files.status_of(file)
    ]


def _renamed(
    aside: pathlib.Path, path: pathlib.Path, file: pathlib.Path
) -> pathlib.Path:
    return aside.with_name(aside.name + file.name.removeprefix(path.name))


def _mark(aside: pathlib.Path) -> pathlib.Path:
    return aside.with_name(aside.name + _NOT_TAKEN)
