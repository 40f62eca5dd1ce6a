# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What lets the daemon be watched: over HTTP, and by systemd.

It counts and shows. Nothing of it may keep an event from its directory.
"""

import logging
import os
import pathlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sdnotify

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import version
from nova_dirsvc_plugin.cmd.sync import presence
from nova_dirsvc_plugin.delivery import dispatcher
from nova_dirsvc_plugin.monitoring import activity, facts, server, web

LOG = logging.getLogger(__name__)

#: Seconds between two looks whether the server is to end.
LOOK_INTERVAL = 1.0

#: Seconds between two tries to listen on an address that is taken.
RETRY_INTERVAL = 5.0

#: Called with a stop; runs until that.
Target = Callable[[threading.Event], None]


class Monitoring:
    """Collects what the daemon's processes do; made before they are forked.

    :param listeners: processes that consume the message bus
    :ivar presence: of those
    """

    def __init__(self, conf: Any, listeners: int) -> None:
        self._conf = conf
        self._listeners = listeners
        self._started_at = time.time()
        self._meters: dict[str, activity.Meter] = {}
        self._dispatchers: Mapping[str, dispatcher.Dispatcher] = {}
        self._watchdog = _watchdog_interval()
        # oslo.service takes the address out of the environment.
        self._notifier = sdnotify.SystemdNotifier()
        self.presence = presence.Presence(listeners)

    def meter(self, name: str) -> activity.Meter:
        """Return what counts for the dispatcher of a directory."""
        return self._meters.setdefault(name, activity.Meter(name))

    def threads(
        self, dispatchers: Mapping[str, dispatcher.Dispatcher]
    ) -> Iterator[tuple[str, Target]]:
        """Return the name and the work of each thread that is needed.

        :param dispatchers: those to watch, by the names of directories
        """
        self._dispatchers = dispatchers
        if self._conf[options.GROUP].monitoring_port:
            yield "monitoring", self._serve
        if self._watchdog:
            yield "watchdog", self._notify

    def daemon(self) -> facts.Daemon:
        """Return what this process knows."""
        now = time.monotonic()
        return facts.Daemon(
            process=os.getpid(),
            release=version.release(),
            started_at=self._started_at,
            activities={
                name: meter.read() for name, meter in self._meters.items()
            },
            idle={
                name: now - worker.turned_at
                for name, worker in self._dispatchers.items()
            },
            listeners=self._listeners,
            active=self.presence.count(),
        )

    def _collect(self) -> facts.Facts:
        group = self._conf[options.GROUP]
        return facts.collect(
            pathlib.Path(group.outbox),
            lambda known: group.directories,
            self.daemon(),
        )

    def _serve(self, stop: threading.Event) -> None:
        """Answer requests; while the address is taken, try again."""
        group = self._conf[options.GROUP]
        address = (group.monitoring_address, group.monitoring_port)
        is_said = False
        while not stop.is_set():
            try:
                self._serve_at(address, stop)
            except OSError as error:
                if not is_said:
                    LOG.warning(
                        "No metrics and no status page, tried again:"
                        " monitoring_address %s, monitoring_port %d: %s",
                        *address,
                        error,
                    )
                is_said = True
                stop.wait(RETRY_INTERVAL)
            except Exception:
                LOG.exception("No metrics any more: report this as a bug")
                return

    def _serve_at(
        self, address: tuple[str, int], stop: threading.Event
    ) -> None:
        with server.Server(address, web.Application(self._collect)) as one:
            LOG.info("Status and metrics are at http://%s:%d/", *address)
            one.timeout = LOOK_INTERVAL
            while not stop.is_set():
                one.handle_request()

    def _notify(self, stop: threading.Event) -> None:
        """Tell systemd that all dispatchers work, as long as they do."""
        while not stop.is_set():
            stuck = self.daemon().stuck
            if stuck:
                LOG.error(
                    "The dispatcher of %s hangs: systemd is to start"
                    " nova-dirsvc-sync again",
                    ", ".join(stuck),
                )
                return
            self._notifier.notify("WATCHDOG=1")
            stop.wait(self._watchdog)


def _watchdog_interval() -> float:
    """Return the seconds between two signs of life; 0: nobody waits.

    See sd_watchdog_enabled(3).
    """
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    limit = os.environ.get("WATCHDOG_USEC", "")
    return int(limit) / 2e6 if ours and limit.isdecimal() else 0.0
