# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox list``."""

import argparse
import time
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd.manage import base, formatting
from nova_dirsvc_plugin.outbox import queries

#: Default number of lines of a listing.
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


class OutboxList(base.OutboxCommand, lister.Lister):
    """List the entries that are not delivered yet, most urgent first.

    One line for each entry and directory. ``buried``: the directory refused
    the entry for good. ``parked``: a notification that could not be
    understood. ``deferred``: tried again later. ``waiting``: not tried yet.
    ``confirm``: a removal that is done, and is done a second time for
    safety. Entries that are delivered, skipped or dropped are listed with
    --all only.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--directory", metavar="NAME", help="only of this directory"
        )
        parser.add_argument(
            "--state",
            action="append",
            choices=[state.value for state in outbox.State],
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
            help="also what is delivered, skipped or dropped",
        )
        parser.add_argument(
            "--limit",
            metavar="N",
            type=formatting.non_negative_int,
            default=LIMIT,
            help=f"maximum number of lines, 0 for all; default: {LIMIT}",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        limit = parsed_args.limit or None
        with self.outbox.snapshot() as database:
            found = queries.items(
                database,
                self.directories(database, parsed_args.directory),
                _states(parsed_args),
                instance_uuid=parsed_args.instance or "",
                limit=limit and limit + 1,
            )
        if limit and len(found) > limit:
            self.app.LOG.warning(
                "There are more than these %d lines: --limit 0 lists all",
                limit,
            )
        return _COLUMNS, [_line(item) for item in found[:limit]]


def _states(parsed_args: argparse.Namespace) -> set[outbox.State]:
    if parsed_args.state:
        states = set(map(outbox.State, parsed_args.state))
    else:
        states = set(queries.EVERY if parsed_args.all else queries.OPEN)
    if parsed_args.directory:
        states.discard(outbox.State.PARKED)
    return states


def _line(item: queries.Item) -> tuple[object, ...]:
    parked = item.state is outbox.State.PARKED
    return (
        formatting.entry_name(parked, item.number),
        formatting.clean(item.directory),
        item.state.value,
        formatting.clean(item.verb),
        formatting.clean(item.event_type),
        formatting.clean(item.instance_uuid),
        item.attempts,
        formatting.stamp(item.stored_at),
        formatting.next_try(item, time.time()),
        formatting.clean(item.reason),
    )
