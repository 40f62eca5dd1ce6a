# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Ports of loopback for the servers of tests, each test's its own."""

import contextlib
import functools
import itertools
import random
import socket
from collections.abc import Iterator

#: Above the pocket cloud's, below those that the kernel gives to whoever
#: connects.
FIRST, LAST = 24000, 32000

#: Ports that a process takes at a time.
BLOCK = 100


def free_port() -> int:
    """Return a port on which nobody listens, and no other test will."""
    while True:
        port = next(_ports())
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@functools.cache
def _ports() -> Iterator[int]:
    """Go round and round in a block of ports that this process has.

    Between the look at a port and its use somebody else may come: those who
    run tests agree on blocks. A block is had by a name among the abstract
    ones of unix sockets, which the kernel frees when the process ends.
    """
    blocks = list(range(FIRST, LAST, BLOCK))
    random.shuffle(blocks)
    for block in blocks:
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            mark.bind(f"\0nova-dirsvc-tests-ports-{block}")
        except OSError:
            mark.close()
        else:
            _marks.append(mark)
            return itertools.cycle(range(block, block + BLOCK))
    raise RuntimeError(f"all ports from {FIRST} to {LAST} are taken by tests")


_marks: list[socket.socket] = []
