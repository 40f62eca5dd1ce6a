# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that compare directories with Nova: what they share."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from nova_dirsvc_plugin.cmd.manage import base, config, formatting, progress
from nova_dirsvc_plugin.cmd.manage import work as works
from nova_dirsvc_plugin.cmd.manage.exits import Exit, first
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.nova_api.summary import Summary
from nova_dirsvc_plugin.reconcile import plan as plans
from nova_dirsvc_plugin.reconcile import reading as readings

#: Seconds for the daemon to deliver anything, before a command gives up.
PATIENCE = 120


class ReconcileCommand(base.OutboxCommand):
    """A command that compares directories with Nova.

    Its exit status is the first of :class:`Exit` that was noted.
    """

    EXIT_WRONG_USE = Exit.BAD_INPUT

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)

        def refuse(message: str) -> NoReturn:
            parser.print_usage(sys.stderr)
            parser.exit(Exit.BAD_INPUT, f"{parser.prog}: error: {message}\n")

        # argparse itself has another status for that.
        parser.error = refuse  # type: ignore[method-assign]
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self._noted: set[Exit] = set()
        self._progress = progress.Progress(sys.stderr)
        try:
            status = super().run(parsed_args)
        finally:
            self._progress.clear()
        return status or first(self._noted)

    def note(self, status: Exit, *sentences: str) -> None:
        """Note an exit status, and say why."""
        self._noted.add(status)
        self._progress.clear()
        for sentence in sentences:
            self.fail(sentence)

    def load(self, chosen: str | None) -> works.Work:
        """Load what the options of the daemon name.

        :param chosen: the only directory to load
        :raises WrongUse: an option cannot be used
        """
        wanted = [*self.settings.directories]
        if chosen is not None:
            if chosen not in wanted:
                raise config.WrongUse(
                    f"there is no directory {chosen!r}; [nova_dirsvc]"
                    f" directories has: {', '.join(wanted)}"
                )
            wanted = [chosen]
        conf = config.configured(self.app.options)
        return works.load(conf, wanted, self.settings.outbox, self._progress)

    def read(
        self,
        work: works.Work,
        *,
        keep: bool = False,
        only: Sequence[str] | None = None,
    ) -> readings.Reading:
        """Read Nova, and say if the reading is not whole.

        :param keep: whether the number of instances is kept
        :param only: the instances to ask for; None for all
        """
        if only is not None:
            return work.reconciler.read_some(only)
        reading = work.reconciler.read(keep=keep)
        if not reading.summary.whole:
            self.note_not_whole("", reading.summary)
        return reading

    def plans(
        self,
        work: works.Work,
        reading: readings.Reading,
        policy: plans.Policy,
        only: Sequence[str] | None = None,
    ) -> Iterator[plans.Plan]:
        """Compare each directory with Nova.

        One that cannot be read is reported, and one that never can be.
        """
        compared = 0
        for name, directory in work.directories.items():
            try:
                plan = work.reconciler.plan(
                    name, directory, reading, policy, only
                )
            except contract.EntriesNotKept as error:
                self.report(f"directory {name} is left out: {error}")
                continue
            except contract.DirectoryUnavailable as error:
                compared += 1
                self.note(
                    Exit.ERROR,
                    f"directory {name} cannot be read, nothing is written to"
                    f" it: {error}",
                )
                continue
            compared += 1
            if reading.summary.whole and not plan.reading.whole:
                self.note_not_whole(f"directory {name}: ", plan.reading)
            yield plan
        if not compared:
            self.note(Exit.ERROR, "no directory can be compared with Nova")

    def note_not_whole(self, where: str, reading: Summary) -> None:
        """Note that nothing is removed, and why."""
        self.note(
            Exit.NOT_WHOLE,
            f"{where}the reading of Nova is not whole, and nothing is removed:"
            f" {'; '.join(reading.why_not_whole)}",
        )

    def report(self, sentence: str) -> None:
        """Say what is no failure, where it is not taken for the result."""
        self._progress.clear()
        self.app.stderr.write(f"{sentence}\n")


class DirectoryCommand(ReconcileCommand):
    """A command on all directories, or on one."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--directory",
            metavar="NAME",
            help="only this one of [nova_dirsvc] directories",
        )
        return parser

    def only_directory(
        self, work: works.Work
    ) -> tuple[str, contract.Directory]:
        """Return the only directory, and its name.

        :raises WrongUse: there are several
        """
        if len(work.directories) != 1:
            raise config.WrongUse(
                "this is done for one directory: give --directory, one of"
                f" {', '.join(work.directories)}"
            )
        [found] = work.directories.items()
        return found


class PolicyCommand(DirectoryCommand):
    """A command that has to be told what it may do."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--policy",
            choices=[policy.value for policy in plans.Policy],
            help="what may be done: sync adds, corrects and removes entries;"
            " upsert-only adds and corrects; create-only adds; by default"
            " [nova_dirsvc] reconcile_policy",
        )
        return parser


class Differences(formatting.Nested):
    """Attributes with their old and new values, a line for each."""

    def human_readable(self) -> str:
        return "\n".join(
            f"{one['attribute']}: {_values(one['old'])} ->"
            f" {_values(one['new'])}"
            for one in self._value
        )


def _values(values: Sequence[str]) -> str:
    return ", ".join(values) or "none"


def has_drift(plan: plans.Plan) -> bool:
    """Return whether a directory differs from Nova."""
    counts = plan.counts
    return bool(
        counts[plans.Kind.MISSING]
        + counts[plans.Kind.DIFFERING]
        + counts[plans.Kind.REMOVAL]
        + counts[plans.Kind.CONFLICT]
        + (counts[plans.Kind.UNSURE] if plan.doubts() else 0)
    )
