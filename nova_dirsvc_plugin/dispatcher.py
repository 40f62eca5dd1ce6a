# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Takes one directory from the outbox to where the outbox says.

Claim a batch, let the driver apply it, settle each entry by its outcome:
that is :meth:`Dispatcher.step`, and the whole job. Errors are of two kinds.
*Unavailable* is waited out and never counts; *rejected* is tried a few
times and then buried, so that it blocks nobody.
"""

import dataclasses
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from nova_dirsvc_plugin import backoff, outbox
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

#: Seconds between two looks at an outbox that had nothing. A look costs
#: microseconds, and an event waits half of this on average.
POLL_INTERVAL = 0.02

#: Seconds after which deferred entries are looked for without being told.
RECHECK_INTERVAL = 0.5

#: Seconds between two reports of the same outage.
REPORT_INTERVAL = 60.0


class Settings(Protocol):
    """What may change while a dispatcher runs."""

    batch_size: int
    max_attempts: int


class Dispatcher:
    """Delivers to one directory, in one thread.

    :param name: the directory's name, under which progress is kept
    :param settings: read again at each step
    """

    def __init__(
        self,
        name: str,
        directory: base.Directory,
        entries: outbox.Outbox,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._name = name
        self._directory = directory
        self._outbox = entries
        self._settings = settings
        self._clock = clock
        self._uniform = uniform
        self._failures = 0
        self._reported_at = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; the batch in hand is finished."""
        while not stop.is_set():
            changes = -1
            try:
                changes = self._outbox.changes()
                busy = self.step()
            except outbox.OutboxError as error:
                self._out_of_reach(str(error))
                busy = False
            if self._failures:
                stop.wait(backoff.full_jitter(self._failures, self._uniform))
            elif not busy:
                self._wait_for_change(stop, changes)
        self._directory.close()

    def step(self) -> bool:
        """Deliver one batch.

        :returns: whether there was anything to do
        :raises outbox.OutboxError: it is not known to be settled, and will
            be delivered again
        """
        claim = self._outbox.claim(self._name, self._settings.batch_size)
        if not claim:
            return False
        readable = [item for item in claim.entries if not item.unreadable]
        outcomes = self._apply([_change(entry) for entry in readable])
        if self._all_unavailable(readable, outcomes):
            return True
        self._come_back()
        settlements = [
            self._settlement(entry, outcome)
            for entry, outcome in zip(readable, outcomes, strict=True)
        ] + [
            outbox.Settlement(entry, outbox.State.BURIED, entry.unreadable)
            for entry in claim.entries
            if entry.unreadable
        ]
        self._outbox.settle(self._name, claim, settlements)
        for settlement in settlements:
            self._log(settlement)
        for entry in claim.late:
            self._say(logging.INFO, entry, "dropped", "unregistered before")
        return True

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

    def _all_unavailable(
        self,
        entries: Sequence[outbox.Entry],
        outcomes: Sequence[base.Outcome],
    ) -> bool:
        """Tell whether the directory as a whole is out of reach."""
        reasons = [
            outcome.reason
            for outcome in outcomes
            if isinstance(outcome, base.Unavailable)
        ]
        if not outcomes or len(reasons) < len(outcomes):
            return False
        first = entries[0].event
        self._out_of_reach(
            f"{reasons[0]} (first of those that wait: {first.verb} instance"
            f" {first.instance_uuid})"
        )
        return True

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

    def _settlement(
        self, entry: outbox.Entry, outcome: base.Outcome
    ) -> outbox.Settlement:
        if isinstance(outcome, base.Done):
            return outbox.Settlement(entry, outbox.State.DONE)
        deferrals = entry.deferrals + 1
        wait = backoff.full_jitter(deferrals, self._uniform)
        deferred = outbox.Settlement(
            entry,
            outbox.State.DEFERRED,
            reason=outcome.reason,
            attempts=entry.attempts,
            deferrals=deferrals,
            not_before=self._clock() + wait,
        )
        if isinstance(outcome, base.Unavailable):
            return deferred
        refused = dataclasses.replace(deferred, attempts=entry.attempts + 1)
        if refused.attempts < self._settings.max_attempts:
            return refused
        return dataclasses.replace(refused, state=outbox.State.BURIED)

    def _log(self, settlement: outbox.Settlement) -> None:
        entry, reason = settlement.entry, settlement.reason
        match settlement.state:
            case outbox.State.DONE:
                self._say(logging.INFO, entry, "delivered")
            case outbox.State.DEFERRED:
                self._say(logging.WARNING, entry, "deferred", reason)
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


def _change(entry: outbox.Entry) -> base.Change:
    return base.Change(entry.event.verb, entry.event.record)
