# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that decide about entries: what they share."""

import argparse
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd.manage import base, config, formatting
from nova_dirsvc_plugin.outbox import queries

#: What is said where there is nothing to decide about.
NOTHING = "there is nothing to do\n"

STUCK = frozenset((outbox.State.BURIED, outbox.State.DEFERRED))


class DecisionCommand(base.OutboxCommand):
    """A command on entries that are buried, deferred or parked."""

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
            help="only for this directory; by default for each where it is"
            " buried or deferred",
        )
        return parser

    def all_of(
        self, states: set[outbox.State], directory: str | None
    ) -> list[queries.Item]:
        """Return all that is in these states."""
        if directory:
            states = states - {outbox.State.PARKED}
        with self.outbox.snapshot() as database:
            names = self.directories(database, directory)
            return queries.items(database, names, states)

    def named(
        self, names: Sequence[formatting.Name], directory: str | None
    ) -> tuple[list[queries.Item], int]:
        """Return what can be decided about; report why the rest can't.

        :returns: that, and how many of the rest there are
        """
        found: list[queries.Item] = []
        refused = 0
        with self.outbox.snapshot() as database:
            directories = self.directories(database, directory)
            parked = {
                item.number: item
                for item in queries.items(database, (), {outbox.State.PARKED})
            }
            for is_parked, number in dict.fromkeys(names):
                if is_parked:
                    items = [parked[number]] if number in parked else []
                    stuck = items
                else:
                    items = queries.items(
                        database, directories, queries.EVERY, number=number
                    )
                    stuck = [one for one in items if one.state in STUCK]
                if not stuck:
                    refused += 1
                    self.fail(_refusal(is_parked, number, items))
                found += stuck
        return found, refused

    def report(
        self,
        items: Sequence[queries.Item],
        decide: Callable[[Sequence[queries.Item]], Sequence[queries.Item]],
        done: str,
    ) -> int:
        """Decide, print a line for each, and return how many failed."""
        decided = set(decide(items)) if items else set()
        for item in items:
            if item in decided:
                self.app.stdout.write(f"{describe(item)}: {done}\n")
            else:
                self.fail(
                    f"{describe(item)}: not {done}: changed by another"
                    " process meanwhile"
                )
        return len(items) - len(decided)


def check_choice(
    names: Sequence[formatting.Name], every: bool, option: str
) -> None:
    """Check that there are either numbers or an option.

    :raises WrongUse: there are both, or neither
    """
    if bool(names) == every:
        raise config.WrongUse(f"give either numbers or {option}")


def describe(item: queries.Item) -> str:
    """Return number, directory, verb and instance of an item."""
    name = formatting.entry_name(
        item.state is outbox.State.PARKED, item.number
    )
    parts = (
        str(name),
        item.directory and f"directory {item.directory}",
        item.verb or item.event_type,
        f"instance {item.instance_uuid or 'unknown'}",
    )
    return formatting.clean(", ".join(part for part in parts if part))


def _refusal(
    is_parked: bool, number: int, items: Sequence[queries.Item]
) -> str:
    name = formatting.entry_name(is_parked, number)
    if not items:
        return f"there is no {name} in the outbox"
    places = ", ".join(
        f"{item.state} ({formatting.clean(item.directory)})" for item in items
    )
    return f"{name} is {places}: neither buried, deferred nor parked"
