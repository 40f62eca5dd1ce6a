# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""How far a long command is: a bar on a terminal, lines in a log."""

import time
from collections.abc import Callable
from typing import TextIO

#: Seconds between two lines, and between two drawings of a bar.
LINE_INTERVAL = 10.0
BAR_INTERVAL = 0.1

#: Characters of a bar.
WIDTH = 30


class Progress:
    """Shows how far the steps of a command are.

    :param stream: where; a bar is drawn only if it is a terminal
    """

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._step = ""
        self._shown_at = 0.0
        self._width = 0

    def __call__(self, step: str, done: int, total: int | None = None) -> None:
        """Show that something was done.

        :param step: what is being done, in words
        :param total: how much there is to do, where that is known
        """
        now = self._clock()
        interval = BAR_INTERVAL if self._is_terminal else LINE_INTERVAL
        if step != self._step:
            self.clear()
            # The first line of a log comes only when it takes long.
            self._step, self._shown_at = step, now
            if not self._is_terminal:
                return
        elif now - self._shown_at < interval:
            return
        self._shown_at = now
        self._write(_text(step, done, total, self._is_terminal))

    def clear(self) -> None:
        """Remove the bar, so that something else can be written."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def _write(self, text: str) -> None:
        if self._is_terminal:
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


def _text(step: str, done: int, total: int | None, bar: bool) -> str:
    if not total:
        return f"{step}: {done}"
    done = min(done, total)
    text = f"{step}: {done} of {total} ({100 * done // total} %)"
    if not bar:
        return text
    filled = WIDTH * done // total
    return f"[{'#' * filled}{' ' * (WIDTH - filled)}] {text}"
