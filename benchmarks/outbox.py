# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the outbox takes, and what an outage of the directory costs.

Writers store events one by one and a hundred at a time, beside bare rows of
the same size, written by SQLite with full sync. Then the directory is down
while events are stored; then it is back.
"""

import collections
import multiprocessing
import os
import pathlib
import sqlite3
import statistics
import subprocess
import tempfile
import time
import uuid
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from benchmarks import daemons, figures, path
from nova_dirsvc_plugin import events, outbox
from tests import outboxes
from tests.functional import directory389

ROUNDS = 3
BATCH = 100

#: Seconds that are given to a drain.
DRAIN_LIMIT = 300.0

_TABLE = "CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, data TEXT)"
_ROW = "INSERT INTO bare VALUES (?, ?)"

_Item = TypeVar("_Item")

#: Stores so many events in a file, somehow.
_Writer = Callable[[pathlib.Path, int], None]


def run(arguments: Namespace) -> None:
    """Measure writers, then an outage, then its end."""
    with tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder:
        _writers(pathlib.Path(folder), arguments.events)
        _outage(pathlib.Path(folder), arguments.outage)


# -- writers -----------------------------------------------------------------


def _writers(folder: pathlib.Path, count: int) -> None:
    kinds: dict[str, _Writer] = {
        "Outbox.put": _put,
        "bare rows, one by one": _bare,
        "Outbox.put_all of 100": _put_all,
        "bare rows, 100 at a time": _bare_all,
    }
    rates: dict[tuple[str, int], list[float]] = collections.defaultdict(list)
    share = count // ROUNDS
    for number in range(ROUNDS):
        for name, writer in kinds.items():
            for processes in (1, 4):
                file = folder / f"{number}-{len(rates)}-{processes}.db"
                seconds = _together(writer, file, share, processes)
                rates[name, processes].append(share / seconds)
    for (name, processes), values in rates.items():
        print(
            f"{name:25} {processes} writer{'s' if processes > 1 else ' '}"
            f" median {statistics.median(values):6.0f}/s"
            f"  (min {min(values):.0f}, max {max(values):.0f})"
        )
    for ours, bare in (list(kinds)[:2], list(kinds)[2:]):
        for processes in (1, 4):
            pairs = zip(
                rates[ours, processes], rates[bare, processes], strict=True
            )
            ratio = statistics.median(mine / its for mine, its in pairs)
            print(f"{ours}, {processes}: {ratio:.2f} of {bare}")
    print(f"{ROUNDS} rounds of {share} events each, in turn")


def _together(
    writer: _Writer, file: pathlib.Path, count: int, processes: int
) -> float:
    """Return the seconds that some processes take for so many events."""
    context = multiprocessing.get_context("fork")
    # Not here: a file that is open must not be inherited.
    maker = context.Process(target=writer, args=(file, 1))
    maker.start()
    maker.join()
    begin = context.Barrier(processes + 1)
    end = context.Barrier(processes + 1)

    def work() -> None:
        writer(file, 1)  # so that it is open
        begin.wait()
        writer(file, count // processes)
        end.wait()

    workers = [context.Process(target=work) for _ in range(processes)]
    for worker in workers:
        worker.start()
    begin.wait()
    started = time.perf_counter()
    end.wait()
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return seconds


def _put(file: pathlib.Path, count: int) -> None:
    box = _opened(file)
    for event in _events(count):
        box.put(event)


def _put_all(file: pathlib.Path, count: int) -> None:
    box = _opened(file)
    for some in _batches(_events(count)):
        box.put_all(some)


def _bare(file: pathlib.Path, count: int) -> None:
    database = _database(file)
    for row in _rows(count):
        database.execute(_ROW, row)


def _bare_all(file: pathlib.Path, count: int) -> None:
    database = _database(file)
    for some in _batches(_rows(count)):
        database.execute("BEGIN IMMEDIATE")
        database.executemany(_ROW, some)
        database.execute("COMMIT")


#: What a process has open: (its pid, file) -> handle.
_OUTBOXES: dict[tuple[int, pathlib.Path], outbox.Outbox] = {}
_DATABASES: dict[tuple[int, pathlib.Path], sqlite3.Connection] = {}


def _opened(file: pathlib.Path) -> outbox.Outbox:
    key = os.getpid(), file
    if key not in _OUTBOXES:
        _OUTBOXES[key] = outbox.Outbox(file, busy_timeout=60)
        _OUTBOXES[key].check_writable()
    return _OUTBOXES[key]


def _database(file: pathlib.Path) -> sqlite3.Connection:
    key = os.getpid(), file
    if key not in _DATABASES:
        database = sqlite3.connect(file, timeout=60, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(_TABLE)
        _DATABASES[key] = database
    return _DATABASES[key]


def _events(
    count: int, verb: events.Verb = events.Verb.REGISTER
) -> Iterator[events.Event]:
    for number in range(count):
        yield events.Event(
            message_id=str(uuid.uuid4()),
            event_type="instance.create.end",
            verb=verb,
            occurred_at=time.time(),
            request_id="req-8217bf15-5838-4524-872f-3592fa99abb3",
            record=path.record(number),
        )


def _rows(count: int) -> Iterator[tuple[str, str]]:
    """Yield rows that cost as much to make as events do."""
    for event in _events(count):
        yield event.message_id, event.record.to_json()


def _batches(items: Iterable[_Item]) -> Iterator[Sequence[_Item]]:
    batch: list[_Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


# -- an outage ---------------------------------------------------------------


def _outage(folder: pathlib.Path, count: int) -> None:
    """Store while the directory is down, with the daemon running."""
    file = folder / "outage" / "outbox.db"
    with directory389.Directory389() as server:
        daemon = daemons.start(
            folder, f"[nova_dirsvc]\noutbox = {file}\n", server.conf_file
        )
        try:
            _measure(file, count, server, daemon)
        finally:
            daemon.terminate()
            daemon.wait(60)


def _measure(
    file: pathlib.Path,
    count: int,
    server: directory389.Directory389,
    daemon: "subprocess.Popen[bytes]",
) -> None:
    box = outbox.Outbox(file, busy_timeout=60)
    before = figures.tree_memory(daemon.pid)
    server.kill()
    started = time.perf_counter()
    for some in _batches(_events(count)):
        box.put_all(some)
    seconds = time.perf_counter() - started
    print(
        f"outage: {count} events stored in {seconds:.1f} s,"
        f" {count / seconds:.0f}/s; outbox {_size(file)}"
    )
    print(f"daemon: {before} before, {figures.tree_memory(daemon.pid)} now")
    server.start()
    started = time.perf_counter()
    marks: list[tuple[float, int]] = []
    while (pending := box.pending("ldap")) and (
        time.perf_counter() - started < DRAIN_LIMIT
    ):
        marks.append((time.perf_counter() - started, pending))
        time.sleep(1.0)
    seconds = time.perf_counter() - started
    first = next((at for at, left in marks if left < count), seconds)
    print(
        f"drain: the first within {first:.1f} s; {count - pending} events in"
        f" {seconds:.1f} s, {(count - pending) / seconds:.0f}/s;"
        f" {pending} are left"
    )
    for share in (0.75, 0.5, 0.25):
        inside = [(at, left) for at, left in marks if left <= count * share]
        if inside:
            at, left = inside[0]
            print(f"drain: {count - left} after {at:.0f} s")
    print(
        f"daemon: {figures.tree_memory(daemon.pid)} at the end;"
        f" outbox {_size(file)}; buried {len(outboxes.buried(box, 'ldap'))}"
    )


def _size(file: pathlib.Path) -> str:
    return " + ".join(
        f"{one.stat().st_size / 2**20:.1f} MiB"
        for one in sorted(file.parent.glob("outbox.db*"))
        if one.suffix != ".lock" and not one.name.endswith("-shm")
    )
