# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""From a notification to a stored event, inside somebody else's process.

What a source hands in is on disk when :meth:`Intake.take` returns. When it
cannot be (disk full, folder not writable) it is kept in memory, tried again
every second, and the log says so. Nothing is ever raised to the caller.
"""

import atexit
import collections
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nova_dirsvc_plugin import forking, payloads
from nova_dirsvc_plugin import outbox as outbox_module

LOG = logging.getLogger(__name__)

#: Events kept in memory at most, some 2 KiB each.
HELD_AT_MOST = 10_000

#: Seconds between two tries to store what is held.
RETRY_INTERVAL = 1.0

#: What is read of a request context, and so all that may be parked of it.
_CONTEXT_KEYS = (
    "user_id",
    "user_name",
    "project_id",
    "project_name",
    "request_id",
)

#: A write to the outbox, its words for the log, and the instance.
_Write = tuple[Callable[[], int | None], str, str]


class Intake:
    """Stores what notifications say.

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

    def take(
        self, ctxt: Mapping[str, Any], message: Mapping[str, Any]
    ) -> None:
        """Store what a notification means, if it means anything.

        :param ctxt: the request context; nothing but names and ids is kept
        :param message: as oslo.messaging gives it to a driver
        """
        try:
            if message.get("event_type") in payloads.MEANINGS:
                self._store(self._write_for(ctxt, message))
        except Exception:
            # Nova must go on, whatever we did not think of.
            LOG.exception(
                "Notification %s of type %s is lost: report this as a bug",
                message.get("message_id"),
                message.get("event_type"),
            )

    def _write_for(
        self, ctxt: Mapping[str, Any], message: Mapping[str, Any]
    ) -> _Write:
        message_id = message.get("message_id")

        def complain(what: str) -> None:
            LOG.warning("Notification %s: left out: %s", message_id, what)

        try:
            event = payloads.parse(ctxt, message, complain)
        except payloads.Unreadable as error:
            return self._parking(ctxt, message, error)
        assert event is not None  # noqa: S101 - it is in MEANINGS
        return (
            lambda: self._outbox.put(event),
            f"{event.verb} instance {event.instance_uuid}",
            event.instance_uuid,
        )

    def _parking(
        self,
        ctxt: Mapping[str, Any],
        message: Mapping[str, Any],
        error: payloads.Unreadable,
    ) -> _Write:
        LOG.error(
            "Notification %s (%s) of instance %s cannot be understood: %s."
            " It is parked in the outbox",
            message.get("message_id"),
            message.get("event_type"),
            error.instance_uuid or "unknown",
            error,
        )
        notification = {
            key: message.get(key)
            for key in ("message_id", "event_type", "timestamp")
        }
        notification["payload"] = payloads.essential(message.get("payload"))
        notification["ctxt"] = {key: ctxt.get(key) for key in _CONTEXT_KEYS}
        return (
            lambda: self._outbox.park(
                notification, error.instance_uuid, str(error)
            ),
            f"park instance {error.instance_uuid or 'unknown'}",
            error.instance_uuid,
        )

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
        put, words, _ = write
        number = put()
        if number is not None:
            LOG.info("Outbox entry %s: %s: stored", number, words)

    def _hold(self, write: _Write, why: str) -> None:
        if len(self._held) >= HELD_AT_MOST:
            _, words, _ = self._held.popleft()
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
