# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``history``: one instance, from Nova's request to the directories."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin.cmd.manage import base, formatting
from nova_dirsvc_plugin.outbox import history

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


class History(base.DeskCommand, lister.Lister):
    """Tell what happened to one instance, oldest first.

    Each event with the id of Nova's request and when it happened by Nova's
    clock (Happened At), and what was decided and done about it, for each
    directory. What happened again and again is one line, with the last time
    (Until). Times are UTC. What is delivered is remembered for
    [nova_dirsvc] retention_days.
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
        with self.desk.look() as database:
            found = history.of_instance(database, parsed_args.instance)
        if not found:
            raise base.NotPossible(
                f"the outbox knows nothing of an instance"
                f" {parsed_args.instance}: it never did, or what it knew is"
                " older than [nova_dirsvc] retention_days"
            )
        return _COLUMNS, [_line(one) for one in found]


def _line(one: history.Happening) -> tuple[object, ...]:
    parked = one.what == "parked" and not one.verb
    return (
        formatting.stamp(one.at),
        formatting.shown(parked, one.number),
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
