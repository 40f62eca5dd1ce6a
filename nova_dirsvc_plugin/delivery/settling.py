# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores and logs how batches ended, in their order."""

import logging
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import availability, held, observer

LOG = logging.getLogger(__name__)

#: Causes of a deferral that need no operator, or have a report of their own.
_EXPECTED = (
    outbox.Cause.AWAITS_NOVA,
    outbox.Cause.COVERED,
    outbox.Cause.HELD,
    outbox.Cause.FOREIGN,
    outbox.Cause.UNAVAILABLE,
)


class Settling:
    """Settles the batches of one directory.

    The last one that has ended may be kept until the directory works on the
    next one: no batch is settled before it.

    :param name: the directory's
    :param directory: whether it is available
    :param watch: is told what is settled
    """

    def __init__(
        self,
        name: str,
        entries: outbox.Outbox,
        directory: availability.Availability,
        clock: Callable[[], float],
        watch: observer.Observer,
    ) -> None:
        self._name = name
        self._watch = watch
        self._outbox = entries
        self._availability = directory
        self._held_report = held.HeldReport(name, clock)
        self._kept: tuple[outbox.Claim, Sequence[outbox.Settlement]] | None
        self._kept = None

    def keep(
        self, claim: outbox.Claim, settlements: Sequence[outbox.Settlement]
    ) -> None:
        """Keep how a batch ended; the one before is settled by now."""
        self._kept = claim, settlements

    def forget(self) -> None:
        """Settle it never: its entries are delivered again."""
        self._kept = None

    def settle(self) -> None:
        """Settle what is kept.

        :raises outbox.OutboxError: it is not known to be settled, and is
            still kept
        """
        if self._kept is None:
            return
        claim, settlements = self._kept
        self._outbox.settle(self._name, claim, settlements)
        self._kept = None
        self._watch.settled(settlements)
        self._held_report.add(
            settlements, is_out=self._availability.failures > 0
        )
        for settlement in settlements:
            self._log(settlement)

    def _log(self, settlement: outbox.Settlement) -> None:
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
