# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a reconciliation would write to one directory. Pure."""

import collections
import dataclasses
import enum
import functools
import hashlib
from collections.abc import Iterator

from nova_dirsvc_plugin.nova_api import summary as nova_summary
from nova_dirsvc_plugin.reconcile import item as plan_item
from nova_dirsvc_plugin.reconcile import items as plan_items

Item = plan_item.Item
Items = plan_items.Items
Kind = plan_item.Kind

#: The owner mark of a cloud that was given none: others may have it, too.
DEFAULT_OWNER = "nova"


class Policy(enum.StrEnum):
    """What a reconciliation may do.

    ``sync``: add, change and remove entries. ``upsert-only``: add and change.
    ``create-only``: add.
    """

    SYNC = "sync"
    UPSERT_ONLY = "upsert-only"
    CREATE_ONLY = "create-only"

    @property
    def written(self) -> tuple[Kind, ...]:
        """The kinds of items that are written, in that order."""
        if self is Policy.SYNC:
            return (Kind.MISSING, Kind.DIFFERING, Kind.REMOVAL)
        if self is Policy.UPSERT_ONLY:
            return (Kind.MISSING, Kind.DIFFERING)
        return (Kind.MISSING,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The difference between Nova and one directory, and what is to be done.

    :ivar directory: its name
    :ivar owner: our owner mark
    :ivar made_at: epoch seconds
    :ivar entries: entries with our mark that the directory has
    :ivar fitting: those of instances that Nova has listed
    """

    directory: str
    owner: str
    policy: Policy
    made_at: float
    reading: nova_summary.Summary
    entries: int
    fitting: int
    items: Items

    @functools.cached_property
    def plan_id(self) -> str:
        """What names this plan: the same situation has the same name.

        That is so at whatever time it is read. A candidate counts as the
        removal that it may become.
        """
        digest = hashlib.sha256()
        for text in (self.directory, self.owner, self.policy):
            digest.update(text.encode() + b"\0")
        kinds = self.policy.written
        for kind in kinds:
            same = (kind, Kind.CANDIDATE) if kind is Kind.REMOVAL else (kind,)
            digest.update(kind.encode() + b"\0")
            digest.update(b"".join(self.items.digests(*same)))
        return digest.hexdigest()[:12]

    @functools.cached_property
    def counts(self) -> collections.Counter[Kind]:
        """How many items of each kind there are."""
        return self.items.counts()

    def writes(self) -> Iterator[Item]:
        """Return what is to be written, removals last."""
        for kind in self.policy.written:
            if kind is not Kind.REMOVAL or not self.why_none_is_removed():
                yield from self.items.of(kind)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written."""
        return next(self.writes(), None) is None

    def why_none_is_removed(self) -> list[str]:
        """Return sentences; empty if proven candidates are removed."""
        reasons = self.doubts()
        if self.policy is not Policy.SYNC:
            reasons.append(f"the policy {self.policy} removes nothing")
        return reasons

    def doubts(self) -> list[str]:
        """Return why no candidate is to be believed; mostly empty."""
        reasons = []
        if self.owner == DEFAULT_OWNER:
            reasons.append(
                f"the owner mark is the default, {DEFAULT_OWNER!r}, which the"
                " entries of another cloud may have, too: name this cloud in"
                " [nova_dirsvc] owner"
            )
        if not self.reading.whole:
            reasons.append(
                "the reading of Nova is not whole:"
                f" {'; '.join(self.reading.why_not_whole)}"
            )
        return reasons


def held_back(plan: Plan) -> Plan:
    """Return a plan without candidates where none is to be believed."""
    doubts = plan.doubts()
    if not doubts:
        return plan
    items = plan.items.copy()
    for key in items.uuids(Kind.CANDIDATE, Kind.REMOVAL):
        items.judge(key, Kind.UNSURE, "; ".join(doubts))
    return dataclasses.replace(plan, items=items)


def doubted(
    summary: nova_summary.Summary, reason: str
) -> nova_summary.Summary:
    """Return a summary of a reading that is not whole, for this reason."""
    return dataclasses.replace(
        summary, why_not_whole=(*summary.why_not_whole, reason)
    )
