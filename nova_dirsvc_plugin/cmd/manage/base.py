# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The base classes of the commands."""

import argparse
import sqlite3
from collections.abc import Collection

from cliff import command

from nova_dirsvc_plugin.cmd.manage import config
from nova_dirsvc_plugin.outbox import admin, queries


class NotPossible(Exception):
    """A command cannot be carried out; the message says why."""


class OperatorCommand(command.Command):
    """A command with the exit status of a wrong use.

    :cvar EXIT_WRONG_USE: that status
    """

    EXIT_WRONG_USE = config.EXIT_WRONG_USE

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args)
        except (config.WrongUse, ValueError) as error:
            # ValueError is cliff's own, for an unknown column.
            self.app.LOG.error("%s", error)
            return self.EXIT_WRONG_USE


class OutboxCommand(OperatorCommand):
    """A command on an outbox.

    :ivar settings: given by the program before the command runs
    """

    settings: config.Settings

    @property
    def outbox(self) -> admin.OutboxAdmin:
        return admin.OutboxAdmin(self.settings.outbox)

    def configured(self, known: Collection[str]) -> Collection[str]:
        """Return the directories that the daemon delivers to.

        :param known: those of the outbox; without a file of options, they are
        """
        if known and not self.settings.sure:
            return known
        return self.settings.directories

    def directories(
        self, database: sqlite3.Connection, chosen: str | None = None
    ) -> list[str]:
        """Return the names of the directories, or the one that was chosen.

        :raises config.WrongUse: it is none of them
        """
        known = queries.directories(database)
        found = {*known, *self.configured(known)}
        if chosen is None:
            return sorted(found)
        if chosen not in found:
            raise config.WrongUse(
                f"there is no directory {chosen!r}; there are:"
                f" {', '.join(sorted(found))}"
            )
        return [chosen]

    def fail(self, sentence: str) -> None:
        """Report what failed; the command chooses the exit status."""
        self.app.LOG.error("%s", sentence)
