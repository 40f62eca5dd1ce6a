# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is broken: a daemon of the test's own, and a directory."""

import contextlib
import pathlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import ldap

from tests import processes, waiting
from tests.faults import schedule
from tests.functional import directory389

PROGRAM = pathlib.Path(sys.executable).with_name("nova-dirsvc-sync")

#: Seconds until a daemon that could not start is started again, as by
#: systemd's RestartSec.
RESTART_SECONDS = 0.5

#: Seconds in which a delivery begins once the directory is back.
RUSH_LIMIT = 10.0

#: Operations of a server within 20 ms that are not ours alone.
BUSY = 5


class Daemon:
    """nova-dirsvc-sync, started again as a service manager does.

    :param files: its options
    :param log: what it says, of all its lives
    """

    def __init__(
        self,
        files: Sequence[pathlib.Path],
        log: pathlib.Path,
        rng: random.Random,
    ) -> None:
        self._argv = [str(PROGRAM)]
        self._argv += [f"--config-file={file}" for file in files]
        self._log = log
        self._rng = rng
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it until it delivers; a full disk may keep it from that."""
        deadline = time.monotonic() + waiting.LIMIT
        while True:
            said = self._size()
            process = self._process = self._run()
            waiting.until(
                lambda said=said, process=process: (
                    "Delivering" in self.said(said)
                    or process.poll() is not None
                ),
                "nova-dirsvc-sync to deliver",
            )
            if process.poll() is None:
                return
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"nova-dirsvc-sync does not start: {self.said(said)}"
                )
            time.sleep(RESTART_SECONDS)

    def kill_all(self) -> None:
        """Kill -9 it and its workers."""
        processes.kill_group(self._alive())
        self._process = None

    def kill_a_worker(self) -> None:
        """Kill -9 one of its workers, which it has to start again."""
        pid = self._alive().pid
        workers = waiting.until(
            lambda: sorted(processes.children(pid)), "workers"
        )
        with contextlib.suppress(ProcessLookupError):
            processes.kill_child(pid, self._rng.choice(workers))

    def kill_workers(self) -> None:
        """Kill -9 all of its workers, if it runs."""
        process = self._process
        if process is not None and process.poll() is None:
            for pid in processes.children(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    processes.kill_child(process.pid, pid)

    def kill_the_parent(self) -> None:
        """Kill -9 the first process alone; the workers have to notice."""
        process = self._alive()
        process.kill()
        process.wait(waiting.LIMIT)

    def see_it_live(self) -> None:
        self._alive()

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill_all()

    def said(self, since: int = 0) -> str:
        if not self._log.exists():
            return ""
        with self._log.open("rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def kinds(self) -> schedule.Kinds:
        return {
            "daemon killed": schedule.Kind(self.kill_all, self.start, 3.0),
            "a worker killed": schedule.Kind(
                self.kill_a_worker, self.see_it_live, 0.5
            ),
            "parent killed": schedule.Kind(
                self.kill_the_parent, self.start, 0.5
            ),
        }

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(
                f"nova-dirsvc-sync has ended: {self.said()[-4000:]}"
            )
        return self._process

    def _run(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def _size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0


def of_directory(
    server: directory389.Directory389, daemon: Daemon
) -> schedule.Kinds:
    """Return what is done to a directory server.

    What has waited for its return is then delivered in a rush, in which as
    much is under way as ever is: the best moment to kill who delivers.
    """

    def rush(mend: Callable[[], object]) -> Callable[[], None]:
        def mend_and_kill() -> None:
            mend()
            _until_busy(server)
            daemon.kill_workers()

        return mend_and_kill

    return {
        "ns-slapd killed": schedule.Kind(server.kill, server.start, 4.0),
        "ns-slapd frozen": schedule.Kind(server.freeze, server.thaw, 6.0),
        "ns-slapd killed, then workers in the rush": schedule.Kind(
            server.kill, rush(server.start), 4.0
        ),
        "ns-slapd frozen, then workers in the rush": schedule.Kind(
            server.freeze, rush(server.thaw), 6.0
        ),
    }


def _until_busy(server: directory389.Directory389) -> None:
    """Wait until the server does more than answer us, if it ever does."""
    manager: Any = server.connect_as_manager()

    def done() -> int:
        [(_, found)] = manager.search_s(
            "cn=monitor", ldap.SCOPE_BASE, attrlist=["opsinitiated"]
        )
        return int(found["opsinitiated"][0])

    before = done()

    def is_busy() -> bool:
        nonlocal before
        before, earlier = done(), before
        return before - earlier > BUSY

    with contextlib.suppress(TimeoutError):
        waiting.until(is_busy, "the rush", RUSH_LIMIT)
    manager.unbind_s()
