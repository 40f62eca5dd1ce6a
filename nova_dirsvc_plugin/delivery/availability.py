# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a directory is available, and the one line a minute that says so."""

import logging
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import (
    decision,
    refusals,
    reporting,
    retry,
)
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

#: Seconds: the longest wait between two batches while a directory that
#: answers refuses all. It can be tried more often than one that is out.
_REFUSING_CAP = 1.0


class Availability:
    """Reports an outage of a directory.

    A failure is a batch of which the directory took nothing.
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
        self._uniform = uniform
        self._cap = retry.CAP
        self._failures = reporting.Failures(clock)

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures.count

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
            # Reported as what is held.
            self._failures.count += len(outcomes) > 1
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
        if self._failures.add():
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
        if tries := self._failures.clear():
            LOG.info(
                "Directory %s: available again after %d tries",
                self._name,
                tries,
            )
