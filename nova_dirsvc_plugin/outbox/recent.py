# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What runs have asked of a directory lately, which limits the next."""

import collections
import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Set

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import runs, sql_repairs


@dataclasses.dataclass(frozen=True, slots=True)
class Recent:
    """What was asked of a directory since some time.

    :ivar removals: uuids of the instances that lost their entry
    :ivar changes: attribute -> those whose entry was changed in it
    """

    removals: Set[str]
    changes: Mapping[str, Set[str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """Whether more may be asked of a directory than other runs have asked.

    :ivar since: epoch seconds from which on it matters what they have
    :ivar raise_for: called with that; whatever it raises stops the run
    """

    since: float
    raise_for: Callable[[Recent], None]


def takes_away(repair: runs.Repair) -> bool:
    """Return whether a repair changes or removes what an entry has."""
    return bool(repair.attributes) or repair.event.verb.removes


def read(
    database: sqlite3.Connection,
    directory: str,
    since: float,
    besides: str = "",
) -> Recent:
    """Return what was asked of a directory since some time.

    :param besides: a run that does not count
    """
    removed = set()
    changed = collections.defaultdict[str, set[str]](set)
    for row in database.execute(
        sql_repairs.RECENT_REPAIRS,
        {"directory": directory, "since": since, "besides": besides},
    ):
        if events.Verb(row["verb"]).removes:
            removed.add(row["instance_uuid"])
        for name in runs.decoded(row["attributes"]):
            changed[name].add(row["instance_uuid"])
    return Recent(removed, changed)
