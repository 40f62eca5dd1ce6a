# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the instances of entries that do not carry our mark. Pure.

Our account may not take entries over: what is found is written as LDIF, which
the directory's administrator applies.
"""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.reconcile import comparison, ldif
from nova_dirsvc_plugin.reconcile import reading as readings


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """An entry, and the one instance that it can be of.

    :ivar by: what they have in common: ``uuid``, ``MAC`` or ``name``
    """

    entry: base.Entry
    state: events.HostState
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Unmatched:
    """An entry that is left alone.

    :ivar reason: a sentence
    """

    entry: base.Entry
    reason: str


def match(
    entries: Iterable[base.Entry],
    reading: readings.Reading,
    owner: str,
    owned: Iterable[str] = (),
) -> tuple[list[Match], list[Unmatched]]:
    """Match entries without our mark to instances, if that is unambiguous.

    All that an entry and instances have in common must speak for the same
    instance, and no other entry may be matched to it. One with another's mark
    is matched by the uuid alone.

    :param owned: uuids of the instances that have an entry with our mark
    """
    theirs = [entry for entry in entries if entry.owner != owner]
    index = _Index(theirs, reading)
    taken = set(owned)
    found: list[Match] = []
    left: list[Unmatched] = []
    for entry in theirs:
        one = _match_one(entry, index, taken)
        if isinstance(one, Match):
            found.append(one)
        else:
            left.append(Unmatched(entry, one))
    claims = collections.Counter(_key(one) for one in found)
    several = [one for one in found if claims[_key(one)] > 1]
    left += [
        Unmatched(
            one.entry,
            f"other entries fit the instance {_key(one)}, too, by {one.by}",
        )
        for one in several
    ]
    return [one for one in found if claims[_key(one)] == 1], left


def to_ldif(
    matches: Iterable[Match],
    differences: comparison.Differences,
    taking: Sequence[str],
) -> Iterator[str]:
    """Return the records that give the matched entries our mark.

    :param differences: that of the directory's driver
    :param taking: the attributes that make an entry ours, in lower case; a
        reconciliation corrects all others
    """
    for one in matches:
        # Whatever time the entry has: the administrator decides.
        as_of = max(one.state.as_of, one.entry.as_of)
        state = dataclasses.replace(one.state, as_of=as_of)
        comments = [f"instance {_key(one)}, matched by {one.by}"]
        if one.entry.owner:
            comments.append(f"until now of owner mark {one.entry.owner}")
        yield ldif.modify(
            one.entry.name,
            [
                difference
                for difference in differences(one.entry, state)
                if difference.attribute.lower() in taking
            ],
            *comments,
        )


class _Index:
    """Instances by what entries and they have in common.

    :ivar uuids: uuid -> state
    :ivar macs: MAC -> uuids
    :ivar names: host name or display name, in lower case -> uuids
    """

    def __init__(
        self, entries: Iterable[base.Entry], reading: readings.Reading
    ) -> None:
        self.uuids: dict[str, events.HostState] = {}
        self.macs: dict[str, set[str]] = {}
        self.names: dict[str, set[str]] = {}
        uuids = set()
        for entry in entries:
            uuids.add(entry.record.instance_uuid.lower())
            self.macs |= {mac: set() for mac in _macs(entry.record)}
            self.names |= {name: set() for name in _names(entry.record)}
        for key in reading.all_wanted():
            state = reading.wanted(key)
            if state is None:
                continue
            macs = _macs(state.record) & self.macs.keys()
            names = _names(state.record) & self.names.keys()
            if macs or names or key in uuids:
                self.uuids[key] = state
            for mac in macs:
                self.macs[mac].add(key)
            for name in names:
                self.names[name].add(key)


def _match_one(
    entry: base.Entry, index: _Index, taken: set[str]
) -> Match | str:
    """Return the match of an entry, or why it has none."""
    if entry.conflict:
        return entry.conflict
    record = entry.record
    evidence = {
        "uuid": {record.instance_uuid.lower()} & index.uuids.keys(),
        "MAC": set().union(*(index.macs[mac] for mac in _macs(record))),
        "name": set().union(*(index.names[name] for name in _names(record))),
    }
    by = next((kind for kind, keys in evidence.items() if keys), "")
    if not by:
        return "no instance has its uuid, a MAC or the name of it"
    if entry.owner and by != "uuid":
        return (
            f"it has the owner mark {entry.owner!r}, and only its {by} in"
            " common with an instance"
        )
    common = set.intersection(*filter(None, evidence.values()))
    if len(evidence[by]) > 1 or not common:
        keys = ", ".join(sorted(set.union(*evidence.values())))
        return f"it fits several instances: {keys}"
    (key,) = common
    if key in taken:
        return f"the instance {key} has an entry with our mark"
    return Match(entry, index.uuids[key], by)


def _key(one: Match) -> str:
    return one.state.record.instance_uuid


def _macs(record: events.HostRecord) -> set[str]:
    return {mac.lower() for mac in record.mac_addresses}


def _names(record: events.HostRecord) -> set[str]:
    names = (record.host_name, record.display_name)
    return {name.casefold() for name in names if name}
