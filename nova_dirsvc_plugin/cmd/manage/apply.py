# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``apply``: do what a plan says."""

import argparse
import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin import version
from nova_dirsvc_plugin.cmd.manage import applying, config
from nova_dirsvc_plugin.cmd.manage import work as works
from nova_dirsvc_plugin.reconcile import items as plan_items
from nova_dirsvc_plugin.reconcile import plan as plans
from nova_dirsvc_plugin.reconcile import plan_file

#: Instances that a message names.
_NAMED = 5


class Apply(applying.ApplyCommand, lister.Lister):
    """Do what a file says that `plan` has written.

    Nova is asked for each of its instances, and their entries are read: the
    plan is refused if anything that it rests on has changed since.

    Exit status 0: nothing was to be done. 4: all is done. 3: differences are
    left, beyond --max-count. 5: the guard has stopped it before the first
    write. 6: the plan rests on a reading of Nova that was not whole, and
    removes nothing. 1: something failed, or was not delivered in time. 127:
    the file is no plan, or not one of this cloud, owner mark and release; or
    what it rests on has changed.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file", metavar="FILE", type=pathlib.Path, help="the plan"
        )
        parser.set_defaults(dry_run=False)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        work = self.load(None)
        plan = _read(parsed_args.file, work)
        if not plan.reading.whole:
            self.note_not_whole(f"{parsed_args.file}: ", plan.reading)
        keys = plan.items.uuids(*plan.policy.written)
        work = dataclasses.replace(
            work,
            directories={plan.directory: work.directories[plan.directory]},
        )
        reading = self.read(work, only=keys)
        lines = []
        for now in self.plans(work, reading, plan.policy, keys):
            _check_unchanged(parsed_args.file, plan, now)
            current = dataclasses.replace(
                plan,
                items=now.items,
                made_at=now.made_at,
                reading=dataclasses.replace(
                    plan.reading, started_at=now.reading.started_at
                ),
            )
            applied = self.apply(work, current, parsed_args, "apply")
            lines.append(applying.line(current, applied))
        return applying.COLUMNS, lines


def _read(path: pathlib.Path, work: works.Work) -> plans.Plan:
    """Read a plan.

    :raises WrongUse: it cannot be read, or is not for here
    """
    try:
        with path.open("rb") as file:
            return plan_file.from_lines(
                file,
                release=version.release(),
                cloud=work.nova.connection.endpoint(),
                owner=work.owner,
                directories=work.directories,
            )
    except (OSError, plan_file.WrongPlan) as error:
        reason = getattr(error, "strerror", None) or error
        raise config.WrongUse(f"{path}: {reason}") from error


def _check_unchanged(
    path: pathlib.Path, plan: plans.Plan, now: plans.Plan
) -> None:
    """Check that the same would be written now.

    :raises WrongUse: it would not
    """
    if now.plan_id == plan.plan_id:
        return
    before, after = _digests(plan), _digests(now)
    moved = sorted(
        key
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    )
    more = len(moved) - _NAMED
    raise config.WrongUse(
        f"{path}: what the plan rests on has changed, make a new plan:"
        f" instances {', '.join(moved[:_NAMED])}"
        + (f" and {more} more" if more > 0 else "")
    )


def _digests(plan: plans.Plan) -> dict[str, tuple[plans.Kind, bytes]]:
    return {
        item.instance_uuid: (item.kind, plan_items.digest(item))
        for item in plan.items.of(*plan.policy.written)
    }
