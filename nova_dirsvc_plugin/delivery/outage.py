# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An outage of the outbox, and the one line a minute that says so."""

import logging
from collections.abc import Callable

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import reporting, retry

LOG = logging.getLogger(__name__)


class OutboxOutage:
    """Reports an outage of the outbox, as one directory meets it.

    A failure is a batch that the outbox did not give or settle.
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
        self._failures = reporting.Failures(clock)

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures.count

    def wait(self) -> float:
        """Draw the seconds to wait before the next batch."""
        return retry.full_jitter(self.failures, self._uniform)

    def mark_failed(self, error: outbox.OutboxError) -> None:
        """Count a failure, and report it if that is due."""
        if self._failures.add():
            LOG.warning(
                "Outbox %s: unavailable, deliveries to directory %s wait and"
                " will be tried again: %s",
                self._outbox.path,
                self._name,
                error,
            )

    def mark_over(self) -> None:
        """Begin to count anew: a batch was given and settled."""
        if tries := self._failures.clear():
            LOG.info(
                "Outbox %s: available again after %d tries, for directory %s",
                self._outbox.path,
                tries,
                self._name,
            )
