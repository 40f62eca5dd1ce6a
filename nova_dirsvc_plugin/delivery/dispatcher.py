# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Delivers the entries of the outbox to one directory.

Claim a batch, decide what to write, check late states with Nova, let the
driver apply them, settle each entry by its outcome: that is
:meth:`Dispatcher.step`, and the whole job. Errors are of two kinds.
*Unavailable* is waited out and never counts; *rejected* is tried a few
times and then buried, if the directory takes what others have. An entry that
is deferred makes room for the others.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import (
    ahead,
    availability,
    decision,
    held,
    nova_check,
    outage,
    refusals,
    retry,
)
from nova_dirsvc_plugin.delivery import clock as clocks
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

#: Seconds between two polls of an empty outbox. A poll costs microseconds,
#: and an event waits half of this on average.
POLL_INTERVAL = 0.02

#: Seconds after which deferred entries are claimed without a change.
RECHECK_INTERVAL = 0.5

#: Causes of a deferral that need no operator, or have a report of their own.
_EXPECTED = (
    outbox.Cause.AWAITS_NOVA,
    outbox.Cause.COVERED,
    outbox.Cause.HELD,
    outbox.Cause.FOREIGN,
    outbox.Cause.UNAVAILABLE,
)

#: Seconds between two tracebacks of a driver that raises.
TRACEBACK_INTERVAL = 60.0

#: Entries in a batch while a directory is unavailable: an old and a new.
PROBE = 2


