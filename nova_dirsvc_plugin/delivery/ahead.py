# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Names events whose time is ahead of the clock here."""

import logging
from collections.abc import Callable, Iterable

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import reporting

LOG = logging.getLogger(__name__)

#: Seconds; what is less ahead is not worth a line.
REPORTED_LEAD = 5.0


class AheadReport:
    """Logs one line a minute, however many events are ahead."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._limit = reporting.OnceAMinute(clock)

    def add(self, entries: Iterable[outbox.Entry]) -> None:
        """Report the first that is tried for the first time, if it is time."""
        entry = next(
            (
                entry
                for entry in entries
                if entry.ahead >= REPORTED_LEAD and not entry.deferrals
            ),
            None,
        )
        if not entry or not self._limit.is_due():
            return
        LOG.warning(
            "Outbox entry %d: %s instance %s: its time is %.0f s ahead of the"
            " clock of this host: check this clock and that of the Nova host"
            " that sent it (compute host %s)",
            entry.number,
            entry.event.verb,
            entry.event.instance_uuid,
            entry.ahead,
            entry.event.record.compute_host or "unknown",
        )
