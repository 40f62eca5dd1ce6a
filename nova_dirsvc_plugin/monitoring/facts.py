# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of an outbox and of the daemon: what every view shows.

The outbox is read when somebody looks; what a daemon has counted is given.
Without a daemon, the outbox alone is known.
"""

import dataclasses
import pathlib
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from nova_dirsvc_plugin import outbox, version
from nova_dirsvc_plugin.monitoring.activity import Activity
from nova_dirsvc_plugin.outbox import (
    admin,
    comparisons,
    counts,
    health,
    queries,
    unstored,
)

#: Returns the directories that the options name, given those of an outbox.
Configured = Callable[[Collection[str]], Collection[str]]

#: Buried entries that are shown.
FEW = 10

#: Seconds without a turn after which a dispatcher is stuck. A driver returns
#: within 60 s; where it raises, it may be called for each state of a batch.
STUCK_AFTER = 300.0


@dataclasses.dataclass(frozen=True, slots=True)
class Daemon:
    """What a running daemon knows about itself.

    :ivar started_at: epoch seconds
    :ivar activities: by the names of the directories
    :ivar idle: directory -> seconds since the last turn of its dispatcher
    :ivar listeners: processes that should consume the message bus
    :ivar active: those of them that do
    """

    process: int
    release: str
    started_at: float
    activities: Mapping[str, Activity]
    idle: Mapping[str, float]
    listeners: int = 0
    active: int = 0

    @property
    def stuck(self) -> list[str]:
        """The directories whose dispatcher takes no turn any more."""
        return [
            name
            for name, seconds in self.idle.items()
            if seconds > STUCK_AFTER
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class Directory:
    """What is known of one directory.

    :ivar known: by the outbox; None: it cannot be read
    :ivar comparison: the last one with Nova; None: there was none
    :ivar activity: of its dispatcher; None: there is none here
    """

    name: str
    known: health.Directory | None = None
    comparison: comparisons.Comparison | None = None
    activity: Activity | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Stored:
    """What the outbox itself says.

    :ivar size: bytes of its files
    :ivar last_number: how many entries were ever stored
    :ivar problems: what an operator has to do something about
    :ivar buried: the latest entries that a directory refused for good
    """

    size: int
    last_number: int
    latest: counts.Latest
    totals: counts.Totals
    problems: Sequence[health.Problem]
    buried: Sequence[queries.Item]


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What is known at one moment.

    :ivar at: epoch seconds
    :ivar release: of the program that has collected this
    :ivar fault: why the outbox cannot be read; empty if it can
    :ivar stored: None if it cannot
    :ivar in_memory: what processes of Nova's could not store
    :ivar daemon: None: there is none, or it does not answer
    """

    at: float
    release: str
    path: str
    fault: str
    stored: Stored | None
    in_memory: Sequence[unstored.Unstored]
    directories: Sequence[Directory]
    daemon: Daemon | None

    def why_not_alive(self) -> list[str]:
        """Return why the daemon is to be started again; empty if it works."""
        if self.daemon is None:
            return ["nova-dirsvc-sync does not answer"]
        return [
            f"directory {name}: its dispatcher has taken no turn for"
            f" {self.daemon.idle[name]:.0f} s"
            for name in self.daemon.stuck
        ]

    def why_not_ready(self) -> list[str]:
        """Return what keeps events from their directories; empty: nothing."""
        reasons = self.why_not_alive()
        if self.fault:
            reasons.append(self.fault)
        for one in self.directories:
            found = one.activity
            if found and found.available is False:
                reasons.append(
                    f"directory {one.name}: unavailable: {found.reason}"
                )
        if self.daemon and self.daemon.active < self.daemon.listeners:
            reasons.append(
                f"{self.daemon.active} of {self.daemon.listeners} processes"
                " consume the message bus"
            )
        return reasons


def collect(
    path: pathlib.Path,
    configured: Configured,
    daemon: Daemon | None = None,
    now: float | None = None,
) -> Facts:
    """Collect what is known; nothing is written.

    :param path: of the outbox
    :param configured: returns the directories that the options name
    :param now: epoch seconds
    """
    now = time.time() if now is None else now
    fault, stored = "", None
    activities = daemon.activities if daemon else {}
    directories = [
        Directory(name, activity=activities.get(name))
        for name in configured(())
    ]
    try:
        with admin.OutboxAdmin(path).snapshot() as database:
            names = configured(queries.directories(database))
            known = health.read(database, path, names)
            directories = _directories(database, known, activities)
            stored = _stored(database, path, known, now)
    except outbox.OutboxError as error:
        fault = str(error)
    return Facts(
        at=now,
        release=version.release(),
        path=str(path),
        fault=fault,
        stored=stored,
        in_memory=_in_memory(path),
        directories=directories,
        daemon=daemon,
    )


def _directories(
    database: sqlite3.Connection,
    known: health.Facts,
    activities: Mapping[str, Activity],
) -> list[Directory]:
    compared = {one.directory: one for one in comparisons.read(database)}
    return [
        Directory(name, one, compared.get(name), activities.get(name))
        for name, one in known.directories.items()
    ]


def _stored(
    database: sqlite3.Connection,
    path: pathlib.Path,
    known: health.Facts,
    now: float,
) -> Stored:
    buried = [
        item
        for name, one in known.directories.items()
        if one.count.buried
        for item in queries.last_buried(database, name, FEW)
    ]
    buried.sort(key=lambda item: item.deferred_at or 0.0, reverse=True)
    return Stored(
        size=_size(path),
        last_number=counts.last_number(database),
        latest=counts.latest(database),
        totals=known.totals,
        problems=list(health.problems(known, now)),
        buried=buried[:FEW],
    )


def _in_memory(path: pathlib.Path) -> Sequence[unstored.Unstored]:
    try:
        return unstored.find(path)
    except OSError:
        # The outbox cannot be read either, which is said.
        return ()


def _size(path: pathlib.Path) -> int:
    total = 0
    for suffix in ("", "-wal"):
        try:
            total += path.with_name(path.name + suffix).stat().st_size
        except OSError:
            # It is gone at this moment, or was never there.
            continue
    return total
