# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""How long to wait before the next try."""

from collections.abc import Callable

#: Seconds: the first wait's upper bound, and the longest wait there is. The
#: cap is what an operator waits at most after a directory has come back.
BASE = 0.25
CAP = 5.0


def full_jitter(tries: int, uniform: Callable[[float, float], float]) -> float:
    """Draw a wait: exponential, capped, anywhere below the bound.

    Many daemons that lost the same server do not come back in step.
    (M. Brooker, "Exponential Backoff And Jitter", 2015.)

    :param tries: tries that failed so far, 1 or more
    :param uniform: draws from an interval, like :func:`random.uniform`
    :returns: seconds
    """
    exponent = min(max(tries, 1) - 1, 16)
    return uniform(0.0, min(CAP, BASE * 2.0**exponent))
