# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""From an event to the disk, inside somebody else's process.

What a source hands in is on disk when :meth:`Intake.take` returns. When it
cannot be (disk full, folder not writable) it is kept in memory, tried again
every second, and the log says so. No trouble of the outbox is ever raised
to the caller.
"""

import atexit
import collections
import logging
import threading
from collections.abc import Callable

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin import outbox as outbox_module
from nova_dirsvc_plugin.outbox import forking

LOG = logging.getLogger(__name__)

#: Events kept in memory at most, some 2 KiB each.
HELD_AT_MOST = 10_000

#: Seconds between two tries to store what is held.
RETRY_INTERVAL = 1.0

#: A write to the outbox and its words for the log.
_Write = tuple[Callable[[], int | None], str]


class Intake:
    """Stores events.

    :param outbox: where to
    """

    def __init__(self, outbox: outbox_module.Outbox) -> None:
        self._outbox = outbox
        self._held: collections.deque[_Write] = collections.deque()
        self._lock = threading.Lock()
        self._retry_lock = threading.Lock()
        self._retrying = False
        forking.renew_in_children(self)

    def renew(self) -> None:
        """Start empty in a forked child: what is held is the parent's."""
        self._held.clear()
        self._lock = threading.Lock()
        self._retry_lock = threading.Lock()
        self._retrying = False

    @property
    def held(self) -> int:
        """How many events wait in memory for the outbox."""
        return len(self._held)

    def take(self, item: events.Event | outbox_module.Parked | None) -> None:
        """Store what a notification was read as, if it was anything.

        :raises Exception: never an :class:`outbox.OutboxError`
        """
        if isinstance(item, events.Event):
            words = f"{item.verb} instance {item.instance_uuid}"
        elif item is not None:
            words = f"park instance {item.instance_uuid or 'unknown'}"
        else:
            return
        self._store((lambda: self._outbox.put(item), words))

    def take_origin(self, request_id: str, remote_address: str) -> None:
        """Store from where a request came."""

        def put() -> None:
            self._outbox.note_origin(request_id, remote_address)

        self._store((put, f"origin of request {request_id}"))

    def _store(self, write: _Write) -> None:
        with self._lock:
            if self._held:
                self._hold(write, f"{len(self._held)} wait before it")
                return
            try:
                self._do(write)
            except outbox_module.OutboxError as error:
                self._hold(write, str(error))

    def _do(self, write: _Write) -> None:
        put, words = write
        number = put()
        if number is not None:
            LOG.info("Outbox entry %s: %s: stored", number, words)

    def _hold(self, write: _Write, why: str) -> None:
        if len(self._held) >= HELD_AT_MOST:
            _, words = self._held.popleft()
            LOG.critical(
                "%s: lost, %d events wait in memory already", words, self.held
            )
        self._held.append(write)
        LOG.error(
            "%s: not stored, kept in memory and tried again: %s", write[1], why
        )
        if not self._retrying:
            self._retrying = True
            atexit.register(self._retry)
            threading.Thread(
                target=self._retry_until_stored,
                name="nova-dirsvc-intake",
                daemon=True,
            ).start()

    def _retry_until_stored(self) -> None:
        pause = threading.Event()
        while not self._retry():
            pause.wait(RETRY_INTERVAL)

    def _retry(self) -> bool:
        """Store what is held, in order; tell whether nothing is held.

        No caller waits for it: what comes meanwhile is held as well.
        """
        with self._retry_lock:
            while True:
                with self._lock:
                    if not self._held:
                        self._retrying = False
                        atexit.unregister(self._retry)
                        return True
                    write = self._held[0]
                try:
                    self._do(write)
                except outbox_module.OutboxError:
                    return False
                except Exception:
                    LOG.exception("%s: lost: report this as a bug", write[1])
                with self._lock:
                    if self._held and self._held[0] is write:
                        self._held.popleft()
