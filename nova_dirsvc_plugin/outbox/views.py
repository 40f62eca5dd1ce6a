# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What an operator wants to see of an outbox; nothing here writes."""

import dataclasses
import enum
import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin.outbox import rows
from nova_dirsvc_plugin.outbox.values import Entry

#: More than any outbox has.
_ALL = 2**62


class Progress(enum.StrEnum):
    """How far an entry is with one directory; what needs a look first.

    A *parked* notification is not an entry yet. *Waiting* is what was not
    tried yet, or stands behind a deferred one of its instance.
    """

    BURIED = "buried"
    PARKED = "parked"
    DEFERRED = "deferred"
    WAITING = "waiting"
    REPEAT = "repeat"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    DROPPED = "dropped"


#: What nothing more will be done about.
OVER = frozenset((Progress.DELIVERED, Progress.SKIPPED, Progress.DROPPED))
EVERY = frozenset(Progress)
UNDER_WAY = EVERY - OVER
_RANKS = {progress: rank for rank, progress in enumerate(Progress)}


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One line of a listing: an entry and a directory, or what is parked.

    :ivar number: the entry's, or if it is parked, of a count of its own
    :ivar not_before: epoch seconds, when it is tried next; None when it is
        not put off, or no longer
    """

    number: int
    directory: str
    progress: Progress
    verb: str
    event_type: str
    instance_uuid: str
    attempts: int
    stored_at: float
    not_before: float | None
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Parking:
    """A parked notification.

    :ivar notification: as it was stored, or the text if that is no JSON
    """

    number: int
    message_id: str
    event_type: str
    instance_uuid: str
    stored_at: float
    reason: str
    notification: Mapping[str, Any] | str


_EXCEPTIONS = """
SELECT * FROM (
  SELECT e.number, x.directory,
    CASE WHEN x.state = 'deferred' AND x.deferrals = 0 AND x.reason = ''
      THEN 'waiting' ELSE x.state END AS progress,
    e.verb, e.event_type, e.instance_uuid, x.attempts, e.stored_at,
    x.not_before, x.reason
  FROM exception AS x JOIN entry AS e USING (number)
  WHERE x.directory IN (SELECT value FROM json_each(:directories))
    AND e.number BETWEEN :first AND :last
    AND (:instance = '' OR e.instance_uuid = :instance))
WHERE progress IN (SELECT value FROM json_each(:wanted))
ORDER BY number, directory LIMIT :limit
"""

_FRESH = """
SELECT e.number, d.value, 'waiting', e.verb, e.event_type, e.instance_uuid,
  0, e.stored_at, NULL, ''
FROM json_each(:directories) AS d
LEFT JOIN position AS p ON p.directory = d.value
JOIN entry AS e ON e.number > coalesce(p.number, 0)
WHERE e.number BETWEEN :first AND :last
  AND (:instance = '' OR e.instance_uuid = :instance)
ORDER BY e.number, d.value LIMIT :limit
"""

#: What the journal says of an entry last; max() picks the row. A second
#: removal of what was delivered may have been skipped: delivered it is.
_OVER = """
SELECT * FROM (
  SELECT e.number, p.directory, coalesce(j.what, 'delivered') AS progress,
    e.verb, e.event_type, e.instance_uuid, 0, e.stored_at, NULL,
    coalesce(j.reason, '')
  FROM position AS p
  JOIN entry AS e ON e.number <= p.number
  LEFT JOIN (
    SELECT number, directory, what, reason,
      max(last_at + 1e12 * (what = 'delivered')) FROM journal
    WHERE what IN ('delivered', 'skipped', 'dropped')
      AND number BETWEEN :first AND :last
    GROUP BY number, directory) AS j
    ON j.number = e.number AND j.directory = p.directory
  WHERE p.directory IN (SELECT value FROM json_each(:directories))
    AND e.number BETWEEN :first AND :last
    AND (:instance = '' OR e.instance_uuid = :instance)
    AND NOT EXISTS (SELECT 1 FROM exception AS x
      WHERE x.directory = p.directory AND x.number = e.number))
WHERE progress IN (SELECT value FROM json_each(:wanted))
ORDER BY number, directory LIMIT :limit
"""

_PARKED = """
SELECT number, '', 'parked', '', event_type, instance_uuid, 0, stored_at,
  NULL, reason
FROM parked WHERE :instance = '' OR instance_uuid = :instance
ORDER BY number LIMIT :limit
"""

_ENTRY = """
SELECT e.number, e.message_id, e.event_type, e.verb, e.occurred_at,
  e.request_id, e.instance_uuid, e.record, e.stored_at,
  coalesce(o.remote_address, '')
FROM entry AS e LEFT JOIN origin AS o ON o.request_id = e.request_id
WHERE e.number = ?
"""


def directories(database: sqlite3.Connection) -> list[str]:
    """Give the names of those that were ever delivered to from here."""
    found = database.execute(
        "SELECT directory FROM position UNION SELECT directory FROM exception"
    )
    return sorted(name for (name,) in found)


def items(
    database: sqlite3.Connection,
    names: Iterable[str],
    wanted: Collection[Progress] = UNDER_WAY,
    *,
    number: int | None = None,
    instance_uuid: str = "",
    limit: int | None = None,
) -> list[Item]:
    """List what a few directories have done, or not, about entries.

    :param names: the directories
    :param number: of one entry; None for all, and what is parked
    :param limit: lines, at most; the first in :class:`Progress`'s order
    """
    values: dict[str, str | int] = {
        "directories": json.dumps(list(names)),
        "wanted": json.dumps([progress.value for progress in wanted]),
        "instance": instance_uuid,
        "first": 0 if number is None else number,
        "last": _ALL if number is None else number,
        "limit": _ALL if limit is None else limit,
    }
    statements = [_EXCEPTIONS]
    if Progress.WAITING in wanted:
        statements.append(_FRESH)
    if Progress.PARKED in wanted and number is None:
        statements.append(_PARKED)
    if OVER & set(wanted):
        statements.append(_OVER)
    found = [
        _item(row)
        for statement in statements
        for row in database.execute(statement, values)
    ]
    found.sort(
        key=lambda item: (_RANKS[item.progress], item.number, item.directory)
    )
    return found[:limit]


def entry(database: sqlite3.Connection, number: int) -> Entry | None:
    """Give one entry, without any directory's counts."""
    row = database.execute(_ENTRY, (number,)).fetchone()
    return None if row is None else rows.entry(row)


def parking(database: sqlite3.Connection, number: int) -> Parking | None:
    """Give one parked notification."""
    row = database.execute(
        "SELECT number, coalesce(message_id, ''), event_type, instance_uuid,"
        " stored_at, reason, notification FROM parked WHERE number = ?",
        (number,),
    ).fetchone()
    if row is None:
        return None
    parked = Parking(*row)
    return dataclasses.replace(parked, notification=_unpacked(row[-1]))


def journal(
    database: sqlite3.Connection, number: int
) -> Sequence[tuple[str, str, str, int, float, float]]:
    """Give directory, what, reason, times, first and last of an entry."""
    return database.execute(
        "SELECT directory, what, reason, times, first_at, last_at"
        " FROM journal WHERE number = ? ORDER BY first_at, last_at",
        (number,),
    ).fetchall()


def _item(row: Sequence[Any]) -> Item:
    number, directory, progress, *others = row
    return Item(number, directory, Progress(progress), *others)


def _unpacked(text: object) -> Mapping[str, Any] | str:
    try:
        found = json.loads(str(text))
    except ValueError:
        return str(text)
    return found if isinstance(found, dict) else str(text)
