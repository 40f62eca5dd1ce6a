# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the last comparison of each directory with Nova has found."""

import dataclasses
import json
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin.outbox import admin, runs, sql_repairs
from nova_dirsvc_plugin.outbox.values import OutboxError

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """One directory, compared with all of Nova.

    :ivar compared_at: epoch seconds
    :ivar whole: whether the reading of Nova was whole
    :ivar found: kind of difference -> number
    :ivar guarded_at: epoch seconds, when the guard was asked last; 0: never
    :ivar stops: why it stopped that reconcile, sentences
    """

    directory: str
    compared_at: float
    whole: bool
    instances: int
    entries: int
    found: Mapping[str, int]
    guarded_at: float = 0.0
    stops: Sequence[str] = ()


def note(box: admin.OutboxAdmin, comparison: Comparison) -> None:
    """Keep what was found; what the guard said before stays."""
    values = dataclasses.asdict(comparison)
    values["found"] = json.dumps(values["found"])
    _write(box, sql_repairs.NOTE_COMPARISON, values)


def note_guard(
    box: admin.OutboxAdmin, directory: str, now: float, stops: Sequence[str]
) -> None:
    """Keep what the guard has said to a reconcile.

    :param stops: sentences; empty: it may begin
    """
    values = {"directory": directory, "guarded_at": now}
    _write(box, sql_repairs.NOTE_GUARD, values | {"stops": json.dumps(stops)})


def read(database: sqlite3.Connection) -> list[Comparison]:
    """Return what is kept, of each directory that was ever compared.

    :raises OutboxError: it is damaged
    """
    return [
        Comparison(
            **dict(row)
            | {
                "whole": bool(row["whole"]),
                "found": runs.decoded(row["found"]),
                "stops": runs.decoded(row["stops"]),
            }
        )
        for row in database.execute(sql_repairs.COMPARISONS)
    ]


def _write(
    box: admin.OutboxAdmin, statement: str, values: Mapping[str, Any]
) -> None:
    """Write what nobody acts upon: the comparison goes on without it."""
    try:
        with box.transaction() as database:
            database.execute(statement, values)
    except OutboxError as error:
        LOG.warning("What was found is not kept for the metrics: %s", error)
