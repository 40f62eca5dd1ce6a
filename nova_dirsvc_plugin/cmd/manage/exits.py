# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The exit statuses of the commands that compare directories with Nova."""

import enum
from collections.abc import Iterable


class Exit(enum.IntEnum):
    """Exit statuses, those of ``nova-manage placement audit`` and two more.

    The first that applies counts, in this order.
    """

    BAD_INPUT = 127
    ERROR = 1
    GUARD = 5
    NOT_WHOLE = 6
    DRIFT = 3
    REPAIRED = 4
    NOTHING = 0


def first(noted: Iterable[Exit]) -> Exit:
    """Return the status that counts."""
    return min(noted, key=list(Exit).index, default=Exit.NOTHING)
