# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores events in the outbox, inside a process of Nova's.

An event is on disk when :meth:`BufferedWriter.take` returns, or the log says
that it is not: when the outbox cannot be written (disk full, folder not
writable, locked for more than a second), the event is kept in memory, and
stored as soon as that is possible. No error of the outbox is ever raised to
the caller.

What threads, or greenlets of eventlet's, bring at the same time is stored in
one transaction, by one of them.
"""

import collections
import contextlib
import dataclasses
import itertools
import logging
import threading
import time
from collections.abc import Sequence
from multiprocessing import util
from typing import Any

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin import outbox as outbox_module
from nova_dirsvc_plugin.outbox import connection
from nova_dirsvc_plugin.sources import disk_call, storing

LOG = logging.getLogger(__name__)

#: Seconds that a call waits for other writers, who take milliseconds. After
#: that its event is held in memory, and no call waits.
BUSY_TIMEOUT = 1.0

#: Events kept in memory at most, some 2 KiB each.
HELD_AT_MOST = 10_000

#: Seconds between two tries to store what is held.
RETRY_INTERVAL = 0.2

#: Seconds between two log lines that say what is held.
COMPLAINT_INTERVAL = 60.0

#: Events in one transaction: other processes wait for that.
PORTION = 500


@dataclasses.dataclass(eq=False, slots=True)
class _Write:
    """An event on its way to the disk.

    :ivar words: what it is, for the log
    :ivar taken_at: monotonic seconds
    :ivar held: its caller has gone on without it
    """

    item: outbox_module.Item
    words: str
    taken_at: float
    stored: bool = False
    number: int | None = None
    held: bool = False

    def say_stored(self) -> None:
        if self.number is not None:
            LOG.info("Outbox entry %s: %s: stored", self.number, self.words)


class BufferedWriter:
    """Writes to an outbox, and keeps in memory what cannot be written."""

    def __init__(self, outbox: outbox_module.Outbox) -> None:
        self._outbox = outbox
        self._start_empty()
        connection.at_fork(self._before_fork, self._in_parent, self._in_child)

    def _start_empty(self) -> None:
        #: What is not stored yet, oldest first.
        self._queue: collections.deque[_Write] = collections.deque()
        #: Around queue and writes; nobody waits for the disk meanwhile.
        self._lock = threading.Lock()
        #: The one who has it stores for all.
        self._turn = threading.Lock()
        self._turn_kept = False
        #: Why nothing can be stored now; empty as long as it can.
        self._trouble = ""
        self._last_words: util.Finalize | None = None

    @classmethod
    def from_conf(cls, conf: Any) -> "BufferedWriter":
        """Write to the outbox that Nova's configuration names.

        :param conf: a :class:`oslo_config.cfg.ConfigOpts`
        :raises oslo_config.cfg.Error: an option of ours is wrong
        """
        conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
        path = conf[options.GROUP].outbox
        return cls(outbox_module.Outbox(path, BUSY_TIMEOUT))

    @property
    def held(self) -> int:
        """How many events are in memory only."""
        return len(self._queue)

    def take(self, item: events.Event | events.Parked | None) -> None:
        """Store an event, or a notification to park; None is nothing.

        :raises Exception: never an :class:`outbox.OutboxError`
        """
        if item is not None:
            self._take(item, storing.words(item))

    def take_origin(self, request_id: str, remote_address: str) -> None:
        """Store the client address of a request."""
        self._take(
            events.Origin(request_id, remote_address),
            f"origin of request {request_id}",
        )

    def _take(self, item: outbox_module.Item, words: str) -> None:
        write = _Write(item, words, time.monotonic())
        lost = None
        with self._lock:
            if len(self._queue) >= HELD_AT_MOST:
                lost = self._queue.popleft()
            earlier = f"{len(self._queue)} earlier events are waiting"
            self._queue.append(write)
            why = self._trouble and earlier
        if lost:
            LOG.critical(
                "%s: lost: the in-memory buffer is full (%d events)",
                lost.words,
                HELD_AT_MOST,
            )
        try:
            if not why:
                why = "the call was interrupted"
                why = self._wait_for(write)
        finally:
            # A time-out of eventlet's may have ended the wait.
            with self._lock:
                write.held = not write.stored
            if write.held:
                self._hold(write, why)
            else:
                write.say_stored()

    def _wait_for(self, write: _Write) -> str:
        """Wait until a write is stored, by us or by somebody else.

        :returns: why it is not
        """
        deadline = write.taken_at + BUSY_TIMEOUT
        if not self._turn.acquire(timeout=BUSY_TIMEOUT):
            self._trouble = f"the disk has taken more than {BUSY_TIMEOUT} s"
            return self._trouble
        try:
            while not (write.stored or self._trouble):
                self._store_portion()
                if time.monotonic() > deadline:
                    break
        finally:
            self._turn.release()
        return self._trouble or f"{self.held} earlier events are waiting"

    def _store_portion(self) -> None:
        """Store the oldest ones. Our turn must be ours."""
        with self._lock:
            portion = list(itertools.islice(self._queue, PORTION))
        try:
            numbers = storing.store(
                self._put_all, [write.item for write in portion]
            )
        except outbox_module.OutboxError as error:
            self._trouble = str(error)
            return
        with self._lock:
            self._trouble = ""
            for write, number in zip(portion, numbers, strict=True):
                write.stored, write.number = True, number
            while self._queue and self._queue[0].stored:
                self._queue.popleft()
            held = [write for write in portion if write.held]
        for write in held:
            write.say_stored()

    def _put_all(
        self, items: Sequence[outbox_module.Item]
    ) -> list[int | None]:
        return disk_call.run(lambda: self._outbox.put_all(items))

    # -- what is held ------------------------------------------------------

    def _hold(self, write: _Write, why: str) -> None:
        LOG.error(
            "%s: not stored, kept in memory and tried again: %s",
            write.words,
            why,
        )
        with self._lock:
            if self._last_words:
                return
            # Unlike atexit, at the end of a process of multiprocessing, too.
            self._last_words = util.Finalize(None, self._end, exitpriority=0)
        writer = threading.Thread(
            target=self._store_held, name="nova-dirsvc-writer", daemon=True
        )
        # The process may be ending.
        with contextlib.suppress(RuntimeError):
            writer.start()

    def _store_held(self) -> None:
        """Store what is held as soon as that is possible."""
        complaint = time.monotonic() + COMPLAINT_INTERVAL
        pause = threading.Event()
        while not self._all_stored():
            if time.monotonic() > complaint:
                complaint = time.monotonic() + COMPLAINT_INTERVAL
                self._complain()
            pause.wait(RETRY_INTERVAL)

    def _all_stored(self) -> bool:
        with self._turn:
            while self._queue:
                self._store_portion()
                if self._trouble:
                    return False
        with self._lock:
            if self._queue or not self._last_words:
                return not self._last_words
            self._last_words.cancel()
            self._last_words = None
        LOG.info("All events that were kept in memory are stored")
        return True

    def _complain(self) -> None:
        with self._lock:
            if not self._queue:
                return
            age = time.monotonic() - self._queue[0].taken_at
        LOG.error(
            "%d events are not stored, kept in memory and tried again, the"
            " oldest for %.0f s: %s",
            self.held,
            age,
            self._trouble,
        )

    def _end(self) -> None:
        """Store what is held, or name it, before the process ends."""
        if self._turn.acquire(timeout=2 * BUSY_TIMEOUT):
            self._trouble = ""
            try:
                while self._queue and not self._trouble:
                    self._store_portion()
            except Exception as error:
                # Eventlet, for one, may have ended before.
                self._trouble = repr(error)
        for write in self._queue:
            LOG.critical(
                "%s: lost: the process ends, and it was not stored: %s",
                write.words,
                self._trouble,
            )

    # -- forks -------------------------------------------------------------

    def _before_fork(self) -> None:
        """Wait until nobody stores: the child must not inherit that."""
        self._turn_kept = self._turn.acquire(timeout=connection.FORK_WAIT)

    def _in_parent(self) -> None:
        if self._turn_kept:
            self._turn.release()

    def _in_child(self) -> None:
        """Start empty: what is held is the parent's."""
        self._start_empty()
