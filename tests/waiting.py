# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, with a limit."""

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

#: Seconds after which nobody expects it any more, on a machine that has much
#: else to do. Who has what he waits for waits no longer, so it costs nothing.
LIMIT = 120.0


def until(
    condition: Callable[[], Seen], what: str, limit: float = LIMIT
) -> Seen:
    """Wait until a condition gives something true, and give that.

    :param what: what is waited for, in words
    :param limit: seconds
    :raises TimeoutError: it did not; the message has what was seen last
    """
    deadline = time.monotonic() + limit
    while not (seen := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"waited {limit} s for {what}; last seen: {seen!r}"
            )
        time.sleep(0.02)
    return seen
