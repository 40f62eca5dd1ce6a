# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Calls methods around each fork of this process.

Nova's conductor and scheduler fork their workers, maybe while a thread of
the parent stores an event.
"""

import os
import weakref
from collections.abc import Callable

#: Seconds that a fork waits at most for what another thread does in a file.
WAIT = 10.0


def at_fork(
    before: Callable[[], None] | None = None,
    after_in_parent: Callable[[], None] | None = None,
    after_in_child: Callable[[], None] | None = None,
) -> None:
    """Call methods around each fork, as long as their object lives."""

    def weak(method: Callable[[], None] | None) -> Callable[[], None]:
        if method is None:
            return lambda: None
        reference = weakref.WeakMethod(method)

        def call() -> None:
            if alive := reference():
                alive()

        return call

    os.register_at_fork(
        before=weak(before),
        after_in_parent=weak(after_in_parent),
        after_in_child=weak(after_in_child),
    )
