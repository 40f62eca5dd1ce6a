# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon's first process: a dispatcher thread for each directory.

oslo.service forks it, and those that listen, starts each again when it
dies, and turns signals into calls. Its back end must have been chosen before
this module is imported.
"""

import functools
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from oslo_config import cfg
from oslo_service import service

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd import log_format
from nova_dirsvc_plugin.cmd.sync import listener_service, monitoring_service
from nova_dirsvc_plugin.delivery import (
    clock,
    dispatcher,
    nova_check,
    retry,
)
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.nova_api import client
from nova_dirsvc_plugin.outbox import lock, poke
from nova_dirsvc_plugin.sources import listener

LOG = logging.getLogger(__name__)

#: Seconds between two removals of what is past its retention.
PURGE_INTERVAL = 3600.0

#: Seconds between two looks at the size of the outbox's write-ahead log.
SHRINK_INTERVAL = 60.0

#: Seconds between two looks whether the files of the locks are in place.
LOCK_INTERVAL = 1.0

#: Seconds between two notes that a directory is delivered to.
TOUCH_INTERVAL = 5.0

_DAY = 86400.0

#: Runs until it is told to stop.
Target = Callable[[threading.Event], None]


def run(
    conf: Any,
    directories: Mapping[str, base.Directory],
    bus: listener.Bus | None,
    nova: client.NovaClient | None,
    locks: Mapping[str, lock.DirectoryLock],
    threads: Mapping[str, Target],
) -> None:
    """Serve until a signal ends it.

    :param bus: what to listen to, if anything
    :param nova: whom to ask about late events, if anyone
    :param locks: those of the directories, by their names
    :param threads: what else is run beside the dispatchers, by its names
    """
    workers = conf[options.GROUP].listener_workers if bus else 0
    watch = monitoring_service.Monitoring(conf, workers)
    _end_by_interrupt()
    launcher = service.ServiceLauncher(conf, restart_method="mutate")
    launcher.launch_service(
        SyncService(conf, directories, nova, locks, threads, watch)
    )
    if bus is not None:
        launcher.launch_service(
            listener_service.ListenerService(conf, bus, watch.presence),
            workers=workers,
        )
    launcher.wait()


def _end_by_interrupt() -> None:
    """Let SIGINT end this process and its children as SIGTERM does.

    cotyledon, under oslo.service, would exit with 1, amid a batch.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def wait() -> None:
        signal.sigwait({signal.SIGINT})
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="interrupt", daemon=True).start()


