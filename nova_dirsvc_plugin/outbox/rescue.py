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
import signal
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nova_dirsvc_plugin import files
from nova_dirsvc_plugin.outbox import (
    aside,
    open_files,
    reports,
    schema,
    sql_rescue,
)

LOG = logging.getLogger(__name__)

#: Rows in one transaction; others may write in between.
PORTION = 100

#: Table -> the statements that read it there and store it here.
_STATEMENTS = {
    "entry": (sql_rescue.RESCUED_ENTRIES, sql_rescue.RESCUE_ENTRY),
    "origin": (sql_rescue.RESCUED_ORIGINS, sql_rescue.RESCUE_ORIGIN),
    "parked": (sql_rescue.RESCUED_PARKED, sql_rescue.RESCUE_PARKED),
    "run": (sql_rescue.RESCUED_RUNS, sql_rescue.RESCUE_RUN),
    "repair": (sql_rescue.RESCUED_REPAIRS, sql_rescue.RESCUE_REPAIR),
    "reading": (sql_rescue.RESCUED_READINGS, sql_rescue.RESCUE_READING),
}

#: Columns that an outbox of an older release has not -> what stands for them.
_LATER_COLUMNS = {"checksum": "NULL", "directory": "''"}


def take_over(
    path: pathlib.Path,
    fault: str,
    busy_timeout: float,
    old: sqlite3.Connection | None = None,
    opened: open_files.OpenFiles | None = None,
) -> tuple[sqlite3.Connection, open_files.OpenFiles]:
    """Open the outbox at a path, with what is left of the one before.

    :param fault: what happened to its files
    :param old: a connection that has them open; it is closed at the end
    :param opened: its files
    :returns: a connection, and the files behind it
    :raises OSError, sqlite3.Error, schema.NotAnOutbox: not all of it was
        done; it can be done again
    """
    unreadable = "it is empty" if opened and not opened.are_readable() else ""
    renamed = aside.put_aside(path, opened)
    new = schema.connect(path, busy_timeout)
    # Now: while the entries are copied, these may be replaced, too.
    new_files = open_files.OpenFiles(path)
    rest = aside.not_taken(path)
    if not (old or renamed or rest):
        # Another process was making it, or has done this.
        return new, new_files
    copy = _Copy(new)
    damage = ""
    try:
        if old and opened and not opened.taken:
            damage = _copy_open(old, copy, unreadable)
            opened.taken = True
        for one in rest:
            _copy_aside(one, copy)
            aside.taken(one)
    except BaseException:
        new.close()
        raise
    _report(path, fault, copy, damage)
    return new, new_files


def _report(
    path: pathlib.Path, fault: str, copy: "_Copy", damage: str
) -> None:
    others = f"The others cannot be read ({damage}). " if damage else ""
    reports.error(
        LOG,
        "Outbox %s: %s while it was in use. %d undelivered entries were taken"
        " over into the outbox that is there now. %s",
        path,
        fault,
        copy.taken,
        f'{others}See "The file of the outbox" in the administrator\'s guide',
    )
    for instance in sorted(copy.lost):
        reports.error(
            LOG, "Outbox %s: events of instance %s are lost", path, instance
        )


