# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``undo``: take back what a run has written."""

import argparse
import pathlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin.cmd.manage import (
    applying,
    base,
    config,
    formatting,
    result_file,
)
from nova_dirsvc_plugin.cmd.manage import work as works
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.outbox import runs
from nova_dirsvc_plugin.reconcile import apply, ldif, proof, undo

_RUNS_COLUMNS = ("Run", "Started At", "Verb", "Directory", "Plan", "Allowed")
_COLUMNS = ("Directory", "Instance", "Done", "Reason")


class Undo(applying.WriteCommand, lister.Lister):
    """Take back what a run of `reconcile` or `apply` has written.

    Each entry becomes what it was before the run. An entry that was removed
    comes back only if Nova has the instance; one that was added is removed
    only if Nova says that the instance is gone; one that was changed since is
    left. Without RUN, the runs are listed that the outbox still keeps.

    Exit status 0: nothing was to be done. 4: it is done. 3: an instance was
    unregistered for good, and gets no entry. 1: something failed, or was not
    delivered in time. 127: there is no such run, or the command line or an
    option is wrong.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "run", metavar="RUN", nargs="?", help="as `reconcile` shows it"
        )
        parser.add_argument(
            "--ldif",
            metavar="FILE",
            type=pathlib.Path,
            help="write the entries as they were before the run into a file,"
            " and do nothing else",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        repairs = outbox_repairs.Repairs(self.settings.outbox)
        kept = {run.run_id: run for run in repairs.runs()}
        if parsed_args.run is None:
            return _RUNS_COLUMNS, map(_run_line, kept.values())
        run = kept.get(parsed_args.run)
        if run is None:
            raise config.WrongUse(
                f"the outbox has no run {parsed_args.run}: it is wrong, or"
                " older than [nova_dirsvc] retention_days"
            )
        if parsed_args.ldif:
            images = repairs.before_images(run.run_id)
            result_file.write(
                parsed_args.ldif,
                ldif.of_before_images(
                    images, f"Entries of {run.directory} before {run.run_id}"
                ),
            )
            return _COLUMNS, ()
        work = self.load(run.directory)
        try:
            steps = list(_steps(work, run))
        except contract.DirectoryUnavailable as error:
            raise base.NotPossible(
                f"directory {run.directory} cannot be read, nothing is"
                f" written to it: {error}"
            ) from error
        self._store(work, run, steps, parsed_args.patience)
        return _COLUMNS, [
            (
                run.directory,
                step.instance_uuid,
                step.deed.value,
                formatting.clean(step.reason),
            )
            for step in steps
        ]

    def _store(
        self,
        work: works.Work,
        run: runs.Run,
        steps: Sequence[undo.Step],
        patience: float,
    ) -> None:
        now = time.time()
        found = [step.repair for step in steps if step.repair]
        if not found:
            return
        applied = work.applier(patience).store(
            runs.Run(
                run_id=apply.new_run_id(now),
                directory=run.directory,
                plan_id=run.plan_id,
                verb="undo",
                allowed=False,
                started_at=now,
                summary={"run": run.run_id},
            ),
            (undo.at(repair, time.time()) for repair in found),
            len(found),
            now,
        )
        self.note_applied(run.directory, applied)


def _steps(work: works.Work, run: runs.Run) -> Iterator[undo.Step]:
    """Decide about each entry of a run, by its first image."""
    directory = work.directories[run.directory]
    waiting = work.repairs.undelivered(run)
    overtaken = work.repairs.overtaken(run)
    images: dict[str, Any] = {}
    for instance_uuid, _, before in work.repairs.before_images(run.run_id):
        images.setdefault(instance_uuid, before)
    for keys in apply.portions(images, proof.AT_A_TIME):
        answers = work.nova.ask(keys)
        entries = {
            entry.record.instance_uuid: entry for entry in directory.find(keys)
        }
        for key in keys:
            yield undo.step(
                key,
                images[key],
                answers.get(key),
                entries.get(key),
                work.owner,
                is_waiting=key in waiting,
                is_overtaken=key in overtaken,
            )


def _run_line(run: runs.Run) -> tuple[Any, ...]:
    return (
        run.run_id,
        formatting.stamp(run.started_at),
        run.verb,
        run.directory,
        run.plan_id,
        run.allowed,
    )
