# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Values of a run: its repairs, and what was before."""

import dataclasses
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox.values import OutboxError

#: The kind of a reading of all instances, where the outbox keeps the last.
WHOLE = "whole"


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """One comparison of a directory with Nova whose repairs are stored.

    :ivar run_id: unique
    :ivar plan_id: of the plan that it applies
    :ivar verb: *reconcile*, *apply*, *undo* or *poll*
    :ivar allowed: an operator has allowed it to pass the guard
    :ivar started_at: epoch seconds
    :ivar summary: more about it; JSON
    """

    run_id: str
    directory: str
    plan_id: str
    verb: str
    allowed: bool
    started_at: float
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        """Return the values of ``sql_repairs.BEGIN_RUN``."""
        row = dataclasses.asdict(self)
        return row | {"summary": json.dumps(self.summary)}

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> "Run":
        """Read a row of the table ``run``.

        :raises OutboxError: it is damaged
        """
        return cls(
            **dict(row)
            | {
                "allowed": bool(row["allowed"]),
                "summary": decoded(row["summary"]),
            }
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Repair:
    """What an entry of a directory should be, and what it was.

    :ivar before: the entry as it was, JSON; None: there was none
    :ivar attributes: those that change, in the directory's words
    """

    event: events.Event
    before: Mapping[str, Any] | None = None
    attributes: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """The last reading of a kind of one cloud.

    :ivar read_at: epoch seconds, when it began
    :ivar instances: how many there were
    """

    read_at: float
    instances: int


def decoded(text: str) -> Any:
    """Decode JSON that was stored with a run or a repair.

    :raises OutboxError: a disk has changed it
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise OutboxError(f"a repair is damaged: {error}") from error
