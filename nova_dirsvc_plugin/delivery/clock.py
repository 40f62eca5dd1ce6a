# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The time of day, without the steps of the host's clock."""

import threading
import time
from collections.abc import Callable

#: Seconds by which a step of the host's clock is followed, in each second.
RATE = 0.1

#: Seconds; a larger step is followed at once: a host without a clock of its
#: own starts in 1970 and hears the time later.
FOLLOWED_AT_ONCE = 86400.0


def within(now: float, since: float, seconds: float) -> bool:
    """Return whether a time lies in the seconds since another one.

    Where the clock was set back in between, it does not.
    """
    return since <= now < since + seconds


def since_boot() -> float:
    """Return seconds since the host has started, with its sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """Epoch seconds for waits: they pass as the real ones do, within a tenth.

    When the host's clock is set, this one goes a little faster or slower
    until it agrees again. Safe to share between threads.

    :param wall: the host's clock, epoch seconds
    :param elapsed: a clock that is never set
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = since_boot,
    ) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._lock = threading.Lock()
        self._read_at = elapsed()
        self._time = wall()

    def __call__(self) -> float:
        with self._lock:
            now = self._elapsed()
            passed = now - self._read_at
            self._read_at = now
            self._time += passed
            step = self._wall() - self._time
            if abs(step) <= FOLLOWED_AT_ONCE:
                most = RATE * passed
                step = min(max(step, -most), most)
            self._time += step
            return self._time
