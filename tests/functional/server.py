# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A real server as a process of a test."""

import atexit
import functools
import os
import pathlib
import signal
import subprocess
from typing import TypeVar

import fixtures
from testtools.content import Content
from testtools.content_type import UTF8_TEXT

from tests import processes, waiting


class Server(fixtures.Fixture):
    """One server, killed at the end of the test.

    :cvar NAME: of the server
    """

    NAME = ""

    def __init__(self) -> None:
        super().__init__()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        """Return whether the server answers an operation."""
        raise NotImplementedError

    def keep_output(self, path: pathlib.Path) -> None:
        """Use a file for the server's output, and show it on a failure."""
        self._output = path
        path.touch()
        self.addDetail(
            self.NAME, Content(UTF8_TEXT, lambda: [path.read_bytes()])
        )

    def start(self) -> None:
        """Start the server, if need be, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        waiting.until(self._answers, f"{self.NAME} to answer")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """End the server as systemd does, and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(waiting.LIMIT)

    def kill(self) -> None:
        """Kill -9 the server, if it runs."""
        if self._process is not None:
            processes.kill_group(self._process)

    def freeze(self) -> None:
        """Let the server hold its connections, and answer nothing."""
        assert self._process is not None
        processes.stop_group(self._process)

    def thaw(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def _answers(self) -> bool:
        """:raises RuntimeError: the server has ended"""
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.NAME} ended: {self.said()[-4000:]}")
        return self.answers()


Kind = TypeVar("Kind", bound=Server)


@functools.cache
def of_this_process(kind: type[Kind]) -> Kind:
    """Return the one server of a kind that all tests of a process share.

    It is started when a test first asks for it.
    """
    shared = kind()
    atexit.register(shared.cleanUp)
    shared.setUp()
    return shared
