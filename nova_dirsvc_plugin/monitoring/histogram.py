# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Durations, counted by their size."""

import bisect
import dataclasses
import itertools
from collections.abc import Sequence

#: Upper bounds in seconds, inclusive: from a healthy delivery to an outage.
#: What took longer is in a last class without a bound.
BOUNDS = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
    *(60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations there were of each class.

    :ivar counts: one more than :data:`BOUNDS`
    :ivar seconds: the sum of all
    """

    counts: Sequence[int] = (0,) * (len(BOUNDS) + 1)
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def within(self, share: float) -> float | None:
        """Return the bound that a share of them did not exceed.

        :param share: 0.95 for 95 %
        :returns: seconds; infinite beyond the last bound; None: there were
            none
        """
        wanted = self.total * share
        if not wanted:
            return None
        sums = itertools.accumulate(self.counts)
        place = next(i for i, count in enumerate(sums) if count >= wanted)
        return BOUNDS[place] if place < len(BOUNDS) else float("inf")


class Counter:
    """Counts durations; its user sees to it that one thread does so."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one. That a clock was set makes none negative."""
        seconds = max(seconds, 0.0)
        self._counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def read(self) -> Histogram:
        """Return what was counted until now."""
        return Histogram(tuple(self._counts), self._seconds)
