# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next try."""

from collections.abc import Callable

#: Seconds: the first wait's upper bound, and the longest wait there is. The
#: cap is what an operator waits at most after a directory has come back.
BASE = 0.25
CAP = 5.0

#: The same between two attempts at what a directory has refused: long enough
#: for somebody to mend an access rule or a schema.
REFUSED_BASE = 4.0
REFUSED_CAP = 60.0


def full_jitter(
    tries: int,
    uniform: Callable[[float, float], float],
    base: float = BASE,
    cap: float = CAP,
) -> float:
    """Draw a wait: exponential, capped, anywhere below the bound.

    Many daemons that lost the same server do not come back in step.
    (M. Brooker, "Exponential Backoff And Jitter", 2015.)

    :param tries: tries that failed so far, 1 or more
    :param uniform: draws from an interval, like :func:`random.uniform`
    :param base: seconds, the bound of the first wait
    :param cap: seconds, the bound of any
    :returns: seconds
    """
    exponent = min(max(tries, 1) - 1, 16)
    return uniform(0.0, min(cap, base * 2.0**exponent))
