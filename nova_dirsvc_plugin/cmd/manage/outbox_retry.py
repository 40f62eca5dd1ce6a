# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox retry``."""

import argparse

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd.manage import decision, formatting
from nova_dirsvc_plugin.notifications import reader


class OutboxRetry(decision.DecisionCommand):
    """Try again now what is buried, deferred or parked.

    A buried entry gets all its attempts anew. A deferred entry does not wait
    any longer, nor do the entries that it waits for. A parked notification
    is read again: it becomes an entry if this release understands it, and
    stays parked otherwise.

    Exit status 1 when one of them could not be tried again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--all",
            action="store_true",
            help="all that is buried, deferred or parked",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        decision.check_choice(parsed_args.names, parsed_args.all, "--all")
        if parsed_args.all:
            items = self.all_of(
                {*decision.STUCK, outbox.State.PARKED}, parsed_args.directory
            )
            refused = 0
        else:
            items, refused = self.named(
                parsed_args.names, parsed_args.directory
            )
        if not items and not refused:
            self.app.stdout.write(decision.NOTHING)
        for item in items:
            if item.state is outbox.State.PARKED:
                refused += not self._reparse(item.number)
        refused += self.report(
            [item for item in items if item.state in decision.STUCK],
            self.outbox.retry,
            "to be delivered again",
        )
        return 1 if refused else 0

    def _reparse(self, number: int) -> bool:
        parser = reader.NotificationReader(
            unversioned=True, users=self.settings.record_users
        )
        result = self.outbox.reparse(number, parser.read)
        name = formatting.entry_name(True, number)
        if result is None:
            self.fail(f"there is no {name} in the outbox")
            return False
        if result.number is None:
            self.fail(
                f"{name} stays parked: {formatting.clean(result.reason)}"
            )
            return False
        self.app.stdout.write(f"{name}: is entry {result.number} now\n")
        return True
