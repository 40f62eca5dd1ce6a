# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox retry`` and ``outbox drop``."""

import argparse
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin.cmd.manage import base, config, formatting
from nova_dirsvc_plugin.notifications import reader as reading
from nova_dirsvc_plugin.outbox import views

#: Lines that a question shows; of more it says how many.
_SHOWN = 20

_STUCK = frozenset((views.Progress.BURIED, views.Progress.DEFERRED))


class _Decision(base.DeskCommand):
    """A command on entries that somebody has to decide about."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "names",
            metavar="NUMBER",
            nargs="*",
            type=formatting.name,
            help="as `outbox list` shows it: 12, or parked-3",
        )
        parser.add_argument(
            "--directory",
            metavar="NAME",
            help="only for this directory; by default for each that it is"
            " buried or deferred for",
        )
        return parser

    def _all_of(
        self, states: set[views.Progress], directory: str | None
    ) -> list[views.Item]:
        if directory:
            states = states - {views.Progress.PARKED}
        with self.desk.look() as database:
            names = self.directories(database, directory)
            return views.items(database, names, states)

    def _named(
        self, names: Sequence[formatting.Name], directory: str | None
    ) -> tuple[list[views.Item], int]:
        """Find what can be decided about, and say of the rest why not.

        :returns: that, and how many of the rest there are
        """
        found: list[views.Item] = []
        refused = 0
        with self.desk.look() as database:
            directories = self.directories(database, directory)
            parked = {
                item.number: item
                for item in views.items(database, (), {views.Progress.PARKED})
            }
            for is_parked, number in dict.fromkeys(names):
                if is_parked:
                    items = [parked[number]] if number in parked else []
                    stuck = items
                else:
                    items = views.items(
                        database, directories, views.EVERY, number=number
                    )
                    stuck = [one for one in items if one.progress in _STUCK]
                if not stuck:
                    refused += 1
                    self.fail(_why_not(is_parked, number, items))
                found += stuck
        return found, refused


def _why_not(is_parked: bool, number: int, items: Sequence[views.Item]) -> str:
    name = formatting.shown(is_parked, number)
    if not items:
        return f"there is no {name} in the outbox"
    places = ", ".join(
        f"{item.progress} ({formatting.clean(item.directory)})"
        for item in items
    )
    return f"{name} is {places}: neither buried, deferred nor parked"


class OutboxRetry(_Decision):
    """Try again what is buried, deferred or parked, now.

    A buried entry is delivered afresh, with all its attempts; a deferred one
    does not wait any longer, nor does what it waits for. A parked
    notification is read again: it becomes an entry if this release
    understands it, and stays parked otherwise.

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
        _either(parsed_args.names, parsed_args.all, "--all")
        if parsed_args.all:
            items = self._all_of(
                {*_STUCK, views.Progress.PARKED}, parsed_args.directory
            )
            refused = 0
        else:
            items, refused = self._named(
                parsed_args.names, parsed_args.directory
            )
        for item in items:
            if item.progress is views.Progress.PARKED:
                refused += not self._read_again(item.number)
        refused += _report(
            self,
            [one for one in items if one.progress in _STUCK],
            self.desk.retry,
            "to be delivered again",
        )
        return 1 if refused else 0

    def _read_again(self, number: int) -> bool:
        reader = reading.Reader(legacy=True, users=self.settings.record_users)
        readout = self.desk.read_again(number, reader.read)
        name = formatting.shown(True, number)
        if readout is None:
            self.fail(f"there is no {name} in the outbox")
            return False
        if readout.number is None:
            self.fail(
                f"{name} stays parked: {formatting.clean(readout.reason)}"
            )
            return False
        self.app.stdout.write(f"{name}: is entry {readout.number} now\n")
        return True


class OutboxDrop(_Decision):
    """Give up what is buried, deferred or parked, for good.

    The directories stay as they are. The event remains in the instance's
    history, a parked notification does not. Asks first on a terminal, and
    wants --yes elsewhere.

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
            progress
            for progress, chosen in (
                (views.Progress.BURIED, parsed_args.all_buried),
                (views.Progress.PARKED, parsed_args.all_parked),
            )
            if chosen
        }
        _either(
            parsed_args.names, bool(states), "--all-buried or --all-parked"
        )
        if not parsed_args.yes and not self.app.stdin.isatty():
            raise config.WrongUse(
                "nothing is dropped: there is no terminal to ask; say --yes"
            )
        if states:
            items = self._all_of(states, parsed_args.directory)
            refused = 0
        else:
            items, refused = self._named(
                parsed_args.names, parsed_args.directory
            )
        if items and not parsed_args.yes and not self._is_sure(items):
            self.fail("nothing is dropped")
            return 1
        refused += _report(self, items, self.desk.drop, "dropped")
        return 1 if refused else 0

    def _is_sure(self, items: Sequence[views.Item]) -> bool:
        out = self.app.stdout
        for item in items[:_SHOWN]:
            out.write(f"{_line(item)}: {formatting.clean(item.reason)}\n")
        if len(items) > _SHOWN:
            out.write(f"and {len(items) - _SHOWN} more\n")
        out.write("Give up all of this? [y/N] ")
        out.flush()
        return self.app.stdin.readline().strip().lower() in ("y", "yes")


def _either(
    names: Sequence[formatting.Name], every: bool, option: str
) -> None:
    if bool(names) == every:
        raise config.WrongUse(f"say either numbers or {option}")


def _report(
    command: base.DeskCommand,
    items: Sequence[views.Item],
    decide: Callable[[Sequence[views.Item]], Sequence[views.Item]],
    what: str,
) -> int:
    """Decide, say so for each, and give how many it was too late for."""
    done = set(decide(items)) if items else set()
    for item in items:
        if item in done:
            command.app.stdout.write(f"{_line(item)}: {what}\n")
        else:
            command.fail(f"{_line(item)}: not {what}: somebody was faster")
    return len(items) - len(done)


def _line(item: views.Item) -> str:
    """Say which one: number, directory, verb and instance."""
    name = formatting.shown(
        item.progress is views.Progress.PARKED, item.number
    )
    parts = (
        str(name),
        item.directory and f"directory {item.directory}",
        item.verb or item.event_type,
        f"instance {item.instance_uuid or 'unknown'}",
    )
    return formatting.clean(", ".join(part for part in parts if part))