class _Copy:
    """Copies what can be read of an outbox into another one.

    :ivar taken: how many entries came
    :ivar lost: the instances that have an entry which cannot be read
    """

    def __init__(self, new: sqlite3.Connection) -> None:
        self._new = new
        self.taken = 0
        self.lost: set[str] = set()
        self._refused = ""

    def take(self, old: sqlite3.Connection) -> str:
        """Copy, and return what ended it before all was copied, if so."""
        damage = ""
        columns = _columns(old)
        tables = {name for (name,) in _Rows(old, sql_rescue.TABLES)}
        for table, (select, insert) in _STATEMENTS.items():
            if tables and table not in tables:
                continue
            rows = _Rows(old, select.format_map(columns))
            stored = self._store(insert, rows)
            damage = damage or rows.damage or self._refused
            if table != "entry":
                continue
            self.taken += stored
            if damage:
                self.taken += self._store(insert, self._salvaged(old))
        return damage

    def _store(self, insert: str, rows: Iterator[Sequence[object]]) -> int:
        """Store rows; return how many were not there yet."""
        before = self._new.total_changes
        while portion := list(itertools.islice(rows, PORTION)):
            began = time.monotonic()
            self._new.execute("BEGIN IMMEDIATE")
            for row in portion:
                self._insert(insert, row)
            self._new.execute("COMMIT")
            # The others' turn. Eventlet, in Nova's processes, does not
            # replace this wait.
            signal.sigtimedwait((), time.monotonic() - began)
        return self._new.total_changes - before

    def _insert(self, insert: str, row: Sequence[object]) -> None:
        try:
            self._new.execute(insert, row)
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            # Of damaged pages: no outbox can have it.
            self._refused = str(error)

    def _salvaged(self, old: sqlite3.Connection) -> Iterator[Sequence[object]]:
        """Read entries one by one whose numbers are still found somewhere.

        All of an instance go together, as in ``sql_rescue.RESCUED_ENTRIES``.
        """
        (start,) = next(_Rows(old, sql_rescue.RESCUE_START), (0,))
        known = dict(_Rows(old, sql_rescue.RESCUE_BACKLOG))
        for walk, order in itertools.product(
            sql_rescue.WALKS, ("ASC", "DESC")
        ):
            for number, instance in _Rows(old, walk.format(order=order)):
                if number > start:
                    known[number] = instance or known.get(number)
        for instance in set(known.values()) - {None}:
            for (number,) in _Rows(old, sql_rescue.RESCUED_NUMBERS, instance):
                known[number] = instance
        select = sql_rescue.RESCUED_ENTRY.format_map(_columns(old))
        for number, instance in sorted(known.items()):
            found = list(_Rows(old, select, number))
            yield from found
            if not found and instance:
                self.lost.add(str(instance))


class _Rows(Iterator[Any]):
    """The rows of a statement, up to the first that cannot be read."""

    def __init__(
        self, database: sqlite3.Connection, select: str, *values: object
    ) -> None:
        self.damage = ""
        self._rows: Iterator[Iterable[Any]] = iter(())
        try:
            self._rows = database.execute(select, values)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.damage = str(error)

    def __next__(self) -> tuple[Any, ...]:
        try:
            return tuple(next(self._rows))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.damage = str(error)
            raise StopIteration from error


def _columns(old: sqlite3.Connection) -> dict[str, str]:
    """Return column -> how it is read, of those that came later."""
    found = {name for (name,) in _Rows(old, sql_rescue.COLUMNS)}
    return {
        name: name if name in found or not found else instead
        for name, instead in _LATER_COLUMNS.items()
    }


def _copy_open(old: sqlite3.Connection, copy: _Copy, damage: str) -> str:
    """Copy what a connection still reads, and close it.

    :param damage: why there is nothing to read, if so
    :returns: what ended it before all was copied, if so
    """
    damage = damage or copy.take(old)
    if not damage:
        # The main file has all then, wherever it was moved to.
        with contextlib.suppress(sqlite3.Error):
            old.execute("PRAGMA wal_checkpoint(PASSIVE)")
    old.close()
    return damage


def _copy_aside(path: pathlib.Path, copy: _Copy) -> None:
    """Copy what only processes that have ended have written.

    If the files that were put aside do not fit together, the main file alone
    has the entries up to its last checkpoint.
    """
    for file in open_files.paths(path):
        files.check(file)
    for how in ("mode=rw", "mode=ro&immutable=1"):
        uri = f"{path.absolute().as_uri()}?{how}"
        try:
            old = sqlite3.connect(uri, uri=True)
        except sqlite3.Error:
            continue
        with contextlib.closing(old):
            old.text_factory = schema.decoded
            if not copy.take(old):
                return
