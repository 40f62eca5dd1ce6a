# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``history``: one instance, from Nova's request to the directories."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin.cmd.manage import base, formatting
from nova_dirsvc_plugin.outbox import queries

_COLUMNS = (
    "At",
    "Number",
    "What",
    "Directory",
    "Verb",
    "Event Type",
    "Request ID",
    "Happened At",
    "Times",
    "Until",
    "Reason",
)


class History(base.OutboxCommand, lister.Lister):
    """List the events of one instance and what was done, oldest first.

    Each event has the id of Nova's request and its time by Nova's clock
    (Happened At); then comes the state that it got with each directory.
    What is repeated is one line, with the last time (Until). Times are UTC.
    Delivered events are kept for [nova_dirsvc] retention_days.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "instance",
            metavar="UUID",
            type=formatting.instance,
            help="the instance",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        with self.outbox.snapshot() as database:
            found = queries.history(database, parsed_args.instance)
        if not found:
            raise base.NotPossible(
                f"the outbox has no event of instance {parsed_args.instance}:"
                " there was none, or all are older than [nova_dirsvc]"
                " retention_days"
            )
        return _COLUMNS, [_line(one) for one in found]


def _line(one: queries.Happening) -> tuple[object, ...]:
    parked = one.what == "parked" and not one.verb
    return (
        formatting.stamp(one.at),
        formatting.entry_name(parked, one.number),
        formatting.clean(one.what),
        formatting.clean(one.directory),
        formatting.clean(one.verb),
        formatting.clean(one.event_type),
        formatting.clean(one.request_id),
        formatting.stamp(one.occurred_at),
        one.times,
        formatting.stamp(one.until) if one.times > 1 else "",
        formatting.clean(one.reason),
    )
