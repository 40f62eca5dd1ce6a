# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of tests, told by more than a number.

A number is another process's as soon as its own has ended and was waited
for; and one that has ended has a number still, until somebody waits for it.
"""

import contextlib
import multiprocessing
import os
import pathlib
import select
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests import waiting

PROC = pathlib.Path("/proc")

#: As Nova's services make their workers.
FORK = multiprocessing.get_context("fork")


class Process:
    """One process, whatever becomes of its number. Use as a context.

    :param pid: its number
    :param is_it: tells whether the process of that number is the one that is
        meant
    :raises ProcessLookupError: it is not there, or is another one
    """

    def __init__(
        self, pid: int, is_it: Callable[[int], bool] = lambda pid: True
    ) -> None:
        self.pid = pid
        self._file = os.pidfd_open(pid)
        # From here on the number is nobody else's, if it was not before.
        if not is_it(pid):
            os.close(self._file)
            raise ProcessLookupError(f"process {pid} is another one")

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL and SIGSTOP have been heeded on return."""
        signal.pidfd_send_signal(self._file, number)
        if number == signal.SIGKILL:
            self.wait()
        elif number == signal.SIGSTOP:
            until_stopped([self.pid])

    def has_ended(self) -> bool:
        """Tell whether it has ended, waited for by its parent or not."""
        ended = select.poll()
        ended.register(self._file, select.POLLIN)
        return bool(ended.poll(0))

    def wait(self) -> None:
        """Wait until it has ended."""
        waiting.until(self.has_ended, f"the end of process {self.pid}")


def run(*words: object, **more: Any) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, without input, and give what it printed.

    :param more: for :func:`subprocess.run`
    """
    return subprocess.run(
        list(map(str, words)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=waiting.LIMIT,
        **more,
    )


def forked(work: Callable[..., object], *arguments: object) -> int | None:
    """Do work in a child of this process, and return how that ended."""
    child = FORK.Process(target=work, args=arguments)
    child.start()
    child.join(waiting.LIMIT)
    return child.exitcode


def kill_child(parent: int, pid: int) -> None:
    """Kill -9 a child of a process, and nobody else.

    :raises ProcessLookupError: it is no child of that, or no longer
    """
    with Process(pid, lambda pid: _status(pid)[1] == str(parent)) as child:
        child.send(signal.SIGKILL)


def kill_group(leader: "subprocess.Popen[bytes]") -> None:
    """Kill -9 a child of ours and its process group; wait for all of it.

    What it has locked is free then: not only the leader has ended. A leader
    that was waited for before has no number any more: nothing is done.
    """
    if leader.returncode is not None:
        return
    os.killpg(leader.pid, signal.SIGKILL)
    waiting.until(
        lambda: not set(group(leader.pid)) - {leader.pid},
        f"the end of process group {leader.pid}",
    )
    # The last of it: until here no other group could have its number.
    leader.wait(waiting.LIMIT)


def stop_group(leader: "subprocess.Popen[bytes]") -> None:
    """Freeze a child of ours and its process group."""
    os.killpg(leader.pid, signal.SIGSTOP)
    until_stopped(group(leader.pid))


def until_stopped(pids: Iterable[int]) -> None:
    """Wait until no thread of processes runs any more."""
    for pid in pids:
        waiting.until(
            lambda pid=pid: all(state in "TZX" for state in _threads(pid)),
            f"process {pid} to be stopped",
        )


def children(pid: int) -> list[int]:
    """Return a process's children that live."""
    return [one for one, status in _alive() if status[1] == str(pid)]


def group(leader: int) -> list[int]:
    """Return the processes of a process group that live."""
    return [one for one, status in _alive() if status[2] == str(leader)]


def _alive() -> Iterator[tuple[int, list[str]]]:
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            status = _status(int(folder.name))
            if status[0] not in "ZX":
                yield int(folder.name), status


def _threads(pid: int) -> Iterator[str]:
    for folder in PROC.glob(f"{pid}/task/*"):
        with contextlib.suppress(ProcessLookupError):
            yield _status(int(folder.name), folder)[0]


def _status(pid: int, folder: pathlib.Path | None = None) -> list[str]:
    """Return state, parent, process group and so on: proc(5), after the name.

    :raises ProcessLookupError: there is none
    """
    try:
        text = ((folder or PROC / str(pid)) / "stat").read_text()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error
    return text.rpartition(")")[2].split()
