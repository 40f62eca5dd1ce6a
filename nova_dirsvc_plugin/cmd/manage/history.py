# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``history``: one instance, from Nova's request to the directories."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin.cmd.manage import desk_command, words
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


class History(desk_command.DeskCommand, lister.Lister):
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
            type=words.instance,
            help="the instance",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        with self.desk.look() as database:
            found = history.of_instance(database, parsed_args.instance)
        if not found:
            raise desk_command.NotPossible(
                f"the outbox knows nothing of an instance"
                f" {parsed_args.instance}: it never did, or what it knew is"
                " older than [nova_dirsvc] retention_days"
            )
        return _COLUMNS, [_line(one) for one in found]


def _line(one: history.Happening) -> tuple[object, ...]:
    parked = one.what == "parked" and not one.verb
    return (
        words.stamp(one.at),
        words.shown(parked, one.number),
        words.clean(one.what),
        words.clean(one.directory),
        words.clean(one.verb),
        words.clean(one.event_type),
        words.clean(one.request_id),
        words.stamp(one.occurred_at),
        one.times,
        words.stamp(one.until) if one.times > 1 else "",
        words.clean(one.reason),
    )
