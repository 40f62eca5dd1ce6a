# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The queue of all who write to an outbox, on this host.

SQLite lets whoever comes at the right moment go first, and who has bad luck
may wait a hundred times as long as the others. The kernel lets those that wait
for a lock of a file go in the order in which they came. So whoever writes
takes such a lock first, on the folder of the outbox.

Each account of the folder's group can take it, and keep it. So nobody waits
for it for long, and who does not get it writes as SQLite lets him.
"""

import contextlib
import fcntl
import os
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

#: Seconds that a writer waits; those before it take milliseconds each.
LIMIT = 0.3

#: Folder -> who waits for its lock in vain, by :func:`taken`.
_IN_VAIN: dict[pathlib.Path, threading.Thread | None] = {}


class Queue:
    """The queue, for one thread at a time.

    :param outbox: the path of the outbox, whose folder is there
    """

    def __init__(self, outbox: pathlib.Path) -> None:
        self._folder = outbox.parent
        self._descriptor = -1
        self._waiter: threading.Thread | None = None
        self._is_our_turn = False

    def enter(self, limit: float | None = None) -> bool:
        """Wait for our turn.

        :param limit: seconds, instead of :data:`LIMIT`
        :returns: whether it is; if not, nobody waits again while it stays so
        :raises OSError: the folder cannot be opened or locked
        """
        if limit is None:
            limit = LIMIT
        if self._waiter and self._waiter.is_alive():
            return False
        if self._descriptor < 0:
            flags = os.O_RDONLY | os.O_DIRECTORY
            self._descriptor = os.open(self._folder, flags)
        self._is_our_turn = self._is_free() or self._wait(limit)
        return self._is_our_turn

    def enter_once(self, limit: float | None) -> bool:
        """Wait for the only turn of this queue; see :meth:`enter`.

        Without a limit, one wait in vain is that of all such queues.
        """
        if limit is None:
            self._waiter = _IN_VAIN.get(self._folder)
        is_our_turn = self.enter(limit)
        if not is_our_turn:
            _IN_VAIN[self._folder] = self._waiter
        return is_our_turn

    def leave(self) -> None:
        """Let the next one in."""
        if self._is_our_turn:
            self._is_our_turn = False
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the folder: a child has the lock, too, or it may be moved."""
        self._is_our_turn, self._waiter = False, None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_free(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self, limit: float) -> bool:
        """Wait in the queue; return whether it is our turn now.

        The kernel knows no limit of this wait: a thread waits in our place.
        """
        native = _threading()
        # Whoever gets it has decided: the thread that it is our turn, or we
        # that we do not wait.
        decision, done = native.Lock(), native.Event()
        own = os.dup(self._descriptor)

        def wait() -> None:
            try:
                fcntl.flock(own, fcntl.LOCK_EX)
                if not decision.acquire(blocking=False):
                    fcntl.flock(own, fcntl.LOCK_UN)
            finally:
                os.close(own)
                done.set()

        self._waiter = native.Thread(
            target=wait, name="nova-dirsvc-turn", daemon=True
        )
        try:
            self._waiter.start()
        except RuntimeError as error:
            os.close(own)
            raise OSError(str(error)) from error
        try:
            done.wait(limit)
        finally:
            # Whatever ends the wait: it may be our turn all the same.
            self._is_our_turn = not decision.acquire(blocking=False)
        return self._is_our_turn


@contextlib.contextmanager
def taken(outbox: pathlib.Path, limit: float | None = None) -> Iterator[bool]:
    """Wait for a turn, once; see :meth:`Queue.enter_once`."""
    queue = Queue(outbox)
    try:
        yield queue.enter_once(limit)
    finally:
        queue.leave()
        queue.close()


def _threading() -> Any:
    """Return the module threading as it is without eventlet."""
    # Whoever uses eventlet has imported it.
    patcher = sys.modules.get("eventlet.patcher")
    return patcher.original("threading") if patcher else threading
