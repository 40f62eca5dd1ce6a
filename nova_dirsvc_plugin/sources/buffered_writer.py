# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores events in the outbox, inside a process of Nova's.

An event is on disk when :meth:`BufferedWriter.take` returns. When it cannot
be stored (disk full, folder not writable) it is kept in memory and tried
again every second, and the log reports that. No error of the outbox is ever
raised to the caller.
"""

import atexit
import collections
import logging
import threading
from collections.abc import Callable
from typing import Any

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin import outbox as outbox_module
from nova_dirsvc_plugin.outbox import connection

LOG = logging.getLogger(__name__)

#: Seconds that a call waits for another process's commit, which takes
#: milliseconds. After that the event is held in memory, and no call waits.
BUSY_TIMEOUT = 1.0

#: Events kept in memory at most, some 2 KiB each.
HELD_AT_MOST = 10_000

#: Seconds between two tries to store what is held.
RETRY_INTERVAL = 1.0

#: A write to the outbox and its words for the log.
_Write = tuple[Callable[[], int | None], str]


class BufferedWriter:
    """Writes to an outbox, and keeps in memory what cannot be written."""

    def __init__(self, outbox: outbox_module.Outbox) -> None:
        self._outbox = outbox
        self._held: collections.deque[_Write] = collections.deque()
        self._lock = threading.Lock()
        self._retry_lock = threading.Lock()
        self._retrying = False
        connection.at_fork(after_in_child=self._in_child)

    def _in_child(self) -> None:
        """Start empty in a forked child: what is held is the parent's."""
        self._held.clear()
        self._lock = threading.Lock()
        self._retry_lock = threading.Lock()
        self._retrying = False

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
        """How many events in memory are waiting for the outbox."""
        return len(self._held)

    def take(self, item: events.Event | events.Parked | None) -> None:
        """Store an event, or a notification to park; None is nothing.

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
        """Store the client address of a request."""

        def put() -> None:
            self._outbox.note_origin(request_id, remote_address)

        self._store((put, f"origin of request {request_id}"))

    def _store(self, write: _Write) -> None:
        with self._lock:
            if self._held:
                self._hold(
                    write, f"{len(self._held)} earlier events are waiting"
                )
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
                "%s: lost: the in-memory buffer is full (%d events)",
                words,
                self.held,
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
                name="nova-dirsvc-writer",
                daemon=True,
            ).start()

    def _retry_until_stored(self) -> None:
        pause = threading.Event()
        while not self._retry():
            pause.wait(RETRY_INTERVAL)

    def _retry(self) -> bool:
        """Store what is held, in order; return whether nothing is left.

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
