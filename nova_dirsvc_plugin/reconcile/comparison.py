# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Compares all instances with the entries of one directory. Pure."""

import collections
from collections.abc import Callable, Iterable, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.reconcile import item as plan_item
from nova_dirsvc_plugin.reconcile import items as plan_items
from nova_dirsvc_plugin.reconcile import plan as plans
from nova_dirsvc_plugin.reconcile import reading as readings

Item = plan_item.Item
Kind = plan_item.Kind

#: Why an entry stays that somebody has written since.
NEWER = "the entry is newer than the reading"

#: The driver's method of that name.
Differences = Callable[
    [base.Entry, events.HostState], Sequence[base.Difference]
]


class Comparison:
    """Compares entry by entry, as a directory returns them.

    :param reading: of Nova, which has ended
    :param directory: the name of the directory
    :param owner: our owner mark
    :param differences: that of the directory's driver
    """

    def __init__(
        self,
        reading: readings.Reading,
        directory: str,
        owner: str,
        policy: plans.Policy,
        differences: Differences,
    ) -> None:
        self._reading = reading
        self._directory = directory
        self._owner = owner
        self._policy = policy
        self._differences = differences
        self._started_at = reading.summary.started_at
        self._items = plan_items.Items()
        self._seen: set[str] = set()
        self._doubled: set[str] = set()
        self._to_find: list[str] = []
        self._entries = 0
        self._fitting = 0

    def add(self, entry: base.Entry) -> None:
        """Compare one of the entries with our mark."""
        key = self._key(entry)
        if entry.owner != self._owner:
            self._put_conflict(key, [entry])
            self._seen.add(key)
            return
        self._entries += 1
        if key in self._seen:
            # The same one twice, or two of one instance: find() tells.
            self._doubled.add(key)
            return
        self._seen.add(key)
        self._compare(key, entry)

    def to_find(self) -> list[str]:
        """Return the instances whose entries are to be looked up by uuid.

        Those of which no entry was returned: it may have another mark, may
        have come since, or was left out; and those of which two were.
        """
        self._to_find = [*self._doubled]
        for key in self._reading.all_wanted():
            if key not in self._seen:
                self._to_find.append(key)
        return self._to_find

    def finish(
        self, found: Iterable[base.Entry], made_at: float
    ) -> plans.Plan:
        """Return the plan.

        :param found: what ``find`` returns for :meth:`to_find`
        :param made_at: epoch seconds
        """
        by_uuid: dict[str, list[base.Entry]] = collections.defaultdict(list)
        for entry in found:
            by_uuid[self._key(entry)].append(entry)
        for key in self._to_find:
            self._settle(key, by_uuid.get(key, []))
        return plans.held_back(
            plans.Plan(
                directory=self._directory,
                owner=self._owner,
                policy=self._policy,
                made_at=made_at,
                reading=self._reading.summary,
                entries=self._entries,
                fitting=self._fitting,
                items=self._items,
            )
        )

    def _key(self, entry: base.Entry) -> str:
        key = entry.record.instance_uuid
        return key if key in self._reading else key.lower()

    def _compare(self, key: str, entry: base.Entry) -> None:
        """Compare the only entry of an instance, which has our mark."""
        if entry.conflict:
            self._put_conflict(key, [entry])
            return
        state = self._reading.wanted(key)
        self._fitting += key in self._reading
        if state:
            differences = self._differences(entry, state)
            if differences:
                self._put(
                    Kind.DIFFERING, key, entry, state, differences=differences
                )
        elif undecided := self._reading.undecided(key):
            self._put(Kind.UNSURE, key, entry, reason=undecided)
        elif entry.as_of < self._started_at:
            gone = events.HostState(
                events.Verb.SOFT_UNREGISTER,
                events.HostRecord(instance_uuid=key),
                self._started_at,
            )
            self._put(Kind.CANDIDATE, key, entry, gone)
        else:
            self._put(Kind.UNSURE, key, entry, reason=NEWER)

    def _settle(self, key: str, found: Sequence[base.Entry]) -> None:
        """Decide by all entries that an instance has.

        If one of them is the one that would be written to, it is compared,
        whatever else there is.
        """
        self._items.drop(key)
        ours = [one for one in found if one.owner == self._owner]
        if key not in self._doubled:
            self._entries += len(ours)
        usable = [one for one in ours if not one.conflict]
        if len(usable) == 1:
            self._compare(key, usable[0])
            found = [one for one in found if one is not usable[0]]
        elif not found and (state := self._reading.wanted(key)):
            self._put(Kind.MISSING, key, None, state)
        if not found:
            return
        if kind := self._items.kind(key):
            self._items.judge(key, kind, _conflict(found, self._owner))
        else:
            self._put_conflict(key, found)

    def _put_conflict(self, key: str, found: Sequence[base.Entry]) -> None:
        self._put(
            Kind.CONFLICT, key, found[0], reason=_conflict(found, self._owner)
        )

    def _put(
        self,
        kind: Kind,
        key: str,
        entry: base.Entry | None,
        state: events.HostState | None = None,
        differences: Sequence[base.Difference] = (),
        reason: str = "",
    ) -> None:
        self._items.put(
            Item(
                kind=kind,
                instance_uuid=key,
                state=state,
                entry=entry,
                differences=differences,
                reason=reason,
            )
        )


def _conflict(found: Sequence[base.Entry], owner: str) -> str:
    """Say what an administrator has to decide about."""
    if len(found) > 1 and not any(one.conflict for one in found):
        names = "; ".join(sorted(one.name for one in found))
        return (
            f"{len(found)} entries have this uuid, delete all but one: {names}"
        )
    return "; ".join(
        one.conflict
        or (
            f"the entry has another owner mark, {one.owner!r}, than ours,"
            f" {owner!r}: {one.name}"
            if one.owner
            else f"the entry has no owner mark: {one.name}"
        )
        for one in found
    )
