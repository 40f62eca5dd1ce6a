# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Repairs: events for one directory, with what its entries were before.

A run compares a directory with Nova, and stores what is to be repaired. A
repair is an event like others, of the time of the reading of Nova; but it is
for one directory. It is stored with the entry as it was, in one transaction:
there is never one without the other.
"""

import dataclasses
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import (
    admin,
    counts,
    recent,
    runs,
    sql,
    sql_repairs,
    values,
)
from nova_dirsvc_plugin.outbox.recent import Check, Recent
from nova_dirsvc_plugin.outbox.runs import Reading, Repair, Run
from nova_dirsvc_plugin.outbox.values import OutboxError, State

__all__ = ("PORTION", "Check", "Reading", "Recent", "Repair", "Repairs", "Run")

#: Repairs in one transaction: Nova, which waits for it, hardly does.
PORTION = 100

#: Before-images that are read at a time.
_READ_PORTION = 500


class Repairs:
    """The repairs that an outbox keeps, which exists.

    :param path: the SQLite file
    :param busy_timeout: seconds to wait for another process's commit
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        busy_timeout: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.admin = admin.OutboxAdmin(path, busy_timeout, clock)
        self._clock = clock

    # -- a run -------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Store a run, before its repairs.

        :raises OutboxError: it is not stored
        """
        with self.admin.transaction() as database:
            database.execute(sql_repairs.BEGIN_RUN, run.to_row())

    def put(
        self,
        run_id: str,
        repairs: Sequence[Repair],
        read_at: float,
        check: Check | None = None,
    ) -> int:
        """Store repairs, with what was before, in one transaction.

        One is left out if another one of that instance asks for the same, and
        is still to be delivered, or was settled since the reading; if that is
        buried, it is delivered again. So a run that is repeated, or that
        overtakes the last one, writes nothing twice.

        :param repairs: best :data:`PORTION` at a time
        :param read_at: epoch seconds, when the reading of the directory began
        :param check: what has to let repairs that change or remove something
        :returns: how many are to be delivered that were not
        :raises OutboxError: none of them is stored
        """
        with self.admin.transaction() as database:
            row = database.execute(sql_repairs.RUN, (run_id,)).fetchone()
            if row is None:
                raise OutboxError(f"the outbox has no run {run_id}")
            run = Run.from_row(row)
            if check and any(map(recent.takes_away, repairs)):
                # Here, so that no other run comes in between.
                check.raise_for(
                    recent.read(database, run.directory, check.since, run_id)
                )
            return sum(
                self._put(database, run, repair, read_at) for repair in repairs
            )

    def _put(
        self,
        database: sqlite3.Connection,
        run: Run,
        repair: Repair,
        read_at: float,
    ) -> bool:
        event = repair.event
        now = self._clock()
        row = values.event_row(event, now, run.directory)
        same = database.execute(
            sql_repairs.SAME_REPAIRS,
            row
            | {
                "read_at": read_at,
                "position": counts.position(database, run.directory),
            },
        ).fetchall()
        if any(
            one["settled"]
            or one["state"] in (State.WAITING.value, State.DEFERRED.value)
            for one in same
        ):
            return False
        for one in same:
            if one["state"] == State.BURIED.value:
                return _retry(database, run, one["number"], now)
        if not database.execute(sql.STORE, row).rowcount:
            return False
        database.execute(
            sql_repairs.STORE_REPAIR,
            row
            | {
                "run_id": run.run_id,
                "attributes": json.dumps(list(repair.attributes)),
                "before": json.dumps(repair.before),
            },
        )
        return True

    # -- what is known of the others ---------------------------------------

    def waiting(self, directory: str) -> int:
        """Count the repairs of a directory that are not delivered yet.

        :raises OutboxError: it cannot be read
        """
        with self.admin.snapshot() as database:
            row = database.execute(
                sql_repairs.WAITING_REPAIRS,
                {
                    "directory": directory,
                    "position": counts.position(database, directory),
                },
            ).fetchone()
        return int(row[0])

    def recent(self, directory: str, since: float) -> Recent:
        """Return what was asked of a directory since some time.

        What an operator has allowed, and what undoes a run, does not count.

        :param since: epoch seconds
        :raises OutboxError: it cannot be read
        """
        with self.admin.snapshot() as database:
            return recent.read(database, directory, since)

    def runs(self) -> list[Run]:
        """Return the runs that are kept, the latest first.

        :raises OutboxError: it cannot be read
        """
        with self.admin.snapshot() as database:
            return [
                Run.from_row(row) for row in database.execute(sql_repairs.RUNS)
            ]

    def before_images(
        self, run_id: str
    ) -> Iterator[tuple[str, events.Verb, Mapping[str, Any] | None]]:
        """Return what the entries were before a run, in its order.

        :returns: (instance uuid, what was asked for, the entry as it was)
        :raises OutboxError: it cannot be read
        """
        place = 0
        while rows := self._rows_of(run_id, place):
            for row in rows:
                place = row["place"]
                yield (
                    row["instance_uuid"],
                    events.Verb(row["verb"]),
                    runs.decoded(row["before"]),
                )

    def _rows_of(self, run_id: str, place: int) -> list[sqlite3.Row]:
        """Return some of a run's before-images, which come after a place."""
        with self.admin.snapshot() as database:
            return database.execute(
                sql_repairs.BEFORE_IMAGES,
                {"run_id": run_id, "place": place, "limit": _READ_PORTION},
            ).fetchall()

    def undelivered(self, run: Run) -> set[str]:
        """Return the instances whose repair is still to be delivered.

        :raises OutboxError: it cannot be read
        """
        return self._some_of(sql_repairs.UNDELIVERED_OF_RUN, run)

    def overtaken(self, run: Run) -> set[str]:
        """Return the instances of which Nova has said something later.

        It need not be delivered.

        :raises OutboxError: it cannot be read
        """
        return self._some_of(sql_repairs.OVERTAKEN_OF_RUN, run)

    def kept_away(self, run_id: str) -> int:
        """Count the entries that no repair brings: of what is final.

        :raises OutboxError: it cannot be read
        """
        with self.admin.snapshot() as database:
            row = database.execute(
                sql_repairs.KEPT_AWAY, {"run_id": run_id}
            ).fetchone()
        return int(row[0])

    def _some_of(self, query: str, run: Run) -> set[str]:
        with self.admin.snapshot() as database:
            found = database.execute(
                query,
                {
                    "run_id": run.run_id,
                    "directory": run.directory,
                    "position": counts.position(database, run.directory),
                },
            )
            return {row["instance_uuid"] for row in found}

    def was_allowed(self, plan_id: str) -> bool:
        """Return whether an operator has allowed a plan, and it was applied.

        :raises OutboxError: it cannot be read
        """
        with self.admin.snapshot() as database:
            (found,) = database.execute(
                sql_repairs.WAS_ALLOWED, (plan_id,)
            ).fetchone()
        return bool(found)

    # -- readings of Nova --------------------------------------------------

    def note_reading(self, cloud: str, kind: str, reading: Reading) -> None:
        """Keep the last reading of a kind.

        :param kind: *whole*, of all instances; *poll*, of those that changed
        :raises OutboxError: it is not stored
        """
        with self.admin.transaction() as database:
            database.execute(
                sql_repairs.NOTE_READING,
                dataclasses.asdict(reading) | {"cloud": cloud, "kind": kind},
            )

    def last_reading(self, cloud: str, kind: str) -> Reading | None:
        """Return what :meth:`note_reading` has kept.

        :raises OutboxError: it cannot be read
        """
        with self.admin.snapshot() as database:
            row = database.execute(
                sql_repairs.LAST_READING, (cloud, kind)
            ).fetchone()
        return None if row is None else Reading(**row)


def _retry(
    database: sqlite3.Connection, run: Run, number: int, now: float
) -> bool:
    """Have a buried repair delivered again."""
    database.execute(
        sql.RETRY_BURIED, {"directory": run.directory, "number": number}
    )
    database.execute(
        sql.NOTE,
        (
            number,
            run.directory,
            State.WAITING.value,
            f"retried by {run.verb} {run.run_id}",
            now,
            now,
        ),
    )
    return True
