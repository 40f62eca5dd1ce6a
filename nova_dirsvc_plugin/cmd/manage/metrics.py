# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``metrics``: of an outbox, where no daemon shows them."""

import argparse
import pathlib

from nova_dirsvc_plugin.cmd.manage import base, result_file
from nova_dirsvc_plugin.monitoring import facts, prometheus

#: Whoever collects the metrics has an account of his own.
_MODE = 0o644


class Metrics(base.OutboxCommand):
    """Write the metrics of the outbox, in the text format of Prometheus.

    These are the metrics that need no running nova-dirsvc-sync, for the
    textfile collector of node_exporter. The file is replaced at once, so that
    no reader finds half of it.

    Exit status 1: the outbox cannot be read. The metrics say so, too.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "-o",
            "--output",
            metavar="FILE",
            type=pathlib.Path,
            help="the file to write, with a name that ends in .prom; without"
            " it, the metrics are printed",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        found = facts.collect(self.settings.outbox, self.configured)
        _, content = prometheus.exposition(found)
        if parsed_args.output:
            result_file.write(
                parsed_args.output, [content.decode()], mode=_MODE
            )
        else:
            self.app.stdout.write(content.decode())
        if found.fault:
            raise base.NotPossible(found.fault)
