# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reports finished steps and, after a silence, the steps in progress."""

import contextlib
import threading
import time

QUIET_SECONDS = 10
LAST_LINE_MAX = 60


class Progress:
    """Reports lines with the time since its creation.

    :param write: called with each line
    :param quiet_seconds: the longest silence while a step is in progress
    """

    def __init__(self, write, quiet_seconds=QUIET_SECONDS):
        self._write = write
        self._quiet_seconds = quiet_seconds
        self._begin = self._last = time.monotonic()
        self._steps = {}
        self._is_watched = False
        self._change = threading.Condition()

    def say(self, text):
        with self._change:
            self._last = time.monotonic()
            self._write(f"[{self._last - self._begin:5.1f} s] {text}")

    @contextlib.contextmanager
    def step(self, text, log=None):
        """Report a step while it is in progress.

        :param log: a file whose last line describes the progress
        """
        step = object()
        with self._change:
            if not self._steps:
                self._last = time.monotonic()
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._watch, daemon=True).start()
            self._steps[step] = (text, log, time.monotonic())
        try:
            yield
        finally:
            with self._change:
                del self._steps[step]
                self._change.notify_all()

    def _watch(self):
        """Report the steps in progress after each silence."""
        with self._change:
            while self._steps:
                silence = time.monotonic() - self._last
                if silence >= self._quiet_seconds:
                    self.say(f"… {self._in_progress()}")
                else:
                    self._change.wait(self._quiet_seconds - silence)
            self._is_watched = False

    def _in_progress(self):
        now = time.monotonic()
        parts = [
            f"{text} ({now - begun:.0f} s)"
            for text, _, begun in self._steps.values()
        ]
        [*_, (_, log, _)] = self._steps.values()
        if len(parts) == 1 and log and (line := _last_line(log)):
            parts.append(line[:LAST_LINE_MAX])
        return ", ".join(parts)


def _last_line(path):
    lines = path.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
