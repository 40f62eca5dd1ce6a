# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores events in the outbox, inside a process of Nova's.

An event is on disk when :meth:`BufferedWriter.take` returns, or the log says
that it is not: when the outbox cannot be written (disk full, folder not
writable, locked for more than a second), the event is kept in memory, and
stored as soon as that is possible. No error of the outbox is ever raised to
the caller.

What threads, or greenlets of eventlet's, bring at the same time is stored in
one transaction, by one of them. What takes longer than that, such as taking
over the entries of an outbox that was replaced, is done by a thread of its
own, never inside a call.
"""

import collections
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import util
from typing import Any

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin import outbox as outbox_module
from nova_dirsvc_plugin.outbox import forks
from nova_dirsvc_plugin.sources import (
    disk_call,
    held_report,
    pending_write,
    storing,
)

LOG = logging.getLogger(__name__)

#: Seconds that a call waits for other writers, who take milliseconds. After
#: that its event is held in memory, and no call waits.
BUSY_TIMEOUT = 1.0

#: Events kept in memory at most, some 2 KiB each.
HELD_AT_MOST = 10_000

#: Seconds between two tries to store what is held.
RETRY_INTERVAL = 0.2

#: Events in one transaction: other processes wait for that.
PORTION = 500

#: Log lines in a row, of what was held: others of eventlet's wait for that.
LINES = 20


class BufferedWriter:
    """Writes to an outbox, and keeps in memory what cannot be written."""

    def __init__(self, outbox: outbox_module.Outbox) -> None:
        self._outbox = outbox
        self._start_empty()
        forks.at_fork(self._before_fork, self._in_parent, self._in_child)

    def _start_empty(self) -> None:
        #: What is not stored yet, oldest first.
        self._queue: collections.deque[pending_write.PendingWrite] = (
            collections.deque()
        )
        #: Around queue and writes; nobody waits for the disk meanwhile.
        self._lock = threading.Lock()
        #: The one who has it stores for all.
        self._turn = threading.Lock()
        self._turn_kept = False
        #: Why nothing can be stored now; empty as long as it can.
        self._trouble = ""
        self._last_words: util.Finalize | None = None
        self._report = held_report.HeldReport(self._outbox.path)
        #: Around a look at the queue and the report of it.
        self._reporting = threading.Lock()

    @classmethod
    def from_conf(cls, conf: Any) -> "BufferedWriter":
        """Write to the outbox that Nova's configuration names.

        :param conf: a :class:`oslo_config.cfg.ConfigOpts`
        :raises oslo_config.cfg.Error: an option of ours is wrong
        """
        conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
        path = conf[options.GROUP].outbox
        return cls(outbox_module.Outbox(path, BUSY_TIMEOUT, prompt=True))

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
        write = pending_write.PendingWrite(item, words, time.monotonic())
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

    def _wait_for(self, write: pending_write.PendingWrite) -> str:
        """Wait until a write is stored, by us or by somebody else.

        :returns: why it is not
        """
        deadline = write.taken_at + BUSY_TIMEOUT
        if not self._turn.acquire(timeout=BUSY_TIMEOUT):
            with self._lock:
                # It may have been stored at the last moment.
                if not write.stored:
                    self._trouble = (
                        f"the disk has taken more than {BUSY_TIMEOUT} s"
                    )
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
        for number, write in enumerate(held, 1):
            write.say_stored()
            if not number % LINES:
                # Yields to eventlet's other threads; it does not wait.
                time.sleep(0)

    def _put_all(
        self, items: Sequence[outbox_module.Item]
    ) -> list[int | None]:
        try:
            return disk_call.run(lambda: self._outbox.put_all(items))
        except OSError as error:
            raise outbox_module.OutboxError(str(error)) from error

    # -- what is held ------------------------------------------------------

    def _hold(self, write: pending_write.PendingWrite, why: str) -> None:
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
        # The process may be ending.
        with contextlib.suppress(RuntimeError):
            _start(self._store_held, "nova-dirsvc-writer")
            _start(self._report_held, "nova-dirsvc-reporter")

    def _store_held(self) -> None:
        """Store what is held as soon as that is possible."""
        pause = threading.Event()
        while not self._all_stored():
            pause.wait(RETRY_INTERVAL)

    def _all_stored(self) -> bool:
        with self._turn:
            self._store_all()
        # Before the log says so: the process may end at any time after it.
        self._update_report()
        with self._lock:
            if self._queue or not self._last_words:
                return not self._last_words
            self._last_words.cancel()
            self._last_words = None
        LOG.info("All events that were kept in memory are stored")
        return True

    def _store_all(self) -> None:
        """Store the queue, or note the trouble. Our turn must be ours."""
        try:
            if self._queue:
                disk_call.run(self._outbox.prepare)
        except Exception as error:
            # Whatever it is: without this thread, nothing would be stored.
            self._trouble = str(error) or repr(error)
            return
        while self._queue:
            self._store_portion()
            if self._trouble:
                return

    def _report_held(self) -> None:
        """Report what is held, also while the writer waits for the disk."""
        pause = threading.Event()
        while self._last_words:
            pause.wait(RETRY_INTERVAL)
            self._update_report()

    def _update_report(self) -> None:
        with self._reporting:
            with self._lock:
                # Not what a call is about to store by itself.
                held = [one.taken_at for one in self._queue if one.held]
            oldest = held[0] if held else 0.0
            self._report.update(len(held), oldest, self._trouble)

    def _end(self) -> None:
        """Store what is held, or name it, before the process ends."""
        if self._turn.acquire(timeout=2 * BUSY_TIMEOUT):
            try:
                self._store_all()
            except Exception as error:
                # Eventlet, for one, may have ended before.
                self._trouble = repr(error)
        # What is lost stays reported.
        with contextlib.suppress(Exception):
            self._update_report()
        for write in self._queue:
            LOG.critical(
                "%s: lost: the process ends, and it was not stored: %s",
                write.words,
                self._trouble,
            )

    # -- forks -------------------------------------------------------------

    def _before_fork(self) -> None:
        """Wait until nobody stores: the child must not inherit that."""
        self._turn_kept = self._turn.acquire(timeout=forks.WAIT)

    def _in_parent(self) -> None:
        if self._turn_kept:
            self._turn.release()

    def _in_child(self) -> None:
        """Start empty: what is held is the parent's."""
        self._report.leave()
        self._start_empty()


def _start(target: Callable[[], None], name: str) -> None:
    threading.Thread(target=target, name=name, daemon=True).start()
