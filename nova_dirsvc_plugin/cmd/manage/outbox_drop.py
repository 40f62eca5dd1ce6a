# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox drop``."""

import argparse
from collections.abc import Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd.manage import config, decision, formatting
from nova_dirsvc_plugin.outbox import queries

#: Lines that a question shows; the number of the others follows.
_SHOWN = 20


class OutboxDrop(decision.DecisionCommand):
    """Drop what is buried, deferred or parked, for good.

    The directories stay as they are. The event remains in the instance's
    history, a parked notification does not. On a terminal the command asks
    first; elsewhere it needs --yes.

    Exit status 1 when one of them could not be dropped.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--all-buried", action="store_true", help="all that is buried"
        )
        parser.add_argument(
            "--all-parked", action="store_true", help="all that is parked"
        )
        parser.add_argument(
            "-y", "--yes", action="store_true", help="do not ask"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        states = {
            state
            for state, chosen in (
                (outbox.State.BURIED, parsed_args.all_buried),
                (outbox.State.PARKED, parsed_args.all_parked),
            )
            if chosen
        }
        decision.check_choice(
            parsed_args.names, bool(states), "--all-buried or --all-parked"
        )
        if not parsed_args.yes and not self.app.stdin.isatty():
            raise config.WrongUse(
                "nothing is dropped: without a terminal this needs --yes"
            )
        if states:
            items = self.all_of(states, parsed_args.directory)
            refused = 0
        else:
            items, refused = self.named(
                parsed_args.names, parsed_args.directory
            )
        if not items and not refused:
            self.app.stdout.write(decision.NOTHING)
        if items and not parsed_args.yes and not self._is_sure(items):
            self.fail("nothing is dropped")
            return 1
        refused += self.report(items, self.outbox.drop, "dropped")
        return 1 if refused else 0

    def _is_sure(self, items: Sequence[queries.Item]) -> bool:
        out = self.app.stdout
        for item in items[:_SHOWN]:
            out.write(
                f"{decision.describe(item)}: {formatting.clean(item.reason)}\n"
            )
        if len(items) > _SHOWN:
            out.write(f"and {len(items) - _SHOWN} more\n")
        out.write("Drop all of these? [y/N] ")
        out.flush()
        return self.app.stdin.readline().strip().lower() in ("y", "yes")
