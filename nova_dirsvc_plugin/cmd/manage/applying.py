# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that have a directory written to: what they share."""

import argparse
from collections.abc import Sequence
from typing import Any

from nova_dirsvc_plugin.cmd.manage import formatting, reconciling
from nova_dirsvc_plugin.cmd.manage import work as works
from nova_dirsvc_plugin.cmd.manage.exits import Exit
from nova_dirsvc_plugin.outbox import State, queries
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.reconcile import apply
from nova_dirsvc_plugin.reconcile import plan as plans

COLUMNS = (
    "Directory",
    "Plan",
    "Instances",
    "Entries",
    "Missing",
    "Differing",
    "Removals",
    "Conflicts",
    "Unsure",
    "Run",
    "Stored",
    "Left",
    "Waiting",
)

_KINDS = (
    plans.Kind.MISSING,
    plans.Kind.DIFFERING,
    plans.Kind.REMOVAL,
    plans.Kind.CONFLICT,
    plans.Kind.UNSURE,
)


class WriteCommand(reconciling.ReconcileCommand):
    """A command that stores repairs, and waits until they are delivered."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--patience",
            metavar="SECONDS",
            type=formatting.non_negative_int,
            default=reconciling.PATIENCE,
            help="seconds to wait while nova-dirsvc-sync delivers nothing,"
            " before the command ends with status 1; what is stored is"
            " delivered later (default: %(default)s)",
        )
        return parser

    def note_applied(self, directory: str, applied: apply.Applied) -> None:
        """Note how a run has ended."""
        self.note(Exit.DRIFT if applied.left else Exit.REPAIRED)
        if applied.waiting:
            self.note(
                Exit.ERROR,
                f"directory {directory}: {applied.waiting} repairs are stored"
                " and not delivered, and"
                f" {applied.left} are not stored: `outbox list` says why."
                " nova-dirsvc-sync delivers what is stored when the directory"
                " takes it",
            )
        kept_away = outbox_repairs.Repairs(self.settings.outbox).kept_away(
            applied.run_id
        )
        if kept_away:
            self.note(
                Exit.DRIFT,
                f"directory {directory}: {kept_away} instances were"
                " unregistered for good, and Nova has them again: they get"
                " no entry while the outbox keeps that, for [nova_dirsvc]"
                " retention_days",
            )
        refused = self._refused(directory)
        if refused:
            self.note(
                Exit.ERROR,
                f"directory {directory}: it refuses {refused} repairs:"
                " `outbox list --state buried` says why",
            )

    def _refused(self, directory: str) -> int:
        """Count the repairs that a directory refuses for good."""
        with self.outbox.snapshot() as database:
            return sum(
                item.event_type.startswith("dirsvc.")
                for item in queries.items(
                    database, [directory], {State.BURIED}
                )
            )


class ApplyCommand(WriteCommand):
    """A command that does what a plan says."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--max-count",
            metavar="NUMBER",
            type=formatting.non_negative_int,
            help="number of entries that are written, at most",
        )
        parser.add_argument(
            "--allow",
            metavar="PLAN-ID",
            default="",
            help="let this plan pass the guard, once",
        )
        return parser

    def apply(
        self,
        work: works.Work,
        plan: plans.Plan,
        parsed_args: argparse.Namespace,
        verb: str,
    ) -> apply.Applied:
        """Have a plan written, if the guard lets it; note how that ends.

        :param verb: of the run
        """
        applier = work.applier(parsed_args.patience)
        if plan.is_empty:
            if reconciling.has_drift(plan):
                self.note(Exit.DRIFT)
            return apply.Applied()
        stops = applier.check(plan, parsed_args.allow)
        if not parsed_args.dry_run:
            applier.note_guard(plan.directory, stops)
        if stops:
            self._note_stops(plan, stops)
            return apply.Applied(left=apply.write_count(plan))
        if parsed_args.dry_run:
            self.note(Exit.DRIFT)
            return apply.Applied(left=apply.write_count(plan))
        applied = applier.apply(
            plan,
            verb,
            allowed=bool(parsed_args.allow and applier.check(plan)),
            most=parsed_args.max_count,
        )
        if applied.stops:
            self._note_stops(plan, applied.stops)
        self.note_applied(plan.directory, applied)
        if plan.counts[plans.Kind.CONFLICT]:
            self.note(Exit.DRIFT)
        return applied

    def _note_stops(self, plan: plans.Plan, stops: Sequence[str]) -> None:
        self.note(
            Exit.GUARD,
            *(f"directory {plan.directory}: {stop}" for stop in stops),
        )


def line(plan: plans.Plan, applied: apply.Applied) -> tuple[Any, ...]:
    """Return the line of a directory, for :data:`COLUMNS`."""
    return (
        plan.directory,
        plan.plan_id,
        plan.reading.instances,
        plan.entries,
        *(plan.counts[kind] for kind in _KINDS),
        applied.run_id,
        applied.stored,
        applied.left,
        applied.waiting,
    )
