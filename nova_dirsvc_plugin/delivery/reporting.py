# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""When to report what lasts: at once, and then once a minute."""

from collections.abc import Callable

from nova_dirsvc_plugin.delivery import clock as clocks

#: Seconds between two reports of the same thing.
INTERVAL = 60.0


class OnceAMinute:
    """Limits one kind of report.

    :param clock: seconds
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._reported_at = float("-inf")

    def is_due(self) -> bool:
        """Return whether to report now; if so, the next minute begins."""
        now = self._clock()
        if clocks.within(now, self._reported_at, INTERVAL):
            return False
        self._reported_at = now
        return True


class Failures:
    """Counts failures in a row, and tells when to report them and their end.

    :ivar count: failures in a row
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._limit = OnceAMinute(clock)
        self._is_reported = False
        self.count = 0

    def add(self) -> bool:
        """Count a failure.

        :returns: whether to report it now
        """
        self.count += 1
        is_due = self._limit.is_due()
        self._is_reported = self._is_reported or is_due
        return is_due

    def clear(self) -> int:
        """Begin to count anew.

        :returns: the failures whose end is to be reported; 0 where none of
            them was reported
        """
        ended = self.count if self._is_reported else 0
        self.count, self._is_reported = 0, False
        return ended
