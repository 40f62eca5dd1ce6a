# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stops a plan that would write suspiciously much, before it begins. Pure.

A wrong reading, a wrong option or a change of what Nova says looks like any
other drift; it is much at once.
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence, Set
from typing import Protocol, Self

from nova_dirsvc_plugin.reconcile import plan as plans

Kind = plans.Kind

#: Entries from which on it is strange if none fits Nova, though one did.
_A_FEW = 3


class Recent(Protocol):
    """What reconciliations have asked for within the last hour.

    :ivar removals: uuids of the instances whose entry was to be removed
    :ivar changes: attribute -> those in whose entry it was to be changed
    """

    @property
    def removals(self) -> Set[str]: ...

    @property
    def changes(self) -> Mapping[str, Set[str]]: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """How much may be written within an hour: the larger of two numbers.

    :ivar removals: entries removed
    :ivar removals_percent: the same, of the entries with our mark
    :ivar changes: entries in which the same attribute is changed
    :ivar changes_percent: the same, of the entries with our mark
    """

    removals: int = 20
    removals_percent: float = 10
    changes: int = 50
    changes_percent: float = 30

    def most_removals(self, entries: int) -> int:
        return max(self.removals, int(entries * self.removals_percent / 100))

    def most_changes(self, entries: int) -> int:
        return max(self.changes, int(entries * self.changes_percent / 100))


class Stopped(Exception):
    """More would be written than the guard lets pass; sentences."""


@dataclasses.dataclass(frozen=True, slots=True)
class Planned:
    """What a plan would take away.

    :ivar entries: with our mark that the directory has
    :ivar removals: uuids of the instances whose entry would be removed
    :ivar changes: attribute -> those in whose entry it would be changed
    """

    entries: int
    removals: Set[str]
    changes: Mapping[str, Set[str]]

    @classmethod
    def of(cls, plan: plans.Plan) -> Self:
        changed = collections.defaultdict[str, set[str]](set)
        if Kind.DIFFERING in plan.policy.written:
            for item in plan.items.of(Kind.DIFFERING):
                for one in item.differences:
                    changed[one.attribute].add(item.instance_uuid)
        removed = (
            ()
            if plan.why_none_is_removed()
            else plan.items.uuids(Kind.REMOVAL)
        )
        return cls(plan.entries, frozenset(removed), changed)

    def check(self, limits: Limits, recent: Recent) -> None:
        """Check that it is within the limits.

        :raises Stopped: it is not
        """
        stops = self.beyond(limits, recent)
        if stops:
            raise Stopped(*stops)

    def beyond(self, limits: Limits, recent: Recent) -> list[str]:
        """Return sentences; empty if it is within the limits.

        What waits since an earlier run is planned again, and counts once.

        :param recent: what other runs have asked for within the last hour
        """
        return [
            *_removals(self, recent, limits),
            *_changes(self, recent, limits),
        ]


def check(
    plan: plans.Plan,
    recent: Recent,
    limits: Limits,
    allow: str = "",
    *,
    was_allowed: bool = False,
    is_known: bool = True,
) -> Sequence[str]:
    """Return why a plan may not begin: sentences; empty if it may.

    New entries are not limited, unless they are of another cloud. A reading
    that is not whole removes nothing in any case, see
    :meth:`plans.Plan.writes`.

    :param recent: what was written to that directory within the last hour
    :param allow: the name of the plan that an operator allows
    :param was_allowed: it was allowed before, which counts once
    :param is_known: instances of entries were read from that cloud before
    """
    stops = _strangers(plan, is_known) or Planned.of(plan).beyond(
        limits, recent
    )
    if not stops:
        return []
    way_on = _way_on(plan.plan_id, allow, was_allowed)
    return [*stops, way_on] if way_on else []


def _way_on(plan_id: str, allow: str, was_allowed: bool) -> str:
    """Return what an operator may do now; empty if he has allowed the plan."""
    if not allow:
        return (
            "Nothing is written. If this is right, allow it once:"
            f" --allow {plan_id}"
        )
    if allow != plan_id:
        return (
            f"Nothing is written. The plan is not {allow} any more: if it is"
            f" right, allow it once: --allow {plan_id}"
        )
    if was_allowed:
        return (
            f"Nothing is written. The plan {allow} was allowed before, which"
            " counts once: find out why the same is to be written again"
        )
    return ""


def _strangers(plan: plans.Plan, is_known: bool) -> list[str]:
    """Stop where none of the entries is of an instance that Nova has listed.

    Whatever the policy: another cloud's would be registered as ours. A cloud
    that had instances with entries before is believed that the last are gone,
    and that a few others are gone while new ones have come.
    """
    if plan.fitting or plan.is_empty or not plan.entries:
        return []
    instances = plan.reading.instances
    if is_known and (not instances or plan.entries < _A_FEW):
        return []
    return [
        f"Not one of {plan.entries} entries is of the {instances} instances"
        f" that Nova lists at {plan.reading.cloud}: check whether [nova] leads"
        " to the cloud of this owner mark."
    ]


def _removals(planned: Planned, recent: Recent, limits: Limits) -> list[str]:
    removals, most = planned.removals, limits.most_removals(planned.entries)
    before = len(recent.removals - removals)
    if not removals or len(removals) + before <= most:
        return []
    return [
        f"{len(removals)} of {planned.entries} entries would be removed, after"
        f" {before} others within the last hour: more than {most} (the"
        f" larger of guard_max_removals, {limits.removals}, and"
        f" guard_max_removals_percent, {limits.removals_percent:g} %)."
    ]


def _changes(planned: Planned, recent: Recent, limits: Limits) -> list[str]:
    most = limits.most_changes(planned.entries)
    stops = []
    for attribute, changed in sorted(planned.changes.items()):
        before = len(recent.changes.get(attribute, set()) - changed)
        if len(changed) + before > most:
            stops.append(
                f"{attribute} would be changed in {len(changed)} of"
                f" {planned.entries} entries, after {before} others within the"
                f" last hour: more than {most} (the larger of"
                f" guard_max_changes, {limits.changes}, and"
                f" guard_max_changes_percent, {limits.changes_percent:g} %)."
            )
    return stops
