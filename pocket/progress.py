# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Tells what is done and, when nothing was told for long, what takes long."""

import contextlib
import threading
import time

QUIET_SECONDS = 10
LAST_LINE_MAX = 60


class Progress:
    """Lines with the time since it was made.

    :param tell: called with each line
    :param quiet_seconds: the longest silence while a step is under way
    """

    def __init__(self, tell, quiet_seconds=QUIET_SECONDS):
        self._tell = tell
        self._quiet_seconds = quiet_seconds
        self._begin = self._said = time.monotonic()
        self._steps = {}
        self._is_watched = False
        self._change = threading.Condition()

    def say(self, text):
        with self._change:
            self._said = time.monotonic()
            self._tell(f"[{self._said - self._begin:5.1f} s] {text}")

    @contextlib.contextmanager
    def step(self, text, log=None):
        """Have a step under way.

        :param log: a file, whose last line tells more of it
        """
        step = object()
        with self._change:
            if not self._steps:
                self._said = time.monotonic()
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
        """Until no step is under way, tell of them after a silence."""
        with self._change:
            while self._steps:
                silence = time.monotonic() - self._said
                if silence >= self._quiet_seconds:
                    self.say(f"… {self._under_way()}")
                else:
                    self._change.wait(self._quiet_seconds - silence)
            self._is_watched = False

    def _under_way(self):
        now = time.monotonic()
        told = [
            f"{text} ({now - begun:.0f} s)"
            for text, _, begun in self._steps.values()
        ]
        [*_, (_, log, _)] = self._steps.values()
        if len(told) == 1 and log and (line := _last_line(log)):
            told.append(line[:LAST_LINE_MAX])
        return ", ".join(told)


def _last_line(path):
    lines = path.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
