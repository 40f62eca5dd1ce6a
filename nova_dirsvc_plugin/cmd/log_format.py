# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The form of what a program logs, whichever library says it."""

import copy
import logging
from collections.abc import Iterator

from oslo_log import formatters

from nova_dirsvc_plugin import untrusted_text

#: Characters of a message that are kept: at the level DEBUG, keystoneauth
#: logs whole answers.
LONGEST_MESSAGE = 4000

#: And of a line, which may have the text of an exception, too.
LONGEST_LINE = 3 * LONGEST_MESSAGE


def use() -> None:
    """Have every log handler write in this form."""
    for handler in _handlers():
        if not isinstance(handler.formatter, LineFormatter):
            handler.setFormatter(LineFormatter(handler.formatter))


class LineFormatter(logging.Formatter):
    """Writes a record as another formatter does, without our secrets.

    A message is one line of print. A traceback is several; none of them can
    be taken for a record.
    """

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()
        # That of oslo.log begins each line with the time.
        self._indent = (
            ""
            if isinstance(self._inner, formatters.ContextFormatter)
            else "  "
        )

    def format(self, record: logging.LogRecord) -> str:
        record = copy.copy(record)
        record.msg = untrusted_text.on_one_line(
            record.getMessage(), LONGEST_MESSAGE
        )
        record.args = None
        text = self._inner.format(record)
        trace = record.exc_text or ""
        # What precedes may end with the text of the exception.
        lines = [text.removesuffix(trace).rstrip("\n")]
        lines += [self._indent + line for line in trace.split("\n") if line]
        return "\n".join(
            untrusted_text.printable(
                untrusted_text.masked(line)[:LONGEST_LINE]
            )
            for line in lines
        )


def _handlers() -> Iterator[logging.Handler]:
    loggers = (logging.root, *logging.root.manager.loggerDict.values())
    for logger in loggers:
        if isinstance(logger, logging.Logger):
            yield from logger.handlers
