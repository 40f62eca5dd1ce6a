# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What commands share, and those that use an outbox."""

import argparse
import sqlite3

from cliff import command

from nova_dirsvc_plugin.cmd.manage import config
from nova_dirsvc_plugin.outbox import admin, views


class NotPossible(Exception):
    """It cannot be done; the message says what and why."""


class OperatorCommand(command.Command):
    """A command that knows wrong use from what is not possible."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args)
        except (config.WrongUse, ValueError) as error:
            # ValueError is cliff's own, for a column that there is not.
            self.app.LOG.error("%s", error)
            return config.EXIT_WRONG_USE


class DeskCommand(OperatorCommand):
    """A command on an outbox.

    :ivar settings: given by the program before the command runs
    """

    settings: config.Settings

    @property
    def desk(self) -> admin.Desk:
        return admin.Desk(self.settings.outbox)

    def directories(
        self, database: sqlite3.Connection, chosen: str | None = None
    ) -> list[str]:
        """Give the names of the directories, or the one that was chosen.

        :raises config.WrongUse: it is none of them
        """
        found = set(views.directories(database))
        if self.settings.sure or not found:
            found.update(self.settings.directories)
        if chosen is None:
            return sorted(found)
        if chosen not in found:
            raise config.WrongUse(
                f"there is no directory {chosen!r}; there are:"
                f" {', '.join(sorted(found))}"
            )
        return [chosen]

    def fail(self, sentence: str) -> None:
        """Say what was not possible; the exit status is the command's."""
        self.app.LOG.error("%s", sentence)
