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
from nova_dirsvc_plugin.outbox import counts, unstored


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
                "unstored": _Processes(
                    [_process(one) for one in unstored.find(path)]
                ),
                "directories": _Lines(
                    {
                        formatting.clean(name): _numbers(count)
                        for name, count in found.items()
                    }
                ),
            }
        )


def _numbers(count: counts.Count) -> dict[str, Any]:
    return dataclasses.asdict(count) | {
        "oldest": formatting.stamp(count.oldest),
        "oldest_seconds": _age(count.oldest),
    }


def _process(one: unstored.Unstored) -> dict[str, Any]:
    return {
        "process": one.process,
        "running": one.running,
        "events": one.events,
        "oldest": formatting.stamp(one.since),
        "oldest_seconds": _age(one.since),
        "file": formatting.clean(one.path.name),
    }


def _age(since: float | None) -> float | None:
    return None if since is None else max(round(time.time() - since, 3), 0.0)


class _Processes(formatting.Nested):
    """A line for each process of Nova's that keeps events in memory."""

    def human_readable(self) -> str:
        return "\n".join(map(_sentence, self._value)) or "none"


def _sentence(one: dict[str, Any]) -> str:
    age = formatting.span(one["oldest_seconds"])
    if one["running"] is False:
        return (
            f"process {one['process']} has ended: the last that it reported"
            f" is {one['events']} events not stored, the oldest {age} ago"
            f" ({one['file']})"
        )
    return (
        f"process {one['process']} keeps {one['events']} events in memory;"
        f" oldest {age}"
    )


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
