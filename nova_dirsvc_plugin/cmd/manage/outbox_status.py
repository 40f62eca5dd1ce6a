# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox status``."""

import argparse
import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import show

from nova_dirsvc_plugin.cmd.manage import base, formatting
from nova_dirsvc_plugin.outbox import counts


class OutboxStatus(base.OutboxCommand, show.ShowOne):
    """Show the size of the outbox and the numbers of each directory."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        path = self.settings.outbox
        with self.outbox.snapshot() as database:
            names = self.directories(database)
            totals = counts.totals(database)
            found = {name: counts.count(database, name) for name in names}
        size = sum(
            file.stat().st_size
            for suffix in ("", "-wal")
            if (file := path.with_name(path.name + suffix)).exists()
        )
        return self.dict2columns(
            {
                "outbox": formatting.clean(path),
                "bytes": size,
                "entries": totals.entries,
                "last_stored": formatting.stamp(totals.last_stored),
                "parked": totals.parked,
                "directories": _Lines(
                    {
                        formatting.clean(name): _numbers(count)
                        for name, count in found.items()
                    }
                ),
            }
        )


def _numbers(count: counts.Count) -> dict[str, Any]:
    age = None if count.oldest is None else time.time() - count.oldest
    return dataclasses.asdict(count) | {
        "oldest": formatting.stamp(count.oldest),
        "oldest_seconds": None if age is None else max(round(age, 3), 0.0),
    }


class _Lines(formatting.Nested):
    """A line for each directory."""

    def human_readable(self) -> str:
        lines = []
        for name, numbers in self._value.items():
            line = (
                f"{name}: read up to entry {numbers['position']}; "
                + ", ".join(
                    f"{numbers[state]} {state}"
                    for state in ("waiting", "deferred", "buried", "confirm")
                )
            )
            if numbers["oldest_seconds"] is not None:
                line += (
                    f"; oldest {formatting.span(numbers['oldest_seconds'])}"
                )
            lines.append(line)
        return "\n".join(lines)
