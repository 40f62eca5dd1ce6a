# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of the daemon that consume the message bus.

Each has a connection and a transport of its own, made after the fork.
"""

import logging
import threading
from typing import Any

from oslo_service import service

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd import log_format
from nova_dirsvc_plugin.cmd.sync import presence
from nova_dirsvc_plugin.sources import batch_store, listener

LOG = logging.getLogger(__name__)

#: Seconds between two attempts to consume a bus that refuses it. Where the
#: bus does not answer, oslo.messaging itself tries again.
RETRY_INTERVAL = 5.0

#: Seconds between two looks whether what was received can be stored.
WATCH_INTERVAL = 0.1


class ListenerService(service.ServiceBase):  # type: ignore[misc]
    """Stores what the bus delivers, until it is told to stop."""

    def __init__(
        self, conf: Any, bus: listener.Bus, active: presence.Presence
    ) -> None:
        self._conf = conf
        self._bus = bus
        self._active = active
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._ended.set()
        self._servers: list[Any] = []

    def start(self) -> None:
        """Listen until told to stop, while the outbox can be written."""
        # SIGHUP may have read the configuration of the log again.
        log_format.use()
        if not self._bus.keeps:
            LOG.warning(
                "This bus acknowledges a notification before it is stored:"
                " what a killed process was working on is lost"
            )
        entries = outbox.Outbox(self._conf[options.GROUP].outbox)
        store = self._bus.store(entries, self._stop)
        while store.wait_until_writable():
            if not self._connect(store):
                self._stop.wait(RETRY_INTERVAL)
                continue
            self._ended.clear()
            LOG.info("Listening to %s", self._bus.where)
            while not (self._stop.is_set() or store.failing.is_set()):
                self._active.enter()
                self._stop.wait(WATCH_INTERVAL)
            self._active.leave()
            self._end()
            self._ended.set()

    def _connect(self, store: batch_store.BatchStore) -> bool:
        """Start to receive; return whether the bus lets us."""
        where = self._bus.where
        LOG.info("Connecting, to listen to %s", where)
        try:
            for server in self._bus.servers(store):
                # One thread: batches are stored as they come.
                server.start(override_pool_size=1)
                self._servers.append(server)
        except Exception as error:
            # Credentials, or queues of another kind: each driver has its
            # own exceptions, and an operator must correct all of them.
            LOG.error(
                "Not listening to %s, next attempt in %.0f s: %s",
                where,
                RETRY_INTERVAL,
                error,
            )
            self._end()
            return False
        return True

    def stop(self) -> None:
        """Store what was received, return to the bus what cannot be stored."""
        self._stop.set()
        self._ended.wait()

    def _end(self) -> None:
        while self._servers:
            server = self._servers.pop()
            server.stop()
            server.wait()

    def wait(self) -> None:
        self._stop.wait()

    def reset(self) -> None:
        """SIGHUP: the parent mutates the options and starts it afresh."""
