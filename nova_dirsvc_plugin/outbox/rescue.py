# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Takes over what an outbox holds whose files were removed or replaced.

A connection still reads the files that it has open, whoever removed them.
What was not delivered everywhere goes from there into the outbox that is at
the path now, or into a new one. Each process does this for itself; what is
there already is not stored twice.
"""

import contextlib
import itertools
import logging
import pathlib
import sqlite3
from collections.abc import Iterator, Sequence

from nova_dirsvc_plugin.outbox import open_files, schema, sql

LOG = logging.getLogger(__name__)

#: Rows in one transaction; others may write in between.
PORTION = 500

#: Table -> the statements that read it there and store it here.
_STATEMENTS = {
    "entry": (sql.RESCUED_ENTRIES, sql.RESCUE_ENTRY),
    "origin": (sql.RESCUED_ORIGINS, sql.RESCUE_ORIGIN),
    "parked": (sql.RESCUED_PARKED, sql.RESCUE_PARKED),
}


def take_over(
    path: pathlib.Path,
    fault: str,
    busy_timeout: float,
    old: sqlite3.Connection | None = None,
    opened: open_files.OpenFiles | None = None,
) -> sqlite3.Connection:
    """Open the outbox at a path, with what is left of the one before.

    :param fault: what happened to its files
    :param old: a connection that has them open; it is closed at the end
    :param opened: its files
    :raises OSError, sqlite3.Error, schema.NotAnOutbox: not all of it was
        done; it can be done again
    """
    damage = "it is empty" if opened and not opened.are_readable() else ""
    aside = open_files.put_aside(path, opened)
    new = schema.connect(path, busy_timeout)
    if not (old or aside):
        # Another process was making it, or has done this.
        return new
    taken = 0
    try:
        if old and not damage:
            taken, damage = _copy(old, new)
        if old and not damage:
            # The main file has all then, wherever it was moved to.
            with contextlib.suppress(sqlite3.Error):
                old.execute("PRAGMA wal_checkpoint(PASSIVE)")
        if old:
            old.close()
        if aside and aside.exists():
            taken += _copy_aside(aside, new)
    except BaseException:
        new.close()
        raise
    LOG.error(
        "Outbox %s: %s while it was in use. %d undelivered entries were taken"
        " over into the outbox that is there now.%s See \"Removed or replaced"
        " files\" in the administrator's guide",
        path,
        fault,
        taken,
        f" The others cannot be read ({damage})." if damage else "",
    )
    return new


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> tuple[int, str]:
    """Copy what can be read; return how many entries, and what ended it."""
    taken, damage = 0, ""
    for table, (select, insert) in _STATEMENTS.items():
        rows = _Rows(old, select)
        while portion := list(itertools.islice(rows, PORTION)):
            new.execute("BEGIN IMMEDIATE")
            before = new.total_changes
            new.executemany(insert, portion)
            if table == "entry":
                taken += new.total_changes - before
            new.execute("COMMIT")
        damage = damage or rows.damage
    return taken, damage


class _Rows(Iterator[Sequence[object]]):
    """The rows of a statement, up to the first that cannot be read."""

    def __init__(self, database: sqlite3.Connection, select: str) -> None:
        self.damage = ""
        self._rows = iter(())
        try:
            self._rows = database.execute(select)
        except sqlite3.Error as error:
            self.damage = str(error)

    def __next__(self) -> Sequence[object]:
        try:
            return tuple(next(self._rows))
        except sqlite3.Error as error:
            self.damage = str(error)
            raise StopIteration from error


def _copy_aside(aside: pathlib.Path, new: sqlite3.Connection) -> int:
    """Copy what only processes that have ended have written.

    If the files that were put aside do not fit together, the main file alone
    has the entries up to its last checkpoint.
    """
    taken = 0
    for how in ("mode=rw", "mode=ro&immutable=1"):
        uri = f"{aside.absolute().as_uri()}?{how}"
        with contextlib.suppress(sqlite3.Error):
            with contextlib.closing(sqlite3.connect(uri, uri=True)) as old:
                more, damage = _copy(old, new)
            taken += more
            if not damage:
                break
    return taken
