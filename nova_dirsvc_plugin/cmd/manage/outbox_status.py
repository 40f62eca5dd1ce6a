# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox status``."""

import argparse
import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Any

from nova_dirsvc_plugin.cmd.manage import base, formatting, show
from nova_dirsvc_plugin.outbox import health, lock, queries, unstored

#: Exit statuses, beside those of every command: the first that applies.
EXIT_NOT_DELIVERED = 3
EXIT_PROBLEM = 4


class OutboxStatus(base.OutboxCommand, show.ShowOne):
    """Show the outbox, who delivers it, and what needs an operator.

    The exit status is for monitoring: 0 if all is well, 3 if nobody delivers
    to a directory of [nova_dirsvc] directories, 4 if there is another problem,
    which the output names. 1 and 2 are as for each command.
    """

    _problems: Sequence[health.Problem] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--max-age",
            metavar="SECONDS",
            type=formatting.non_negative_int,
            default=int(health.MAX_AGE),
            help="an entry that has waited for longer is a problem; default:"
            " %(default)s",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        path = self.settings.outbox
        with self.outbox.snapshot() as database:
            known = queries.directories(database)
            facts = health.read(database, path, self.configured(known))
        now = time.time()
        self._problems = list(health.problems(facts, now, parsed_args.max_age))
        size = sum(
            file.stat().st_size
            for suffix in ("", "-wal")
            if (file := path.with_name(path.name + suffix)).exists()
        )
        return self.dict2columns(
            {
                "outbox": formatting.clean(path),
                "bytes": size,
                "entries": facts.totals.entries,
                "last_stored": formatting.stamp(facts.totals.last_stored),
                "parked": facts.totals.parked,
                "unstored": _Processes(
                    [_process(one) for one in facts.in_memory]
                ),
                "directories": _Lines(
                    {
                        formatting.clean(name): _directory(one, now)
                        for name, one in facts.directories.items()
                    }
                ),
                "problems": _Problems(
                    [_problem(one) for one in self._problems]
                ),
            }
        )

    def run(self, parsed_args: argparse.Namespace) -> int:
        status = super().run(parsed_args)
        if status or not self._problems:
            return status
        if any(one.kind.stops for one in self._problems):
            return EXIT_NOT_DELIVERED
        return EXIT_PROBLEM


def _directory(one: health.Directory, now: float) -> dict[str, Any]:
    holder = one.holder or lock.NOBODY
    return dataclasses.asdict(one.count) | {
        "oldest": formatting.stamp(one.count.oldest),
        "oldest_seconds": _age(one.count.oldest),
        "configured": one.configured,
        "delivered": health.delivers(one, now),
        "process": holder.process,
        "host": formatting.clean(holder.host),
        "since": formatting.stamp(holder.since),
        "last_seen": formatting.stamp(holder.seen),
        "last_seen_seconds": _age(holder.seen),
    }


def _problem(one: health.Problem) -> dict[str, Any]:
    return {
        "problem": one.kind.value,
        "directory": formatting.clean(one.directory),
        "finding": formatting.clean(one.finding),
        "remedy": formatting.clean(one.remedy),
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
        return "\n".join(
            f"{name}: {_who(one)}; read up to entry {one['position']}; "
            + ", ".join(
                f"{one[state]} {state}"
                for state in ("waiting", "deferred", "buried", "confirm")
            )
            + (
                ""
                if one["oldest_seconds"] is None
                else f"; oldest {formatting.span(one['oldest_seconds'])}"
            )
            for name, one in self._value.items()
        )


def _who(one: dict[str, Any]) -> str:
    """Say who delivers to a directory."""
    seen = ""
    if one["last_seen_seconds"] is not None:
        seen = f", last seen {formatting.span(one['last_seen_seconds'])} ago"
    if one["delivered"] is None:
        return "who delivers is not known: be root, or of the outbox's group"
    if one["delivered"]:
        return (
            f"process {one['process']} on {one['host']} delivers since"
            f" {one['since']}{seen}"
            if one["process"]
            else "delivered"
        )
    return f"nobody delivers{seen}"


class _Problems(formatting.Nested):
    """A line for each problem."""

    def human_readable(self) -> str:
        return (
            "\n".join(
                f"{one['directory'] or 'outbox'}: {one['finding']}:"
                f" {one['remedy']}"
                for one in self._value
            )
            or "none"
        )
