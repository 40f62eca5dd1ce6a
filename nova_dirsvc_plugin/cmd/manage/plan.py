# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``plan``: write down what a reconcile would do."""

import argparse
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin import events, version
from nova_dirsvc_plugin.cmd.manage import (
    applying,
    reconciling,
    result_file,
)
from nova_dirsvc_plugin.cmd.manage import work as works
from nova_dirsvc_plugin.cmd.manage.exits import Exit
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.reconcile import apply, ldif, plan_file
from nova_dirsvc_plugin.reconcile import plan as plans


class Plan(reconciling.PolicyCommand, lister.Lister):
    """Write into a file what a reconcile would do to one directory.

    The file can be looked at, and `apply` does what it says. Nothing is
    written to the directory.

    Exit status 0: there is nothing to do. 3: there is. 6: the reading of Nova
    is not whole, the plan removes nothing. 1: something failed. 127: the
    command line or an option is wrong.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        result_file.add_option(parser, "JSON")
        parser.add_argument(
            "--ldif",
            metavar="FILE",
            type=pathlib.Path,
            help="write what the plan would do as LDIF, too, to be looked at",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        work = self.load(parsed_args.directory)
        self.only_directory(work)
        policy = works.policy(work.conf, parsed_args.policy)
        reading = self.read(work, keep=True)
        lines = []
        for plan in self.plans(work, reading, policy):
            result_file.write(
                parsed_args.output,
                plan_file.to_lines(plan, version.release()),
            )
            if parsed_args.ldif:
                _write_ldif(
                    parsed_args.ldif, plan, work.directories[plan.directory]
                )
            if reconciling.has_drift(plan):
                self.note(Exit.DRIFT)
            for stop in work.applier(0).check(plan):
                self.report(f"directory {plan.directory}: {stop}")
            left = apply.write_count(plan)
            lines.append(applying.line(plan, apply.Applied(left=left)))
        return applying.COLUMNS, lines


def _write_ldif(
    path: pathlib.Path, plan: plans.Plan, directory: base.Directory
) -> None:
    """Write a plan as LDIF."""

    def added(state: events.HostState) -> tuple[str, ldif.Content]:
        entry = directory.new_entry(state)
        return entry.name, entry.content

    result_file.write(path, ldif.of_plan(plan, added))
