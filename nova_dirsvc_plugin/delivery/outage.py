# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An outage of the outbox, and the one line a minute that says so."""

import logging
from collections.abc import Callable

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import clock as clocks
from nova_dirsvc_plugin.delivery import retry

LOG = logging.getLogger(__name__)

#: Seconds between two reports of the same outage.
REPORT_INTERVAL = 60.0


class OutboxOutage:
    """Counts failures in a row of the outbox, as one directory meets them.

    :ivar failures: batches in a row that the outbox did not give or settle
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
        self._reported_at = float("-inf")
        self._is_reported = False
        self.failures = 0

    def wait(self) -> float:
        """Draw the seconds to wait before the next batch."""
        return retry.full_jitter(self.failures, self._uniform)

    def mark_failed(self, error: outbox.OutboxError) -> None:
        """Count a failure, and report it if that is due."""
        self.failures += 1
        now = self._clock()
        if not clocks.within(now, self._reported_at, REPORT_INTERVAL):
            self._reported_at = now
            self._is_reported = True
            LOG.warning(
                "Outbox %s: unavailable, deliveries to directory %s wait and"
                " will be tried again: %s",
                self._outbox.path,
                self._name,
                error,
            )

    def mark_over(self) -> None:
        """Begin to count anew: a batch was given and settled."""
        if self._is_reported:
            LOG.info(
                "Outbox %s: available again after %d tries, for directory %s",
                self._outbox.path,
                self.failures,
                self._name,
            )
        self.failures = 0
        self._is_reported = False