class Dispatcher:
    """Delivers to one directory, in one thread.

    :param name: the directory's name, under which progress is kept
    :param clock: epoch seconds; best one that does not step
    :param checker: asks Nova for the state of an instance; without it late
        events are delivered as they are
    :ivar turned_at: :func:`time.monotonic` of its last turn; one that hangs
        takes none
    """

    def __init__(
        self,
        name: str,
        directory: base.Directory,
        entries: outbox.Outbox,
        settings: retry.Settings,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
        checker: nova_check.NovaChecker | None = None,
    ) -> None:
        self.turned_at = time.monotonic()
        self._name = name
        self._directory = directory
        self._outbox = entries
        self._clock = clock
        self._raised_at = float("-inf")
        self._batch_size = self._limit = settings.batch_size
        self._append_only = directory.APPEND_ONLY
        self._checker = None if self._append_only else checker
        self._policy = retry.RetryPolicy(
            settings, clock, uniform, confirms=not self._append_only
        )
        self._refusals = refusals.Refusals()
        self._ahead_report = ahead.AheadReport(clock)
        self._held_report = held.HeldReport(name, clock)
        self._availability = availability.Availability(
            name, entries, clock, uniform
        )
        self._outage = outage.OutboxOutage(name, entries, clock, uniform)

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; the current batch is finished."""
        directory = self._availability
        while not stop.is_set():
            self.turned_at = time.monotonic()
            failures = directory.failures
            try:
                changes = self._outbox.changes()
                busy = self.step()
            except outbox.OutboxError as error:
                self._outage.mark_failed(error)
                stop.wait(self._outage.wait())
                continue
            self._outage.mark_over()
            if directory.failures > failures or (
                directory.failures and not busy
            ):
                stop.wait(directory.wait())
            elif not busy:
                self._wait_for_change(stop, changes)
        self._directory.close()

    def step(self) -> bool:
        """Deliver one batch, or a probe while the directory is unavailable.

        :returns: whether there was anything to do
        :raises outbox.OutboxError: it is not known to be settled, and will
            be delivered again
        """
        failing = self._availability.failures or self._outage.failures
        limit = PROBE if failing else self._limit
        claim = self._outbox.claim(self._name, limit, self._append_only)
        if not claim:
            return False
        writes, settlements = self._decide(claim)
        if self._checker:
            writes = self._check(writes, self._checker, settlements)
        writes, kept_back = self._refusals.hold_back(writes)
        answers: list[tuple[decision.Write, base.Outcome]] = [*kept_back]
        if writes:
            outcomes = self._refusals.judge(
                writes, self._apply([write.desired for write in writes])
            )
            self._availability.update(writes, outcomes)
            self._update_limit(outcomes)
            answers += zip(writes, outcomes, strict=True)
        for write, outcome in answers:
            settlements += self._policy.resolve(write, outcome)
        self._outbox.settle(self._name, claim, settlements)
        self._held_report.add(
            settlements, is_out=self._availability.failures > 0
        )
        for settlement in settlements:
            self._log_settlement(settlement)
        return True

    # -- what to write -----------------------------------------------------

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

    def _check(
        self,
        writes: Sequence[decision.Write],
        checker: nova_check.NovaChecker,
        settlements: list[outbox.Settlement],
    ) -> list[decision.Write]:
        """Replace late states by Nova's answers.

        :param settlements: gets what is deferred until Nova has answered
        :returns: what to write
        """
        checked = []
        for write in writes:
            if not self._policy.is_late(write):
                checked.append(write)
                continue
            answer = checker.answer_for(
                write.desired.record.instance_uuid, write.newest
            )
            if answer is None:
                settlements += self._policy.await_nova(write)
            else:
                checked.append(decision.corrected(write, answer))
        return checked

    # -- the directory -----------------------------------------------------

    def _apply(
        self, states: Sequence[events.HostState]
    ) -> Sequence[base.Outcome]:
        """Let the driver apply a batch, even if the driver raises.

        The state that makes it raise is found one by one, and rejected.
        """
        try:
            return self._directory.apply(states)
        except Exception as error:
            self._report_raised(len(states))
            if len(states) > 1:
                return [self._apply([state])[0] for state in states]
            if isinstance(error, MemoryError):
                return [base.Unavailable("this process is out of memory")]
            reason = f"{type(error).__name__}: {error}"
            return [base.Rejected(reason, operation="")]

    def _report_raised(self, count: int) -> None:
        now = self._clock()
        if not clocks.within(now, self._raised_at, TRACEBACK_INTERVAL):
            self._raised_at = now
            LOG.exception(
                "Directory %s: the driver raised on a batch of %d; each is"
                " tried by itself",
                self._name,
                count,
            )

    def _update_limit(self, outcomes: Sequence[base.Outcome]) -> None:
        """Claim fewer entries while a slow directory has no time for all."""
        if any(isinstance(outcome, base.NotSent) for outcome in outcomes):
            self._limit = max(len(outcomes) // 2, PROBE)
        else:
            self._limit = min(self._limit * 2, self._batch_size)

    # -- one entry ---------------------------------------------------------

    def _log_settlement(self, settlement: outbox.Settlement) -> None:
        """Log what was done about an entry, by the one template."""
        entry, reason = settlement.entry, settlement.reason
        LOG.log(
            self._level(settlement),
            "Outbox entry %d: %s instance %s: %s: directory %s%s%s",
            entry.number,
            entry.event.verb,
            entry.event.instance_uuid,
            settlement.outcome,
            self._name,
            ": " if reason else "",
            reason,
        )

    def _level(self, settlement: outbox.Settlement) -> int:
        match settlement.outcome:
            case outbox.State.DELIVERED:
                return logging.INFO
            case outbox.State.BURIED:
                return logging.ERROR
            case outbox.State.DEFERRED if not (
                # While all are deferred, one line reports that.
                self._availability.failures
                or settlement.state is outbox.State.CONFIRM
                or settlement.cause in _EXPECTED
            ):
                return logging.WARNING
            case _:
                return logging.DEBUG

    # -- waiting -----------------------------------------------------------

    def _wait_for_change(self, stop: threading.Event, changes: int) -> None:
        """Wait until the outbox has changed, or a recheck is due."""
        for _ in range(int(RECHECK_INTERVAL / POLL_INTERVAL)):
            if stop.wait(POLL_INTERVAL):
                return
            try:
                if self._outbox.changes() != changes:
                    return
            except outbox.OutboxError:
                # The next step meets it, too, and reports it.
                return
