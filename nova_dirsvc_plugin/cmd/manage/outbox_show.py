# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox show``."""

import argparse
import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd.manage import base, formatting, show
from nova_dirsvc_plugin.outbox import queries


class OutboxShow(base.OutboxCommand, show.ShowOne):
    """Show one entry, or one parked notification, with all its fields.

    For an entry: the host record, its state with each directory, and what
    was done about it. A repair is for one directory (only_for), and has the
    entry as it was before.
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
                f"there is no {formatting.entry_name(parked, number)}"
                " in the outbox"
            )
        return self.dict2columns(found)

    def _entry(self, number: int) -> dict[str, Any] | None:
        with self.outbox.snapshot() as database:
            entry = queries.entry(database, number)
            if entry is None:
                return None
            items = queries.items(
                database,
                self.directories(database),
                queries.EVERY,
                number=number,
            )
            journal = queries.journal(database, number)
            repair = queries.repair(database, entry.event.message_id)
        now = time.time()
        return (
            _fields(entry)
            | _repair(repair)
            | {
                "directories": formatting.Nested(
                    {
                        item.directory: formatting.cleaned(
                            {
                                "state": item.state.value,
                                "attempts": item.attempts,
                                "next_try": formatting.next_try(item, now),
                                "reason": item.reason,
                            }
                        )
                        for item in items
                    }
                ),
                "journal": formatting.Nested(
                    [_note(note) for note in journal]
                ),
            }
        )

    def _parked(self, number: int) -> dict[str, Any] | None:
        with self.outbox.snapshot() as database:
            parked = queries.parked(database, number)
        if parked is None:
            return None
        return {
            "number": formatting.entry_name(True, parked.number),
            "event_type": formatting.clean(parked.event_type),
            "instance_uuid": formatting.clean(parked.instance_uuid),
            "message_id": formatting.clean(parked.message_id),
            "stored_at": formatting.stamp(parked.stored_at),
            "reason": formatting.clean(parked.reason),
            "notification": formatting.Nested(
                formatting.cleaned(parked.notification)
            ),
        }


def _fields(entry: outbox.Entry) -> dict[str, Any]:
    event = entry.event
    fields: dict[str, Any] = {
        "number": entry.number,
        "verb": formatting.clean(event.verb),
        "only_for": formatting.clean(entry.directory),
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


def _repair(repair: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of a repair; nothing of another entry."""
    if not repair:
        return {}
    return {
        "run": formatting.clean(repair["run_id"]),
        "changes": formatting.Nested(formatting.cleaned(repair["attributes"])),
        "before": formatting.Nested(formatting.cleaned(repair["before"])),
    }


def _note(note: queries.Note) -> dict[str, Any]:
    return {
        "at": formatting.stamp(note.first_at),
        "state": formatting.clean(note.state),
        "directory": formatting.clean(note.directory),
        "times": note.times,
        "until": formatting.stamp(note.last_at),
        "reason": formatting.clean(note.reason),
    }
