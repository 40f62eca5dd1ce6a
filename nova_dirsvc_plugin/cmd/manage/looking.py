# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox list`` and ``outbox show``."""

import argparse
import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister, show

from nova_dirsvc_plugin.cmd.manage import base, formatting
from nova_dirsvc_plugin.outbox import claim, values, views

#: Lines of a listing, unless the operator says otherwise.
LIMIT = 1000

_COLUMNS = (
    "Number",
    "Directory",
    "State",
    "Verb",
    "Event Type",
    "Instance",
    "Attempts",
    "Stored At",
    "Next Try",
    "Reason",
)


class OutboxList(base.DeskCommand, lister.Lister):
    """List what is under way, and what needs a decision.

    One line for each entry and directory, first what is buried: the
    directory refused it for good. Then what is parked (a notification that
    could not be understood), deferred (tried again later), waiting for its
    turn, and to be repeated (delivered, and once more for safety). What is
    delivered is listed with --all only.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--directory", metavar="NAME", help="only of this directory"
        )
        parser.add_argument(
            "--state",
            action="append",
            choices=[progress.value for progress in views.Progress],
            help="only in this state; may be repeated",
        )
        parser.add_argument(
            "--instance",
            metavar="UUID",
            type=formatting.instance,
            help="only of this instance",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="with what is delivered, skipped or dropped",
        )
        parser.add_argument(
            "--limit",
            metavar="N",
            type=formatting.at_least_none,
            default=LIMIT,
            help=f"lines at most, 0 for all; default: {LIMIT}",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        limit = parsed_args.limit or None
        with self.desk.look() as database:
            found = views.items(
                database,
                self.directories(database, parsed_args.directory),
                _wanted(parsed_args),
                instance_uuid=parsed_args.instance or "",
                limit=limit and limit + 1,
            )
        if limit and len(found) > limit:
            self.app.LOG.warning(
                "There is more than these %d lines: --limit 0 lists all", limit
            )
        return _COLUMNS, [_line(item) for item in found[:limit]]


def _wanted(parsed_args: argparse.Namespace) -> set[views.Progress]:
    if parsed_args.state:
        wanted = set(map(views.Progress, parsed_args.state))
    else:
        wanted = set(views.EVERY if parsed_args.all else views.UNDER_WAY)
    if parsed_args.directory:
        wanted.discard(views.Progress.PARKED)
    return wanted


def _line(item: views.Item) -> tuple[object, ...]:
    parked = item.progress is views.Progress.PARKED
    return (
        formatting.shown(parked, item.number),
        formatting.clean(item.directory),
        item.progress.value,
        formatting.clean(item.verb),
        formatting.clean(item.event_type),
        formatting.clean(item.instance_uuid),
        item.attempts,
        formatting.stamp(item.stored_at),
        _next_try(item),
        formatting.clean(item.reason),
    )


def _next_try(item: views.Item) -> str:
    if item.progress not in (views.Progress.DEFERRED, views.Progress.REPEAT):
        return ""
    wait = (item.not_before or 0.0) - time.time()
    # A longer wait was set by a clock that was wrong, and is not kept.
    put_off = 0 < wait <= claim.FAR or (
        wait > 0 and item.progress is views.Progress.REPEAT
    )
    return formatting.stamp(item.not_before) if put_off else "now"


class OutboxShow(base.DeskCommand, show.ShowOne):
    """Show all of one entry, or of one parked notification.

    The host record, how far each directory is with it, and what was done.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name",
            metavar="NUMBER",
            type=formatting.name,
            help="as `outbox list` shows it: 12, or parked-3",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        parked, number = parsed_args.name
        found = self._parked(number) if parked else self._entry(number)
        if found is None:
            raise base.NotPossible(
                f"there is no {formatting.shown(parked, number)} in the outbox"
            )
        return self.dict2columns(found)

    def _entry(self, number: int) -> dict[str, Any] | None:
        with self.desk.look() as database:
            entry = views.entry(database, number)
            if entry is None:
                return None
            items = views.items(
                database,
                self.directories(database),
                views.EVERY,
                number=number,
            )
            journal = views.journal(database, number)
        return _fields(entry) | {
            "directories": formatting.Nested(
                {
                    item.directory: formatting.cleaned(
                        {
                            "state": item.progress.value,
                            "attempts": item.attempts,
                            "next_try": _next_try(item),
                            "reason": item.reason,
                        }
                    )
                    for item in items
                }
            ),
            "journal": formatting.Nested([_note(*row) for row in journal]),
        }

    def _parked(self, number: int) -> dict[str, Any] | None:
        with self.desk.look() as database:
            parking = views.parking(database, number)
        if parking is None:
            return None
        return {
            "number": formatting.shown(True, parking.number),
            "event_type": formatting.clean(parking.event_type),
            "instance_uuid": formatting.clean(parking.instance_uuid),
            "message_id": formatting.clean(parking.message_id),
            "stored_at": formatting.stamp(parking.stored_at),
            "reason": formatting.clean(parking.reason),
            "notification": formatting.Nested(
                formatting.cleaned(parking.notification)
            ),
        }


def _fields(entry: values.Entry) -> dict[str, Any]:
    event = entry.event
    fields: dict[str, Any] = {
        "number": entry.number,
        "verb": formatting.clean(event.verb),
        "event_type": formatting.clean(event.event_type),
        "instance_uuid": formatting.clean(event.instance_uuid),
        "request_id": formatting.clean(event.request_id),
        "message_id": formatting.clean(event.message_id),
        "happened_at": formatting.stamp(event.occurred_at),
        "stored_at": formatting.stamp(entry.stored_at),
    }
    if entry.unreadable:
        return fields | {"unreadable": formatting.clean(entry.unreadable)}
    record = formatting.cleaned(dataclasses.asdict(event.record))
    return fields | {"record": formatting.Nested(record)}


def _note(
    directory: str,
    what: str,
    reason: str,
    times: int,
    first: float,
    last: float,
) -> dict[str, Any]:
    return {
        "at": formatting.stamp(first),
        "what": formatting.clean(what),
        "directory": formatting.clean(directory),
        "times": times,
        "until": formatting.stamp(last),
        "reason": formatting.clean(reason),
    }
