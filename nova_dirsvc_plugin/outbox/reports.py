# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Log lines at level error, also of threads that must not log.

Under eventlet, a thread that eventlet does not know must not wait for a lock
of logging's. What is reported there is kept for who has started the thread.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator

from nova_dirsvc_plugin import untrusted_text

#: A logger, a message and its arguments.
Line = tuple[logging.Logger, str, tuple[object, ...]]

_thread = threading.local()


def error(logger: logging.Logger, message: str, *arguments: object) -> None:
    """Log a line, or keep it; texts may be of a damaged outbox."""
    arguments = tuple(
        untrusted_text.on_one_line(one) if isinstance(one, str) else one
        for one in arguments
    )
    lines: list[Line] | None = getattr(_thread, "lines", None)
    if lines is None:
        logger.error(message, *arguments)
    else:
        lines.append((logger, message, arguments))


@contextlib.contextmanager
def kept(lines: list[Line]) -> Iterator[None]:
    """Keep what this thread reports; it is for another one to log."""
    _thread.lines = lines
    try:
        yield
    finally:
        _thread.lines = None
