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


def totals(database: sqlite3.Connection) -> tuple[int, int]:
    """Give how many entries there are, and how much is parked."""
    entries, parked = database.execute(
        "SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM parked)"
    ).fetchone()
    return entries, parked


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
