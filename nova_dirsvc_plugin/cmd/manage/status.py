# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``status``: all that is known, on one screen."""

import argparse
import shutil
import threading
from typing import Any

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.cmd.manage import base, config, formatting
from nova_dirsvc_plugin.monitoring import asking, attention, facts, text

#: There is something that an operator has to do.
EXIT_PROBLEM = 4

#: Moves the cursor home and clears what is below, on any terminal of today.
_CLEAR = "\x1b[H\x1b[J"

_INTERVAL = 5


class Status(base.OutboxCommand):
    """Show each directory and each source on one screen.

    What the outbox knows, and what nova-dirsvc-sync on this host has counted,
    if it answers on [nova_dirsvc] monitoring_address and monitoring_port. The
    daemon shows the same with plots as a page on that address.

    Exit status 0: nothing needs an operator. 4: something does, and is named.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--watch",
            nargs="?",
            const=_INTERVAL,
            type=formatting.non_negative_int,
            metavar="SECONDS",
            help="show it again and again, until interrupted; default:"
            " %(const)s",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        self._status = 0
        return super().run(parsed_args) or self._status

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        conf = config.configured(self.app.options)
        if parsed_args.watch is None:
            self._show(self._collect(conf))
            return
        try:
            while True:
                found = self._collect(conf)
                self.app.stdout.write(_CLEAR)
                self._show(found, shutil.get_terminal_size().lines - 1)
                threading.Event().wait(max(parsed_args.watch, 1))
        except KeyboardInterrupt:
            self.app.stdout.write("\n")

    def _collect(self, conf: Any) -> facts.Facts:
        group = conf[options.GROUP]
        daemon = asking.daemon(
            group.monitoring_address,
            group.monitoring_port,
            self.settings.outbox,
        )
        return facts.collect(self.settings.outbox, self.configured, daemon)

    def _show(self, found: facts.Facts, most: int | None = None) -> None:
        lines = list(text.lines(found))[:most]
        self.app.stdout.write("\n".join(lines) + "\n")
        self.app.stdout.flush()
        self._status = EXIT_PROBLEM if attention.problems(found) else 0
