# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The threads of the daemon that compare with Nova, each in its interval."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import errors, outbox
from nova_dirsvc_plugin.cmd import guard_limits
from nova_dirsvc_plugin.directories import base, loading
from nova_dirsvc_plugin.nova_api import client, connection, names
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.reconcile import apply, poll, run
from nova_dirsvc_plugin.reconcile import plan as plans

LOG = logging.getLogger(__name__)

#: Seconds to wait while a directory takes nothing; the next round goes on.
PATIENCE = 60.0

#: Called with a stop; runs until that.
Target = Callable[[threading.Event], None]


def threads(
    conf: Any, nova: client.NovaClient | None
) -> Iterator[tuple[str, Target]]:
    """Return the name and the work of each thread that the options ask for.

    :raises WrongOption: they cannot be used together
    :raises DirectoryNotLoaded: a directory driver cannot be loaded
    """
    group = conf[options.GROUP]
    for option in ("reconcile_interval", "poll_interval"):
        if group[option] and nova is None:
            raise errors.WrongOption(
                f"[nova_dirsvc] {option} needs an account in [nova]"
            )
    if nova is None:
        return
    if group.reconcile_interval:
        if not group.reconcile_policy:
            raise errors.WrongOption(
                "[nova_dirsvc] reconcile_interval needs reconcile_policy:"
                f" {', '.join(plans.Policy)}"
            )
        # A driver is called by one thread at a time: these have their own.
        directories = {
            name: loading.load(conf, name, group.owner)
            for name in group.directories
        }
        yield "reconcile", ReconcileRounds(conf, nova, directories).run
    if group.poll_interval:
        yield "poll", PollRounds(conf, nova).run


class ReconcileRounds:
    """Makes the directories equal to Nova, again and again."""

    def __init__(
        self,
        conf: Any,
        nova: client.NovaClient,
        directories: Mapping[str, base.Directory],
    ) -> None:
        group = conf[options.GROUP]
        self._interval = float(group.reconcile_interval)
        self._policy = plans.Policy(group.reconcile_policy)
        self._directories = directories
        self._limits = guard_limits.from_conf(conf)
        self._repairs = outbox_repairs.Repairs(group.outbox)
        self._reconciler = run.Reconciler(
            nova,
            names.Names(nova, group.record_users),
            self._repairs,
            group.owner,
            self._limits,
            _show_nothing,
        )

    def run(self, stop: threading.Event) -> None:
        """Compare at once, and then in each interval, until told to stop."""
        while not stop.is_set():
            started_at = time.monotonic()
            try:
                self._round(stop)
            except (outbox.OutboxError, connection.NoAnswer) as error:
                LOG.warning("Nova and the directories not compared: %s", error)
            except Exception:
                # Delivery, in the same process, is to go on.
                LOG.exception(
                    "Nova and the directories not compared: report this as a"
                    " bug"
                )
            stop.wait(self._interval - (time.monotonic() - started_at))

    def _round(self, stop: threading.Event) -> None:
        applier = apply.Applier(
            self._repairs, self._limits, PATIENCE, stop.wait, _show_nothing
        )
        reading = self._reconciler.read(keep=True)
        if not reading.summary.whole:
            LOG.warning(
                "The reading of Nova is not whole, and nothing is removed: %s",
                "; ".join(reading.summary.why_not_whole),
            )
        for name, directory in self._directories.items():
            if stop.is_set():
                return
            try:
                plan = self._reconciler.plan(
                    name, directory, reading, self._policy
                )
            except base.EntriesNotKept as error:
                LOG.debug("Directory %s: not compared: %s", name, error)
            except base.DirectoryUnavailable as error:
                LOG.warning("Directory %s: not compared: %s", name, error)
            except Exception:
                LOG.exception(
                    "Directory %s: not compared: report this as a bug", name
                )
            else:
                _apply(plan, applier)
            finally:
                directory.close()


class PollRounds:
    """Asks Nova for changes, again and again."""

    def __init__(self, conf: Any, nova: client.NovaClient) -> None:
        group = conf[options.GROUP]
        self._interval = float(group.poll_interval)
        self._poller = poll.Poller(
            nova,
            names.Names(nova, group.record_users),
            outbox.Outbox(group.outbox),
            outbox_repairs.Repairs(group.outbox),
        )

    def run(self, stop: threading.Event) -> None:
        """Poll at once, and then in each interval, until told to stop."""
        while not stop.is_set():
            self._poll()
            stop.wait(self._interval)

    def _poll(self) -> None:
        try:
            polled = self._poller.poll()
        except (outbox.OutboxError, connection.NoAnswer) as error:
            LOG.warning("Nova's changes not polled: %s", error)
            return
        except Exception:
            # Delivery, in the same process, is to go on.
            LOG.exception("Nova's changes not polled: report this as a bug")
            return
        if polled.why_not_whole:
            LOG.warning(
                "Nova's changes are not known to be all, the next poll asks"
                " for them again: %s",
                "; ".join(polled.why_not_whole),
            )
        if polled.stored:
            LOG.info(
                "Nova's changes: %d events were missing and are stored",
                polled.stored,
            )


def _apply(plan: plans.Plan, applier: apply.Applier) -> None:
    """Have a plan written if the guard lets it, and log what comes of it."""
    counts = plan.counts
    if counts[plans.Kind.CONFLICT]:
        LOG.warning(
            "Directory %s: %d entries need its administrator: see"
            " nova-dirsvc-manage audit",
            plan.directory,
            counts[plans.Kind.CONFLICT],
        )
    if plan.is_empty:
        LOG.info("Directory %s: nothing is to be written", plan.directory)
        applier.note_guard(plan.directory)
        return
    stops = applier.check(plan)
    applier.note_guard(plan.directory, stops)
    if stops:
        _log_stops(plan, stops)
        return
    applied = applier.apply(plan, "reconcile")
    if applied.stops:
        _log_stops(plan, applied.stops)
    LOG.log(
        logging.WARNING if applied.waiting or applied.left else logging.INFO,
        "Directory %s: reconciled by run %s: %d missing, %d differing, %d to"
        " remove; %d events stored, of which %d wait; %d left for the next",
        plan.directory,
        applied.run_id,
        counts[plans.Kind.MISSING],
        counts[plans.Kind.DIFFERING],
        counts[plans.Kind.REMOVAL],
        applied.stored,
        applied.waiting,
        applied.left,
    )


def _log_stops(plan: plans.Plan, stops: Sequence[str]) -> None:
    LOG.error(
        "Directory %s: stopped by the guard; see nova-dirsvc-manage"
        " reconcile --dry-run: %s",
        plan.directory,
        " ".join(stops),
    )


def _show_nothing(step: str, done: int, total: int | None) -> None:
    """Show no progress: there is a line when it is done."""
