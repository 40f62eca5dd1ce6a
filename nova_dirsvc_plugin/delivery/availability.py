# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a directory is available, and the one line a minute that says so."""

import logging
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import clock as clocks
from nova_dirsvc_plugin.delivery import decision, refusals, retry
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

#: Seconds between two reports of the same outage.
REPORT_INTERVAL = 60.0

#: Seconds: the longest wait between two batches while a directory that
#: answers refuses all. It can be tried more often than one that is out.
_REFUSING_CAP = 1.0


class Availability:
    """Counts failures in a row, and reports them.

    :ivar failures: batches in a row of which the directory took nothing
    """

    def __init__(
        self,
        name: str,
        entries: outbox.Outbox,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._name = name
        self._outbox = entries
        self._clock = clock
        self._uniform = uniform
        self._cap = retry.CAP
        self._reported_at = float("-inf")
        self._is_reported = False
        self.failures = 0

    def wait(self) -> float:
        """Draw the seconds to wait before the next batch."""
        return retry.full_jitter(self.failures, self._uniform, self._cap)

    def update(
        self,
        writes: Sequence[decision.Write],
        outcomes: Sequence[base.Outcome],
    ) -> None:
        """Conclude from a batch whether the directory is available.

        It is available if it did anything. One entry alone that is refused,
        or deferred again, does not show that it is unavailable.
        """
        self._cap = retry.CAP
        if all(isinstance(outcome, refusals.Held) for outcome in outcomes):
            self._cap = _REFUSING_CAP
            self.failures += len(outcomes) > 1
            return
        reasons = [
            outcome.reason
            for outcome in outcomes
            if isinstance(outcome, base.Unavailable)
        ]
        if len(reasons) < len(outcomes):
            self._mark_available()
        elif (
            self.failures
            or len(outcomes) > 1
            or any(not write.entry.deferrals for write in writes)
        ):
            first = writes[0].entry.event
            self._mark_unavailable(
                f"{reasons[0]} (first waiting entry: {first.verb}"
                f" instance {first.instance_uuid})"
            )

    def _mark_unavailable(self, reason: str) -> None:
        """Count a failure, and report it if that is due."""
        self.failures += 1
        now = self._clock()
        if not clocks.within(now, self._reported_at, REPORT_INTERVAL):
            self._reported_at = now
            self._is_reported = True
            LOG.warning(
                "Directory %s: unavailable, %s entries are waiting and will"
                " be tried again: %s",
                self._name,
                self._pending(),
                reason,
            )

    def _pending(self) -> str:
        try:
            return str(self._outbox.pending(self._name))
        except outbox.OutboxError:
            return "an unknown number of"

    def _mark_available(self) -> None:
        if self._is_reported:
            LOG.info(
                "Directory %s: available again after %d tries",
                self._name,
                self.failures,
            )
        self.failures = 0
        self._is_reported = False
