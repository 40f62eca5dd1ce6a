# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Delivers the entries of the outbox to one directory.

Claim a batch, decide what to write, check late states with Nova, let the
driver apply them, settle each entry by its outcome: that is
:meth:`Dispatcher.step`, and the whole job. While a driver waits for its
directory, the batch before is settled, and the next one is claimed and
decided. Errors are of two kinds.
*Unavailable* is waited out and never counts; *rejected* is tried a few
times and then buried, if the directory takes what others have. An entry that
is deferred makes room for the others.
"""

import functools
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import (
    availability,
    batch,
    decision,
    nova_check,
    observer,
    outage,
    refusals,
    retry,
    settling,
)
from nova_dirsvc_plugin.delivery import clock as clocks
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

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
    :param watch: is told what is done
    :ivar turned_at: :func:`time.monotonic` of its last turn; one that hangs
        takes none
    :param woken: set when the outbox may have changed
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
        woken: threading.Event | None = None,
        watch: observer.Observer | None = None,
    ) -> None:
        self.turned_at = time.monotonic()
        self._name = name
        self._directory, self._outbox = directory, entries
        self._clock, self._watch = clock, watch or observer.Nobody()
        self._raised_at = float("-inf")
        self._settings, self._limit = settings, settings.batch_size
        self._woken = woken or threading.Event()
        self._append_only = directory.APPEND_ONLY
        self._checker = None if self._append_only else checker
        self._policy = retry.RetryPolicy(
            settings, clock, uniform, confirms=not self._append_only
        )
        self._refusals = refusals.Refusals()
        self._availability = availability.Availability(
            name, entries, clock, uniform
        )
        self._settling = settling.Settling(
            name, entries, self._availability, clock, self._watch
        )
        self._outage = outage.OutboxOutage(name, entries, clock, uniform)
        self._batches = batch.Batches(
            name,
            entries,
            settings.batch_size,
            clock,
            append_only=self._append_only,
        )
        self._next: batch.Batch | None = None

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
        self._end()
        self._directory.close()

    def step(self) -> bool:
        """Deliver one batch, or a probe while the directory is unavailable.

        :returns: whether there was anything to do
        :raises outbox.OutboxError: it is not known to be settled, and will
            be delivered again
        """
        try:
            return self._step()
        except outbox.OutboxError:
            self._settling.forget()
            self._next = None
            self._batches.expect_again()
            raise

    def _step(self) -> bool:
        current = self._next or self._batches.begin(self._next_limit())
        self._next = None
        if current is None:
            return False
        settlements = [*current.settlements]
        writes = self._check(current.writes, settlements)
        writes, kept_back = self._refusals.hold_back(writes)
        answers: list[tuple[decision.Write, base.Outcome]] = [*kept_back]
        began = time.monotonic()
        answered = self._apply(current, writes) if writes else ()
        took = time.monotonic() - began
        # The one before, where the driver has left no time for that.
        self._settling.settle()
        if writes:
            outcomes = self._refusals.judge(writes, answered)
            self._availability.update(writes, outcomes)
            self._update_limit(outcomes)
            available = not self._availability.failures
            self._watch.answered(answered, took, available)
            answers += zip(writes, outcomes, strict=True)
        for write, outcome in answers:
            settlements += self._policy.resolve(write, outcome)
        self._settling.keep(current.claim, settlements)
        if self._next and self._next.limit > self._next_limit():
            # It is claimed again.
            self._next = None
        if self._next is None:
            self._settling.settle()
        return True

    def _overlap(self, current: batch.Batch) -> None:
        """Do what can be done while the directory works on a batch.

        What fails is done after it, and fails there: the driver is in the
        middle of its own work.
        """
        try:
            self._settling.settle()
            if not self._failing():
                self._next = self._batches.begin(self._limit, current.claim)
        except Exception:
            LOG.debug("Not done beside a batch", exc_info=True)
            return
        if self._next and self._next.writes:
            self._directory.look_ahead(self._next.states)

    def _failing(self) -> bool:
        return bool(self._availability.failures or self._outage.failures)

    def _next_limit(self) -> int:
        return PROBE if self._failing() else self._limit

    def _end(self) -> None:
        """Settle the last batch; what was begun is claimed again."""
        try:
            self._settling.settle()
        except outbox.OutboxError as error:
            self._outage.mark_failed(error)

    # -- what to write -----------------------------------------------------

    def _check(
        self,
        writes: Sequence[decision.Write],
        settlements: list[outbox.Settlement],
    ) -> Sequence[decision.Write]:
        """Replace late states by Nova's answers.

        :param settlements: gets what is deferred until Nova has answered
        :returns: what to write
        """
        checker, checked = self._checker, []
        if checker is None:
            return writes
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
        self, current: batch.Batch, writes: Sequence[decision.Write]
    ) -> Sequence[base.Outcome]:
        """Let the driver apply the writes of a batch."""
        overlap = functools.partial(self._overlap, current)
        return self._applied(
            [write.desired for write in writes],
            lambda states: self._directory.apply_overlapping(states, overlap),
        )

    def _applied(
        self,
        states: Sequence[events.HostState],
        apply: Callable[[Sequence[events.HostState]], Sequence[base.Outcome]],
    ) -> Sequence[base.Outcome]:
        """Let the driver apply states, even if the driver raises.

        The state that makes it raise is found one by one, and rejected.
        """
        try:
            return apply(states)
        except Exception as error:
            self._report_raised(len(states))
            if len(states) > 1:
                one_by_one = self._directory.apply
                return [
                    self._applied([state], one_by_one)[0] for state in states
                ]
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
            self._limit = min(self._limit * 2, self._settings.batch_size)

    # -- waiting -----------------------------------------------------------

    def _wait_for_change(self, stop: threading.Event, changes: int) -> None:
        """Wait until the outbox has changed, or it is time to look."""
        end = time.monotonic() + self._settings.poll_interval
        while (left := end - time.monotonic()) > 0 and not stop.is_set():
            if not self._woken.wait(left):
                return
            self._woken.clear()
            try:
                if self._outbox.changes() != changes:
                    return
            except outbox.OutboxError:
                # The next step meets it, too, and reports it.
                return
