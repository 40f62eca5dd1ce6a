# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Compares directories with Nova: reading, comparison, proof.

Nova is read once, and every directory is compared with that.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.nova_api import client, listing, names
from nova_dirsvc_plugin.nova_api import summary as nova_summary
from nova_dirsvc_plugin.outbox import comparisons, runs
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.reconcile import apply, comparison, guard, proof
from nova_dirsvc_plugin.reconcile import plan as plans
from nova_dirsvc_plugin.reconcile import reading as readings

#: Instances, so few of which may be gone at once, whatever the guard allows.
FEW = 20

#: Seconds for which the last whole reading tells how many to expect. After
#: that a cloud may have as few instances as it has.
EXPECTED_FOR = 86_400.0


class Reconciler:
    """Compares directories with Nova.

    :param nova: whom to ask
    :param completer: of the names of projects and users
    :param repairs: of the outbox, which knows of earlier readings
    :param owner: our owner mark
    :param limits: those of the guard
    :param show: shows progress
    :param clock: epoch seconds
    """

    def __init__(
        self,
        nova: client.NovaClient,
        completer: names.Names,
        repairs: outbox_repairs.Repairs,
        owner: str,
        limits: guard.Limits,
        show: apply.Show,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._nova = nova
        self._completer = completer
        self._repairs = repairs
        self._owner = owner
        self._limits = limits
        self._show = show
        self._clock = clock

    def read(self, *, keep: bool) -> readings.Reading:
        """Read all instances of Nova.

        :param keep: whether their number is kept once an entry fits one, so
            that a next reading with fewer than half of it is not whole
        :raises connection.NoAnswer: it is not known where Nova is
        :raises outbox.OutboxError: the outbox cannot be used
        """
        cloud = self._nova.connection.endpoint()
        expected = self._expected(cloud)
        found = readings.Reading(keep)
        listed = listing.read(
            self._nova,
            expected,
            lambda done: self._show("reading Nova", done, expected or None),
            self._completer.of,
        )
        for one in listed:
            found.add(one)
        found.summary = listed.summary()
        return found

    def _expected(self, cloud: str) -> int:
        """Return the number of instances that the last reading had.

        So few as may be removed at once may also be gone at once.
        """
        last = self._repairs.last_reading(cloud, runs.WHOLE)
        if (
            last is None
            or last.instances <= max(self._limits.removals, FEW)
            or self._clock() - last.read_at > EXPECTED_FOR
        ):
            return 0
        return last.instances

    def read_some(self, uuids: Sequence[str]) -> readings.Reading:
        """Ask Nova for some instances, for each by itself.

        :raises connection.NoAnswer: it is not known where Nova is
        """
        cloud = self._nova.connection.endpoint()
        started_at = self._clock()
        found = readings.Reading()
        asked = 0
        for portion in apply.portions(uuids, proof.AT_A_TIME):
            for key, answer in self._nova.ask(portion).items():
                if isinstance(answer, events.StateUnknown):
                    found.add(nova_summary.Undecided(key, str(answer)))
                elif not answer.final:
                    found.add(self._completed(answer))
            asked += len(portion)
            self._show("asking Nova", asked, len(uuids))
        found.summary = nova_summary.Summary(started_at, asked, (), cloud)
        return found

    def plan(
        self,
        name: str,
        directory: base.Directory,
        reading: readings.Reading,
        policy: plans.Policy,
        only: Sequence[str] | None = None,
    ) -> plans.Plan:
        """Compare a directory with Nova; what is to be removed is proven.

        :param name: of the directory
        :param only: the instances that were asked for; None for all
        :raises base.DirectoryUnavailable: not all of it could be read
        :raises base.EntriesNotKept: it never can be
        :raises outbox.OutboxError: the outbox cannot be used
        """
        compared = comparison.Comparison(
            reading, name, self._owner, policy, directory.differences
        )
        entries = directory.entries() if only is None else directory.find(only)
        for count, entry in enumerate(entries, 1):
            compared.add(entry)
            self._show(f"reading {name}", count, len(reading))
        plan = compared.finish(
            directory.find(compared.to_find()), self._clock()
        )
        self._note(reading, plan)
        candidates = plan.counts[plans.Kind.CANDIDATE]
        proven = proof.prove(
            plan,
            self._nova.ask,
            self._limits,
            lambda done: self._show("asking Nova", done, candidates),
        )
        if only is None:
            self._note_found(proven)
        return proven

    def _note_found(self, plan: plans.Plan) -> None:
        """Keep for operators how much there was of each kind."""
        comparisons.note(
            self._repairs.admin,
            comparisons.Comparison(
                directory=plan.directory,
                compared_at=plan.made_at,
                whole=plan.reading.whole,
                instances=plan.reading.instances,
                entries=plan.entries,
                found={kind.value: plan.counts[kind] for kind in plans.Kind},
            ),
        )

    def _note(self, reading: readings.Reading, plan: plans.Plan) -> None:
        """Keep how many instances there are.

        Not if it may be another cloud: none is of an entry.
        """
        summary = reading.summary
        is_ours = plan.fitting or not plan.entries
        if reading.keep and summary.whole and summary.instances and is_ours:
            self._repairs.note_reading(
                summary.cloud,
                runs.WHOLE,
                runs.Reading(summary.started_at, summary.instances),
            )

    def _completed(
        self, one: events.HostState | nova_summary.Undecided
    ) -> events.HostState | nova_summary.Undecided:
        if isinstance(one, nova_summary.Undecided) or one.verb.removes:
            return one
        return dataclasses.replace(
            one, record=self._completer.complete(one.record)
        )
