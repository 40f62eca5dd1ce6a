# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An outbox in numbers; nothing here writes."""

import dataclasses
import sqlite3

from nova_dirsvc_plugin.outbox import views


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """How one directory is doing.

    :ivar oldest: epoch seconds, since when the oldest that is not delivered
        is stored; None when all is
    """

    position: int
    waiting: int
    deferred: int
    buried: int
    repeat: int
    oldest: float | None


_COUNT = """
SELECT coalesce(max(p.number), 0),
  (SELECT count(*) FROM entry WHERE number > coalesce(max(p.number), 0)),
  (SELECT min(stored_at) FROM entry WHERE number > coalesce(max(p.number), 0))
FROM position AS p WHERE p.directory = ?
"""

_COUNT_EXCEPTIONS = """
SELECT CASE WHEN x.state = 'deferred' AND x.deferrals = 0 AND x.reason = ''
    THEN 'waiting' ELSE x.state END AS progress,
  count(*), min(e.stored_at)
FROM exception AS x JOIN entry AS e USING (number)
WHERE x.directory = ? GROUP BY progress
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Totals:
    """How much there is, whatever became of it.

    :ivar last_stored: epoch seconds, when the newest entry was stored; None
        when there is none
    """

    entries: int
    parked: int
    last_stored: float | None


def totals(database: sqlite3.Connection) -> Totals:
    """Count what is in the outbox."""
    return Totals(
        *database.execute(
            "SELECT (SELECT count(*) FROM entry),"
            " (SELECT count(*) FROM parked),"
            " (SELECT max(stored_at) FROM entry)"
        ).fetchone()
    )


def of_directory(database: sqlite3.Connection, directory: str) -> Count:
    """Count what one directory has before it."""
    position, fresh, oldest = database.execute(_COUNT, (directory,)).fetchone()
    found = {
        progress: (number, since)
        for progress, number, since in database.execute(
            _COUNT_EXCEPTIONS, (directory,)
        )
    }

    def number_of(progress: views.Progress) -> int:
        return int(found.get(progress, (0, None))[0])

    since = [oldest] + [
        found.get(progress, (0, None))[1]
        for progress in (views.Progress.WAITING, views.Progress.DEFERRED)
    ]
    return Count(
        position=position,
        waiting=fresh + number_of(views.Progress.WAITING),
        deferred=number_of(views.Progress.DEFERRED),
        buried=number_of(views.Progress.BURIED),
        repeat=number_of(views.Progress.REPEAT),
        oldest=min((at for at in since if at is not None), default=None),
    )
