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
from nova_dirsvc_plugin.sources import listener

LOG = logging.getLogger(__name__)

#: Seconds between two attempts to consume a bus that refuses it. Where the
#: bus does not answer, oslo.messaging itself tries again.
RETRY_INTERVAL = 5.0


class ListenerService(service.ServiceBase):  # type: ignore[misc]
    """Stores what the bus delivers, until it is told to stop."""

    def __init__(self, conf: Any, bus: listener.Bus) -> None:
        self._conf = conf
        self._bus = bus
        self._stop = threading.Event()
        self._servers: list[Any] = []

    def start(self) -> None:
        # SIGHUP may have read the configuration of the log again.
        log_format.use()
        where = self._bus.where
        LOG.info("Connecting, to listen to %s", where)
        if not self._bus.keeps:
            LOG.warning(
                "This bus acknowledges a notification before it is stored:"
                " what a killed process was working on is lost"
            )
        entries = outbox.Outbox(self._conf[options.GROUP].outbox)
        while not self._stop.is_set():
            try:
                for server in self._bus.servers(entries, self._stop):
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
                self._stop.wait(RETRY_INTERVAL)
            else:
                LOG.info("Listening to %s", where)
                return

    def stop(self) -> None:
        """Store what was received, return to the bus what cannot be stored."""
        self._stop.set()
        self._end()

    def _end(self) -> None:
        while self._servers:
            server = self._servers.pop()
            server.stop()
            server.wait()

    def wait(self) -> None:
        self._stop.wait()

    def reset(self) -> None:
        """SIGHUP: the parent mutates the options and starts it afresh."""
