# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``reconcile``: make the directories equal to Nova."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin.cmd.manage import applying, reconciling
from nova_dirsvc_plugin.cmd.manage import work as works


class Reconcile(
    applying.ApplyCommand, reconciling.PolicyCommand, lister.Lister
):
    """Make the directories equal to Nova.

    All instances of Nova are compared with all entries that have this
    cloud's owner mark. What is to be written is stored in the outbox, in
    portions, and nova-dirsvc-sync delivers it. An entry is removed only if
    Nova, asked for that instance, says that it is gone. The command ends when
    all is delivered. If it is interrupted or killed, run it again: it goes on
    where it was.

    Exit status 0: nothing was to be done. 4: all that the policy lets it
    repair is repaired. 3: differences are left, those of a --dry-run or
    beyond --max-count, a conflict that needs the directory's administrator,
    or an instance that Nova has again after it was unregistered for good. 5:
    the guard has stopped it before the first write. 6: the reading of Nova is
    not whole, and nothing is removed. 1: something failed, or was not
    delivered in time. 127: the command line or an option is wrong.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="write nothing; `audit` lists each difference",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        work = self.load(parsed_args.directory)
        policy = works.policy(work.conf, parsed_args.policy)
        reading = self.read(work, keep=not parsed_args.dry_run)
        lines = [
            applying.line(
                plan,
                self.apply(work, plan, parsed_args, "reconcile"),
            )
            for plan in self.plans(work, reading, policy)
        ]
        return applying.COLUMNS, lines
