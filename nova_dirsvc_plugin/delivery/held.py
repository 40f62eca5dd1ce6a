# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reports entries that wait while a directory takes others, or no such."""

import logging
from collections.abc import Callable, Iterable

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import reporting

LOG = logging.getLogger(__name__)

_WORDS = {
    outbox.Cause.HELD: "it refuses them, as it does all others",
    outbox.Cause.FOREIGN: "somebody else's entries are in their place",
    outbox.Cause.UNAVAILABLE: "it takes others meanwhile",
}


class HeldReport:
    """Logs one line a minute for each cause, however many entries wait.

    :param name: the directory's
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._limits = {
            cause: reporting.OnceAMinute(clock) for cause in _WORDS
        }
        #: Cause -> numbers of the entries that were deferred since.
        self._numbers: dict[outbox.Cause, set[int]] = {
            cause: set() for cause in _WORDS
        }

    def add(
        self, settlements: Iterable[outbox.Settlement], *, is_out: bool
    ) -> None:
        """Take note of what is deferred, and report it when it is time.

        :param is_out: the directory is unavailable, which is reported as such
        """
        for one in settlements:
            if one.cause not in _WORDS or (
                is_out and one.cause is outbox.Cause.UNAVAILABLE
            ):
                continue
            self._numbers[one.cause].add(one.entry.number)
            if self._limits[one.cause].is_due():
                self._report(one)

    def _report(self, first: outbox.Settlement) -> None:
        numbers = self._numbers[first.cause]
        event = first.entry.event
        LOG.warning(
            "Directory %s: %d entries were put off since the last report and"
            " will be tried again, %s: %s (entry %d: %s instance %s)",
            self._name,
            len(numbers),
            _WORDS[first.cause],
            first.reason,
            first.entry.number,
            event.verb,
            event.instance_uuid,
        )
        numbers.clear()
