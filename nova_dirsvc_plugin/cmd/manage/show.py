# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A command that shows one thing, in every format of those that list."""

import argparse
import json
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any, TextIO

import stevedore
from cliff import columns, show
from cliff.formatters import base as formatters
from cliff.formatters import commaseparated


class ShowOne(show.ShowOne):
    """Shows one thing; cliff's own has no CSV."""

    def _load_formatter_plugins(
        self,
    ) -> "stevedore.ExtensionManager[formatters.SingleFormatter]":
        found = super()._load_formatter_plugins()
        place = metadata.EntryPoint("csv", __name__, self.formatter_namespace)
        found.extensions.append(
            stevedore.extension.Extension("csv", place, _Csv, _Csv())
        )
        return found


class _Csv(commaseparated.CSVLister, formatters.SingleFormatter):
    """A line of names, and one of values; what is nested is JSON."""

    def emit_one(
        self,
        column_names: Sequence[str],
        data: Iterable[Any],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        values = [
            json.dumps(value.machine_readable())
            if isinstance(value, columns.FormattableColumn)
            else value
            for value in data
        ]
        self.emit_list(column_names, [values], stdout, parsed_args)
