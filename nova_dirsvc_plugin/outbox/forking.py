# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a forked child must not inherit: locks that nobody will release.

Nova's conductor and scheduler fork their workers, maybe while a thread of
the parent is in the middle of storing an event.
"""

import os
import weakref
from typing import Protocol


class Renewable(Protocol):
    """Something with locks of its own."""

    def renew(self) -> None:
        """Make them anew."""


def renew_in_children(thing: Renewable) -> None:
    """Have a thing renewed in each child that is forked from now on."""
    reference = weakref.ref(thing)

    def renew() -> None:
        alive = reference()
        if alive is not None:
            alive.renew()

    os.register_at_fork(after_in_child=renew)
