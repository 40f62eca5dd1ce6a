# SPDX-License-Identifier: Apache-2.0
"""Which processes are the server, and their end.

A number in a file stands for nobody: its process may have ended, and the
number be another's by now. What a process is says its command line, which a
process that has ended no longer has, reaped or not: proc(5).
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from dirsvc389.settings import Refused

PROGRAM = "ns-slapd"
STOP_LIMIT = 120.0  # seconds; it writes out what it has in memory
KILL_LIMIT = 10.0  # seconds


def servers(config_dir: Path) -> list[int]:
    """Return the processes that serve a configuration: one, or none."""
    return [
        process
        for process, words in _of(config_dir)
        # ns-slapd also exports and imports; then a verb comes first
        if words[1].startswith("-")
    ]


def any_of(config_dir: Path) -> list[int]:
    """Return all that work on a configuration, exports and imports too."""
    return [process for process, _ in _of(config_dir)]


def stop(config_dir: Path) -> None:
    """Let the server finish its work, then make it end."""
    for process in servers(config_dir):
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT
    while servers(config_dir):
        if time.monotonic() > deadline:
            kill(config_dir)
        time.sleep(0.05)


def kill(config_dir: Path) -> None:
    """Kill all that work on a configuration, and wait for their end."""
    deadline = time.monotonic() + KILL_LIMIT
    while processes := any_of(config_dir):
        for process in processes:
            _signal(process, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise Refused(f"{PROGRAM} {processes} do not end")
        time.sleep(0.05)


def _signal(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _of(config_dir: Path) -> list[tuple[int, list[str]]]:
    """Return each ns-slapd that was given the folder, and its words."""
    wanted = os.path.realpath(config_dir)
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = os.fsdecode((path / "cmdline").read_bytes()).split("\0")
        except OSError:  # ended meanwhile
            continue
        if (
            Path(words[0]).name == PROGRAM
            and wanted in map(os.path.realpath, filter(os.path.isabs, words))
            and _shares_our_files(path)
        ):
            found.append((int(path.name), words))
    return found


def _shares_our_files(process: Path) -> bool:
    """Say whether a path is the same to it: it may be in a container."""
    try:
        return (process / "root").samefile("/")
    except PermissionError:  # another user's, and beyond our signals
        return True
    except OSError:  # ended meanwhile
        return False
