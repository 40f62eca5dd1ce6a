# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``nova-dirsvc-manage``: the operator's tool."""

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from typing import Any

from cliff import app, command, commandmanager

from nova_dirsvc_plugin import version
from nova_dirsvc_plugin.cmd import log_format
from nova_dirsvc_plugin.cmd.manage import base, config

#: Where the commands are, as entry points.
NAMESPACE = "nova_dirsvc.manage"


class ManageApp(app.App):
    """Runs a command, and reports an error in one line."""

    NAME = "nova-dirsvc-manage"
    LOG = logging.getLogger(NAME)

    def __init__(self) -> None:
        super().__init__(
            "Inspect the outbox between Nova and the directories, show the"
            " history of an instance, retry or drop events that a directory"
            " refused, check a directory service, and compare directories"
            " with Nova. Nova and nova-dirsvc-sync may run meanwhile.",
            version.release(),
            commandmanager.CommandManager(NAMESPACE),
            deferred_help=True,
        )

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        parser = super().build_option_parser(
            description,
            version,
            {
                "prog": self.NAME,
                "allow_abbrev": False,
                **(argparse_kwargs or {}),
            },
        )
        config.add_to(parser)
        return parser

    def configure_logging(self) -> None:
        super().configure_logging()
        log_format.use()
        if self.options.verbose_level <= self.DEFAULT_VERBOSE_LEVEL:
            # The commands report themselves how reparsing has ended.
            logging.getLogger("nova_dirsvc_plugin").setLevel(logging.CRITICAL)

    def initialize_app(self, argv: list[str]) -> None:
        """Do not start an interactive shell."""
        self.print_help_if_requested()
        if not argv:
            self.parser.error("a command is missing; --help lists them")

    def prepare_to_run_command(self, cmd: command.Command) -> None:
        if isinstance(cmd, base.OutboxCommand):
            try:
                cmd.settings = config.read(self.options)
            except config.WrongUse as error:
                self.LOG.error("%s", error)
                raise SystemExit(cmd.EXIT_WRONG_USE) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: the exit status: 0, 2 for a wrong command line or file of
        options, 1 when something was not possible
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without the letters of a name shows it anyway.
            stream.reconfigure(errors="backslashreplace")
    return ManageApp().run(list(sys.argv[1:] if argv is None else argv))
