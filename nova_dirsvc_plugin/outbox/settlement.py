# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores how a claim ended."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from nova_dirsvc_plugin.outbox import sql, summary
from nova_dirsvc_plugin.outbox.values import (
    Claim,
    Settlement,
    State,
    waiting_row,
)


class Rows:
    """The rows of a settled claim, made before others wait for them.

    :param settlements: one for each entry of the claim's turns
    :param now: epoch seconds
    """

    def __init__(
        self,
        directory: str,
        claim: Claim,
        settlements: Iterable[Settlement],
        now: float,
    ) -> None:
        self._directory, self._claim = directory, claim
        self._final: list[tuple[str, int]] = []
        self._kept: list[dict[str, Any]] = []
        self._notes: list[tuple[int, str, str, str, float, float]] = []
        taken = set()
        for one in settlements:
            number = one.entry.number
            if one.state.final:
                self._final.append((directory, number))
            else:
                self._kept.append(one.to_row(directory, now))
            if one.state.final or one.state is State.CONFIRM:
                taken.add(number)
            self._notes.append(
                (number, directory, one.outcome.value, one.reason, now, now)
            )
        self._kept += [
            waiting_row(directory, number, instance)
            for number, instance in claim.waiting
        ]
        self._summaries = summary.rows(directory, claim.turns, taken)

    def store(self, database: sqlite3.Connection) -> None:
        """Write them, and let those follow that waited for an entry."""
        claim, directory = self._claim, self._directory
        database.executemany(sql.REMOVE, self._final)
        database.executemany(sql.KEEP, self._kept)
        database.executemany(sql.NOTE, self._notes)
        database.executemany(sql.SUMMARISE, self._summaries)
        database.executemany(
            sql.WAKE,
            [
                {"directory": directory, "instance_uuid": instance}
                for instance in {
                    *claim.deferred,
                    *(one for _, one in claim.waiting),
                }
            ],
        )
        database.execute(sql.ADVANCE, (directory, claim.position))
