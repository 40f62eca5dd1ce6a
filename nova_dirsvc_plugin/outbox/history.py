# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What happened to one instance, and what was done about it."""

import dataclasses
import json
import sqlite3


@dataclasses.dataclass(frozen=True, slots=True)
class Happening:
    """One thing, or the same thing again and again.

    :ivar at: epoch seconds, the first time
    :ivar until: the last time
    :ivar number: of the entry, or of what is parked
    :ivar what: *stored*, *parked*, or the journal's word
    :ivar occurred_at: by Nova's clock; of what is stored only
    """

    at: float
    until: float
    number: int
    what: str
    directory: str
    verb: str
    event_type: str
    request_id: str
    occurred_at: float | None
    times: int
    reason: str


_STORED = """
SELECT stored_at, stored_at, number, 'stored', '', verb, event_type,
  request_id, occurred_at, 1, ''
FROM entry WHERE instance_uuid = ?
"""

_DONE = """
SELECT j.first_at, j.last_at, j.number, j.what, j.directory, e.verb,
  e.event_type, e.request_id, NULL, j.times, j.reason
FROM entry AS e JOIN journal AS j USING (number) WHERE e.instance_uuid = ?
"""

_PARKED = """
SELECT stored_at, number, event_type, reason, notification FROM parked
WHERE instance_uuid = ?
"""


def of_instance(
    database: sqlite3.Connection, instance_uuid: str
) -> list[Happening]:
    """Give all that is known, oldest first."""
    found = [
        Happening(*row)
        for statement in (_STORED, _DONE)
        for row in database.execute(statement, (instance_uuid,))
    ]
    for at, number, event_type, reason, text in database.execute(
        _PARKED, (instance_uuid,)
    ):
        found.append(
            Happening(
                at=at,
                until=at,
                number=number,
                what="parked",
                directory="",
                verb="",
                event_type=event_type,
                request_id=_request(text),
                occurred_at=None,
                times=1,
                reason=reason,
            )
        )
    # What came of an entry comes after it, within one moment, too.
    return sorted(
        found,
        key=lambda one: (one.at, one.number, one.what != "stored", one.until),
    )


def _request(notification: str) -> str:
    """Give the id of the request that a parked notification is of."""
    try:
        found = json.loads(notification)
        return str((found.get("ctxt") or {}).get("request_id") or "")
    except (ValueError, AttributeError):
        return ""
