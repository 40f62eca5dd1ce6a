# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``audit``: how the directories differ from Nova."""

import argparse
import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.cmd.manage import formatting, reconciling
from nova_dirsvc_plugin.cmd.manage.exits import Exit
from nova_dirsvc_plugin.outbox import queries
from nova_dirsvc_plugin.reconcile import plan as plans
from nova_dirsvc_plugin.reconcile import reading as readings

_COLUMNS = (
    "Directory",
    "Instance",
    "Project",
    "Found",
    "Differences",
    "Reason",
)
_SUMMARY_COLUMNS = (
    "Directory",
    "Project",
    "Instances",
    "With Entry",
    "Without",
)


class Audit(reconciling.DirectoryCommand, lister.Lister):
    """List how the directories differ from Nova; change nothing.

    All instances of Nova are compared with all entries that have this
    cloud's owner mark. "missing" is an instance without an entry, "differing"
    an entry with other values, "removal" an entry of an instance that Nova,
    asked for it, says is gone. "conflict" needs the directory's
    administrator. "unsure" stays as it is, for the reason that is given.

    Exit status 0: no difference. 3: there are differences. 6: the reading of
    Nova is not whole. 1: something failed. 127: the command line or an option
    is wrong.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--summary",
            action="store_true",
            help="how many instances have their entry, by project, and why"
            " the others have none",
        )
        parser.add_argument(
            "--project", metavar="PROJECT", help="only this one: id or name"
        )
        parser.add_argument(
            "--instance",
            metavar="UUID",
            type=formatting.instance,
            help="only this one, for which Nova is asked by itself",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        work = self.load(parsed_args.directory)
        only = [parsed_args.instance] if parsed_args.instance else None
        reading = self.read(work, only=only)
        lines: list[tuple[Any, ...]] = []
        for plan in self.plans(work, reading, plans.Policy.SYNC, only):
            if reconciling.has_drift(plan):
                self.note(Exit.DRIFT)
            if parsed_args.summary:
                lines += self._summary(plan, reading, parsed_args.project)
            else:
                lines += (
                    _line(plan.directory, item)
                    for item in plan.items
                    if _is_of(item, parsed_args.project)
                )
        return (_SUMMARY_COLUMNS if parsed_args.summary else _COLUMNS), lines

    def _summary(
        self,
        plan: plans.Plan,
        reading: readings.Reading,
        project: str | None,
    ) -> Iterator[tuple[Any, ...]]:
        """Return a line for each project."""
        lacking: dict[str, collections.Counter[str]] = {}
        names: dict[str, str] = {}
        stuck = self._stuck(plan.directory)
        for key in reading.all_wanted():
            state = reading.wanted(key)
            if state:
                names[state.record.project_id] = (
                    state.record.project_name or state.record.project_id
                )
        for item in plan.items.of(plans.Kind.MISSING, plans.Kind.CONFLICT):
            state = reading.wanted(item.instance_uuid)
            if state is None:
                continue
            reason = item.reason or stuck.get(item.instance_uuid, "missing")
            lacking.setdefault(state.record.project_id, collections.Counter())[
                reason
            ] += 1
        for key, count in sorted(reading.projects.items()):
            if not count or project not in (None, key, names.get(key)):
                continue
            without = lacking.get(key, collections.Counter())
            yield (
                plan.directory,
                formatting.clean(names.get(key, key)),
                count,
                count - without.total(),
                formatting.Nested(formatting.cleaned(dict(without))),
            )

    def _stuck(self, directory: str) -> dict[str, str]:
        """Return why instances have undelivered events, by their uuids."""
        with self.outbox.snapshot() as database:
            return {
                item.instance_uuid: f"{item.state}: {item.reason}".rstrip(": ")
                for item in queries.items(database, [directory])
            }


def _line(directory: str, item: plans.Item) -> tuple[Any, ...]:
    record = _record(item)
    return (
        directory,
        item.instance_uuid,
        formatting.clean(
            (record and (record.project_name or record.project_id)) or ""
        ),
        item.kind.value,
        reconciling.Differences(
            [
                {
                    "attribute": formatting.clean(one.attribute),
                    "old": formatting.cleaned([*one.old]),
                    "new": formatting.cleaned([*one.new]),
                }
                for one in item.differences
            ]
        ),
        formatting.clean(item.reason),
    )


def _is_of(item: plans.Item, project: str | None) -> bool:
    record = _record(item)
    return project is None or bool(
        record and project in (record.project_id, record.project_name)
    )


def _record(item: plans.Item) -> events.HostRecord | None:
    """Return what is known of the instance: by Nova, or by its entry."""
    if item.state and not item.state.verb.removes:
        return item.state.record
    return item.entry.record if item.entry else None
