# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Takes one directory from the outbox to where the outbox says.

Claim a batch, decide what it asks for, ask Nova where that is late news, let
the driver apply it, settle each entry by its outcome: that is
:meth:`Dispatcher.step`, and the whole job. Errors are of two kinds.
*Unavailable* is waited out and never counts; *rejected* is tried a few
times and then buried. An entry that is put off makes room for the others.
"""

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import backoff, decision, nova_check, retry
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

#: Seconds between two looks at an outbox that had nothing. A look costs
#: microseconds, and an event waits half of this on average.
POLL_INTERVAL = 0.02

#: Seconds after which deferred entries are looked for without being told.
RECHECK_INTERVAL = 0.5

_NOT_ANSWERED = "late, and Nova has not said how things stand"

#: Entries that a directory is tried with while it is out: an old and a new.
PROBE = 2

#: Seconds between two reports of the same outage.
REPORT_INTERVAL = 60.0


class Dispatcher:
    """Delivers to one directory, in one thread.

    :param name: the directory's name, under which progress is kept
    :param asker: knows from Nova how things stand; None where it cannot be
        asked, and late news is taken as it is
    """

    def __init__(
        self,
        name: str,
        directory: base.Directory,
        entries: outbox.Outbox,
        settings: retry.Settings,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
        asker: nova_check.Asker | None = None,
    ) -> None:
        self._name = name
        self._directory = directory
        self._outbox = entries
        self._batch_size = settings.batch_size
        self._clock = clock
        self._uniform = uniform
        self._in_turn = directory.RECORDS_EVENTS
        self._asker = None if self._in_turn else asker
        self._settler = retry.Settler(
            settings, clock, uniform, repeats=not self._in_turn
        )
        self._failures = 0
        self._reported_at = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; the batch in hand is finished."""
        while not stop.is_set():
            changes, failures = -1, self._failures
            try:
                changes = self._outbox.changes()
                busy = self.step()
            except outbox.OutboxError as error:
                self._out_of_reach(str(error))
                busy = False
            if self._failures > failures or (self._failures and not busy):
                stop.wait(backoff.full_jitter(self._failures, self._uniform))
            elif not busy:
                self._wait_for_change(stop, changes)
        self._directory.close()

    def step(self) -> bool:
        """Deliver one batch, or a probe while the directory is out.

        :returns: whether there was anything to do
        :raises outbox.OutboxError: it is not known to be settled, and will
            be delivered again
        """
        limit = PROBE if self._failures else self._batch_size
        claim = self._outbox.claim(self._name, limit, self._in_turn)
        if not claim:
            return False
        writes, settlements = self._decided(claim)
        if self._asker:
            writes, put_off = self._checked(writes, self._asker)
            settlements += itertools.chain.from_iterable(put_off)
        if writes:
            outcomes = self._apply([_change(write) for write in writes])
            self._judge([write.entry for write in writes], outcomes)
            for write, outcome in zip(writes, outcomes, strict=True):
                settlements += self._settler.settle(write, outcome)
        self._outbox.settle(self._name, claim, settlements)
        for settlement in settlements:
            self._log(settlement)
        return True

    # -- what to write -----------------------------------------------------

    def _decided(
        self, claim: outbox.Claim
    ) -> tuple[list[decision.Write], list[outbox.Settlement]]:
        """Give the writes that a claim asks for, and what needs none."""
        decide = decision.by_event if self._in_turn else decision.by_total
        writes, settlements = [], []
        for turn in claim.turns:
            decided = decide(turn)
            if decided.write:
                writes.append(decided.write)
            settlements += [
                outbox.Settlement(entry, outbox.State.SKIPPED, why)
                for entry, why in decided.skipped
            ] + [
                outbox.Settlement(entry, outbox.State.BURIED, entry.unreadable)
                for entry in turn.entries
                if entry.unreadable
            ]
        return writes, settlements

    def _checked(
        self, writes: Sequence[decision.Write], asker: nova_check.Asker
    ) -> tuple[list[decision.Write], list[list[outbox.Settlement]]]:
        """Put Nova's answers in the place of late news.

        :returns: what to write, and what to put off until Nova has answered
        """
        sure, put_off = [], []
        for write in writes:
            if write.repeat or not self._settler.is_late(write):
                sure.append(write)
                continue
            answer = asker.answer(
                write.wanted.record.instance_uuid, write.wanted.as_of
            )
            if answer is None:
                put_off.append(self._settler.put_off(write, _NOT_ANSWERED))
            else:
                sure.append(decision.corrected(write, answer))
        return sure, put_off

    # -- the directory -----------------------------------------------------

    def _apply(self, changes: Sequence[base.Change]) -> Sequence[base.Outcome]:
        """Let the driver apply a batch, whatever is wrong with the driver.

        What makes it raise is found by trying one at a time, and rejected.
        """
        try:
            return self._directory.apply(changes)
        except Exception as error:
            if len(changes) > 1:
                LOG.exception(
                    "Directory %s: a batch of %d raised, trying one by one",
                    self._name,
                    len(changes),
                )
                return [self._apply([change])[0] for change in changes]
            LOG.exception("Directory %s: raised", self._name)
            return [base.Rejected(f"{type(error).__name__}: {error}")]

    def _judge(
        self,
        entries: Sequence[outbox.Entry],
        outcomes: Sequence[base.Outcome],
    ) -> None:
        """Conclude from a batch whether the directory is out of reach.

        It is not if it did anything; and one entry alone that was put off
        before and is so again says nothing about it.
        """
        reasons = [
            outcome.reason
            for outcome in outcomes
            if isinstance(outcome, base.Unavailable)
        ]
        if len(reasons) < len(outcomes):
            self._come_back()
        elif reasons and (
            self._failures
            or len(outcomes) > 1
            or any(not entry.deferrals for entry in entries)
        ):
            first = entries[0].event
            self._out_of_reach(
                f"{reasons[0]} (one of those that wait: {first.verb}"
                f" instance {first.instance_uuid})"
            )

    def _out_of_reach(self, reason: str) -> None:
        self._failures += 1
        if self._clock() - self._reported_at >= REPORT_INTERVAL:
            self._reported_at = self._clock()
            LOG.warning(
                "Directory %s: unavailable, %s entries wait, all are kept"
                " and tried again: %s",
                self._name,
                self._how_many(),
                reason,
            )

    def _how_many(self) -> str:
        try:
            return str(self._outbox.pending(self._name))
        except outbox.OutboxError:
            return "unknown"

    def _come_back(self) -> None:
        if self._failures:
            LOG.info(
                "Directory %s: available again after %d tries",
                self._name,
                self._failures,
            )
        self._failures = 0
        self._reported_at = float("-inf")

    # -- one entry ---------------------------------------------------------

    def _log(self, settlement: outbox.Settlement) -> None:
        entry, reason = settlement.entry, settlement.reason
        match settlement.state:
            case outbox.State.REPEAT if settlement.deferrals:
                self._say(logging.DEBUG, entry, "not yet once more", reason)
            case outbox.State.DONE | outbox.State.REPEAT:
                self._say(logging.INFO, entry, "delivered", reason)
            case outbox.State.SKIPPED:
                self._say(logging.DEBUG, entry, "skipped", reason)
            case outbox.State.DEFERRED:
                # While all is out, one line says so for all of them.
                quiet = self._failures or reason.startswith(
                    (_NOT_ANSWERED, retry.COVERED)
                )
                level = logging.DEBUG if quiet else logging.WARNING
                self._say(level, entry, "deferred", reason)
            case outbox.State.BURIED:
                self._say(logging.ERROR, entry, "buried", reason)

    def _say(
        self, level: int, entry: outbox.Entry, what: str, why: str = ""
    ) -> None:
        LOG.log(
            level,
            "Outbox entry %d: %s instance %s: %s: directory %s%s%s",
            entry.number,
            entry.event.verb,
            entry.event.instance_uuid,
            what,
            self._name,
            ": " if why else "",
            why,
        )

    # -- waiting -----------------------------------------------------------

    def _wait_for_change(self, stop: threading.Event, changes: int) -> None:
        """Wait until somebody has written, or it is time to look anyway."""
        for _ in range(int(RECHECK_INTERVAL / POLL_INTERVAL)):
            if stop.wait(POLL_INTERVAL):
                return
            try:
                if self._outbox.changes() != changes:
                    return
            except outbox.OutboxError as error:
                self._out_of_reach(str(error))
                return


def _change(write: decision.Write) -> base.Change:
    wanted = write.wanted
    return base.Change(wanted.verb, wanted.record, wanted.as_of)
