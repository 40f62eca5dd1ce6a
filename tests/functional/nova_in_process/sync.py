# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon, as an operator starts it: a process of its own."""

import pathlib
import subprocess
import sys

import fixtures
from testtools import content, content_type

from tests import waiting
from tests.functional.nova_in_process import not_yet


class SyncDaemon(fixtures.Fixture):
    """Runs ``nova-dirsvc-sync``.

    :param log: the file for what it says
    :param configuration: its files, later ones first in rank
    """

    def __init__(
        self, log: pathlib.Path, *configuration: pathlib.Path
    ) -> None:
        super().__init__()
        self._log = log
        self._configuration = configuration

    def _setUp(self) -> None:
        script = pathlib.Path(sys.executable).with_name("nova-dirsvc-sync")
        files = [f"--config-file={path}" for path in self._configuration]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [script, *files],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.addCleanup(self._stop)
        self.addDetail(
            self._log.name,
            content.Content(
                content_type.UTF8_TEXT, lambda: [self._log.read_bytes()]
            ),
        )

    def until_it_says(self, *words: str) -> str:
        """Wait for a line of its log that has all the words, and give it."""

        def look() -> str | not_yet.NotYet:
            for line in self._lines():
                if all(word in line for word in words):
                    return line
            return self.last_words()

        return waiting.until(look, f"the daemon to say {words}")

    def last_words(self) -> not_yet.NotYet:
        """Return its last line, to say what it was at instead."""
        return not_yet.NotYet(self._lines()[-1:])

    def _lines(self) -> list[str]:
        return self._log.read_text(errors="replace").splitlines()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(waiting.LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
