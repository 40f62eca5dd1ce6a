# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a run that failed has to show: an instance's way, step by step."""

import contextlib
import datetime
import pathlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.faults import fold

#: Instances that are shown in full; the others are named.
SHOWN = 5

LOG_LINES = 15

_ENTRIES = """
SELECT e.occurred_at, e.stored_at, e.number, e.event_type, e.verb, e.message_id
FROM entry AS e WHERE e.instance_uuid = ? ORDER BY e.number
"""

_JOURNAL = """
SELECT j.first_at, j.last_at, j.number, j.directory, j.state, j.times, j.reason
FROM journal AS j JOIN entry AS e USING (number)
WHERE e.instance_uuid = ? ORDER BY j.first_at, j.number
"""

_BACKLOG = """
SELECT x.not_before, x.number, x.directory, x.state, x.attempts, x.deferrals,
  x.reason
FROM backlog AS x WHERE x.instance_uuid = ? ORDER BY x.number
"""


def report(
    different: Mapping[str, Sequence[str]],
    emitted: Iterable[fold.Emitted],
    outbox: pathlib.Path,
    logs: Iterable[pathlib.Path],
) -> str:
    """Put into words what is not as it should be."""
    emitted, logs = list(emitted), list(logs)
    said = [f"{len(different)} instances differ:"]
    said += [
        f"  {instance}: {'; '.join(how)}"
        for instance, how in different.items()
    ]
    for instance in list(different)[:SHOWN]:
        said += ["", f"--- {instance}: emitted"]
        said += [
            f"{one.at:%H:%M:%S.%f} {one.message['event_type']}"
            f" {one.data.get('state')} {one.message_id}"
            f" {'tells' if one.tells else '-'}"
            for one in sorted(emitted, key=lambda one: one.at)
            if one.instance == instance
        ]
        said += [f"--- {instance}: outbox", *history(outbox, instance)]
        for log in logs:
            lines = [line for line in _lines(log) if instance in line]
            said += [f"--- {instance}: {log.name}", *lines[-LOG_LINES:]]
    for log in logs:
        said += ["", f"--- the end of {log.name}", *_lines(log)[-LOG_LINES:]]
    return "\n".join(said)


def history(outbox: pathlib.Path, instance: str) -> list[str]:
    """Return the outbox's rows about an instance, as text."""
    with contextlib.closing(_opened(outbox)) as database:
        return [
            f"{title:9} " + "  ".join(_word(value) for value in row)
            for title, statement in (
                ("entry", _ENTRIES),
                ("journal", _JOURNAL),
                ("backlog", _BACKLOG),
            )
            for row in database.execute(statement, (instance,))
        ]


def stored(outbox: pathlib.Path) -> dict[str, str]:
    """Return what was stored: message id -> instance."""
    with contextlib.closing(_opened(outbox)) as database:
        return dict(
            database.execute("SELECT message_id, instance_uuid FROM entry")
        )


def parked_and_buried(outbox: pathlib.Path) -> list[Any]:
    """Return what was given up, which nothing here is a reason for."""
    with contextlib.closing(_opened(outbox)) as database:
        return database.execute(
            "SELECT instance_uuid, reason FROM parked UNION ALL"
            " SELECT instance_uuid, reason FROM backlog"
            " WHERE state = 'buried'"
        ).fetchall()


def _opened(outbox: pathlib.Path) -> sqlite3.Connection:
    return sqlite3.connect(outbox, timeout=30)


def _word(value: object) -> str:
    if isinstance(value, float) and value > 1e9:
        moment = datetime.datetime.fromtimestamp(value, datetime.UTC)
        return f"{moment:%H:%M:%S.%f}"
    return str(value)


def _lines(log: pathlib.Path) -> list[str]:
    if not log.exists():
        return []
    return log.read_text(errors="replace").splitlines()
