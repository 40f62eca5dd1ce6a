# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whether an outbox is delivered, and what an operator has to do about it.

It is known here once, for whoever shows it.
"""

import dataclasses
import enum
import os
import pathlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence

from nova_dirsvc_plugin.outbox import counts, lock, queries, unstored

#: Seconds after which a daemon that was not seen to deliver hangs. A batch
#: ends within 60 s.
HANGS_AFTER = 150.0

#: Seconds that an entry may wait, where an operator says nothing else.
MAX_AGE = 600.0


class Kind(enum.StrEnum):
    """What is wrong."""

    NOT_DELIVERED = "not delivered"
    HANGS = "hangs"
    LATE = "late"
    BURIED = "buried"
    PARKED = "parked"
    NOT_STORED = "not stored"
    NOT_CONFIGURED = "not configured"

    @property
    def stops(self) -> bool:
        """Whether nothing is delivered as long as it lasts."""
        return self in (Kind.NOT_DELIVERED, Kind.HANGS)


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """What an operator has to do something about.

    :ivar directory: empty: all of the outbox
    :ivar finding: what is wrong, a clause
    :ivar remedy: what to do, a clause
    """

    kind: Kind
    directory: str
    finding: str
    remedy: str


@dataclasses.dataclass(frozen=True, slots=True)
class Directory:
    """What is known of one directory.

    :ivar configured: whether the options name it
    :ivar holder: who delivers to it, or was the last to; None: nobody ever
    """

    configured: bool
    count: counts.Count
    holder: lock.Holder | None


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an outbox.

    :ivar in_memory: what processes of Nova's could not store
    """

    totals: counts.Totals
    in_memory: Sequence[unstored.Unstored]
    directories: Mapping[str, Directory]


def read(
    database: sqlite3.Connection,
    path: str | os.PathLike[str],
    configured: Collection[str],
) -> Facts:
    """Read what is known; nothing is written.

    :param database: a snapshot of the outbox
    :param path: of the outbox
    :param configured: the directories that the options name
    """
    names = {*configured, *queries.directories(database)}
    return Facts(
        counts.totals(database),
        unstored.find(pathlib.Path(path)),
        {
            name: Directory(
                name in configured,
                counts.count(database, name),
                lock.holder(path, name),
            )
            for name in sorted(names)
        },
    )


def delivers(one: Directory, now: float) -> bool | None:
    """Return whether somebody delivers to a directory; None: not known.

    :param now: epoch seconds
    """
    holder = one.holder
    if holder is None:
        return False
    if holder.running and holder.seen is not None:
        return now - holder.seen <= HANGS_AFTER
    return holder.running


def problems(
    facts: Facts, now: float, max_age: float = MAX_AGE
) -> Iterator[Problem]:
    """Conclude what an operator has to do something about.

    :param now: epoch seconds
    :param max_age: seconds that an entry may wait
    """
    for name, one in facts.directories.items():
        if one.configured:
            yield from _of_delivery(name, one, now, max_age)
        yield from _of_place(name, one, now)
    if facts.totals.parked:
        yield Problem(
            Kind.PARKED,
            "",
            f"{facts.totals.parked} notifications could not be understood",
            "see nova-dirsvc-manage outbox list --state parked",
        )
    if facts.in_memory:
        events = sum(one.events for one in facts.in_memory)
        yield Problem(
            Kind.NOT_STORED,
            "",
            f"{events} events could not be stored by Nova's processes",
            "see what keeps Nova from writing: a full disk, or the modes of"
            " the folder",
        )


def _of_delivery(
    name: str, one: Directory, now: float, max_age: float
) -> Iterator[Problem]:
    if delivers(one, now) is False:
        if one.holder and one.holder.running:
            yield Problem(
                Kind.HANGS,
                name,
                f"process {one.holder.process} has the right to deliver, and"
                " does not get on",
                "see the log of nova-dirsvc-sync, and start it again",
            )
        else:
            yield Problem(
                Kind.NOT_DELIVERED,
                name,
                "nobody delivers to it",
                "start nova-dirsvc-sync",
            )
    oldest = one.count.oldest
    if oldest is not None and now - oldest > max_age:
        yield Problem(
            Kind.LATE,
            name,
            f"its oldest entry has waited for more than {max_age:g} s",
            "see the log of nova-dirsvc-sync",
        )


def _of_place(name: str, one: Directory, now: float) -> Iterator[Problem]:
    if not one.configured and not delivers(one, now):
        yield Problem(
            Kind.NOT_CONFIGURED,
            name,
            "the options do not name it any more, and no entry is removed"
            " from the outbox until it has all of them",
            "name it in [nova_dirsvc] directories again, or run"
            f" nova-dirsvc-manage outbox forget {name}",
        )
    if one.count.buried:
        yield Problem(
            Kind.BURIED,
            name,
            f"entries that it has refused for good: {one.count.buried}",
            "see nova-dirsvc-manage outbox list --state buried",
        )