class SyncService(service.ServiceBase):  # type: ignore[misc]
    """Runs the dispatchers, and removes old entries now and then."""

    def __init__(
        self,
        conf: Any,
        directories: Mapping[str, base.Directory],
        nova: client.NovaClient | None,
        locks: Mapping[str, lock.DirectoryLock],
        threads: Mapping[str, Target],
        watch: monitoring_service.Monitoring,
    ) -> None:
        self._conf = conf
        self._watch = watch
        self._directories = directories
        self._nova = nova
        self._locks = locks
        self._others = threads
        self._dispatchers: dict[str, dispatcher.Dispatcher] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pokes = poke.Receiver(conf[options.GROUP].outbox)

    def start(self) -> None:
        # SIGHUP may have read the configuration of the log again.
        log_format.use()
        if not self._are_ours():
            os._exit(1)
        path = self._conf[options.GROUP].outbox
        settings = _settings(self._conf)
        keep = _mutable(self._conf, "retention_days") * _DAY
        checker = (
            nova_check.NovaChecker(self._nova.ask) if self._nova else None
        )
        if checker:
            self._spawn("nova", checker.run)
        steady = clock.SteadyClock()
        for name, directory in self._directories.items():
            worker = dispatcher.Dispatcher(
                name,
                directory,
                outbox.Outbox(path, clock=steady),
                settings,
                clock=steady,
                checker=checker,
                woken=self._pokes.subscribe(),
                watch=self._watch.meter(name),
            )
            self._dispatchers[name] = worker
            self._spawn(name, worker.run)
        self._spawn("locks", self._watch_locks)
        self._spawn("poke", self._pokes.run)
        watching = self._watch.threads(self._dispatchers)
        for name, target in (*self._others.items(), *watching):
            self._spawn(name, target)
        self._spawn("purge", functools.partial(self._purge_now_and_then, keep))
        LOG.info(
            "Delivering %s to %s; late events are %s",
            path,
            ", ".join(self._directories),
            "checked with Nova" if checker else "delivered unchecked",
        )

    def stop(self) -> None:
        """Let each dispatcher finish its current batch."""
        self._stop.set()
        self._pokes.wake()
        for thread in self._threads:
            thread.join(timeout=self._conf.graceful_shutdown_timeout)

    def wait(self) -> None:
        self._stop.wait()

    def reset(self) -> None:
        """SIGHUP: the options were mutated; nothing else is to be done."""

    def _spawn(self, name: str, target: Target) -> None:
        # Daemonic: a driver that hangs in a call must not keep us alive.
        thread = threading.Thread(
            target=self._or_start_again,
            args=(target,),
            name=f"nova-dirsvc-{name}",
            daemon=True,
        )
        thread.start()
        self._threads.append(thread)

    def _or_start_again(self, target: Target) -> None:
        """Run a thread's work; if it fails, so does the whole process.

        Its parent starts it again: better than a daemon that seems to run
        and delivers to all directories but one.
        """
        try:
            target(self._stop)
        except BaseException:
            LOG.exception("Unexpected error; nova-dirsvc-sync starts again")
            os._exit(1)

    def _watch_locks(self, stop: threading.Event) -> None:
        """End this process when another daemon may deliver as well.

        What delivers is noted in the files of the locks.
        """
        touched_at = -math.inf
        while not stop.wait(LOCK_INTERVAL):
            if not self._are_ours():
                os._exit(1)
            now = time.monotonic()
            if now < touched_at + TOUCH_INTERVAL:
                continue
            for name, one in self._dispatchers.items():
                if one.turned_at > touched_at:
                    self._locks[name].touch()
            touched_at = now

    def _are_ours(self) -> bool:
        try:
            for one in self._locks.values():
                one.renew()
        except lock.AlreadyLocked as error:
            LOG.error("Not delivering, tried again: %s", error)
            return False
        return True

    def _purge_now_and_then(self, keep: float, stop: threading.Event) -> None:
        entries = outbox.Outbox(self._conf[options.GROUP].outbox)
        names = list(self._directories)
        purge_at = float("-inf")
        while True:
            try:
                if time.monotonic() >= purge_at:
                    purge_at = time.monotonic() + PURGE_INTERVAL
                    gone = entries.purge(names, before=time.time() - keep)
                    LOG.debug("%d old entries removed from the outbox", gone)
                entries.shrink_log()
            except outbox.OutboxError as error:
                LOG.warning("Old entries were not removed: %s", error)
            if stop.wait(SHRINK_INTERVAL):
                return


def _settings(conf: Any) -> retry.Settings:
    return retry.Settings(
        batch_size=_mutable(conf, "batch_size"),
        max_attempts=_mutable(conf, "max_attempts"),
        late_after=_mutable(conf, "late_after"),
        poll_interval=_mutable(conf, "outbox_poll_interval"),
    )


def _mutable(conf: Any, name: str) -> Any:
    """Read an option that may have changed; SIGHUP brings us here again.

    An invalid value is reported and its default is used: a typing error in
    a file must not end a running daemon.
    """
    try:
        return conf[options.GROUP][name]
    except (cfg.Error, ValueError) as error:
        defaults = {item.dest: item.default for item in options.SYNC_OPTS}
        LOG.error(
            "%s. Until it is corrected, the value is %s", error, defaults[name]
        )
        return defaults[name]
