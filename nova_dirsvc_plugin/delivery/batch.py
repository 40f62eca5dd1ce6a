# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Claims the entries of one directory, and decides what to write."""

import dataclasses
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import ahead, decision

#: Batches that can have been delivered, at least in part, and not be settled:
#: the one that is settled while the next one is delivered.
UNDER_WAY = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """What is delivered at a time.

    :ivar claim: what is settled with it
    :ivar limit: the entries that it could have
    :ivar writes: what the directory is asked for
    :ivar settlements: how the entries end that need no write
    """

    claim: outbox.Claim
    limit: int
    writes: Sequence[decision.Write]
    settlements: Sequence[outbox.Settlement]

    @property
    def states(self) -> list[events.HostState]:
        """What the directory is asked for, before Nova is."""
        return [write.desired for write in self.writes]


class Batches:
    """Makes the batches of one directory.

    An earlier process may have delivered what it did not settle any more:
    the first entries that were stored before this one began are taken for
    such.

    :param name: the directory's
    :param size: entries of the largest batch
    :param clock: epoch seconds
    :param append_only: the directory appends each event
    """

    def __init__(
        self,
        name: str,
        entries: outbox.Outbox,
        size: int,
        clock: Callable[[], float],
        *,
        append_only: bool,
    ) -> None:
        self._name = name
        self._outbox = entries
        self._size = size
        self._ahead_report = ahead.AheadReport(clock)
        self._append_only = append_only
        self._clock = clock
        self._doubted, self._doubted_since = 0, 0.0
        #: The number of the last entry that was doubted.
        self._doubted_up_to = 0
        self.expect_again()

    def expect_again(self) -> None:
        """Take the next entries for delivered: they come again maybe."""
        self._doubted = UNDER_WAY * self._size
        self._doubted_since = self._clock()

    def begin(
        self, limit: int, under_way: outbox.Claim | None = None
    ) -> Batch | None:
        """Claim entries, and decide what to write.

        :param under_way: what is not settled yet
        :returns: None when there is nothing to do
        :raises outbox.OutboxError: the outbox cannot be read
        """
        claim = self._outbox.claim(
            self._name, limit, self._append_only, under_way
        )
        if not claim:
            return None
        writes, settlements = self._decide(claim)
        if self._doubted:
            self._doubt(claim)
        writes = [
            decision.as_known(write)
            if any(map(self._is_doubted, (write.entry, *write.covered)))
            else write
            for write in writes
        ]
        return Batch(claim, limit, writes, settlements)

    def _doubt(self, claim: outbox.Claim) -> None:
        """Doubt the first entries; one that comes again is not another."""
        found = sorted(
            entry.number
            for entry in claim.entries
            if self._is_old(entry) and entry.number > self._doubted_up_to
        )[: self._doubted]
        self._doubted -= len(found)
        self._doubted_up_to = max(found, default=self._doubted_up_to)

    def _is_doubted(self, entry: outbox.Entry) -> bool:
        return entry.number <= self._doubted_up_to and self._is_old(entry)

    def _is_old(self, entry: outbox.Entry) -> bool:
        return entry.stored_at <= self._doubted_since

    def _decide(
        self, claim: outbox.Claim
    ) -> tuple[list[decision.Write], list[outbox.Settlement]]:
        """Return the writes that a claim asks for, and what needs none."""
        decide = (
            decision.decide_log if self._append_only else decision.decide_state
        )
        writes, settlements = [], []
        for turn in claim.turns:
            self._ahead_report.add(turn.entries)
            decided = decide(turn)
            if decided.write:
                writes.append(decided.write)
            settlements += [
                outbox.Settlement(entry, outbox.State.SKIPPED, reason)
                for entry, reason in (
                    *decided.skipped,
                    *decision.skip_elsewhere(turn).skipped,
                )
            ] + [
                outbox.Settlement(
                    entry,
                    outbox.State.BURIED,
                    entry.unreadable,
                    outbox.Cause.UNREADABLE,
                )
                for entry in turn.unreadable
            ]
        return writes, settlements
