# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores what a plan would write as repairs, which the daemon delivers.

Each portion is stored when most of the last one is delivered: Nova's own
events, which come in between, do not wait behind thousands of repairs. What a
killed run has stored is delivered; the next run finds the rest.
"""

import dataclasses
import datetime
import functools
import itertools
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.outbox import comparisons, runs
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.reconcile import before_image, guard
from nova_dirsvc_plugin.reconcile import plan as plans

#: Repairs that wait for the daemon at a time, at most.
ROOM = 5 * outbox_repairs.PORTION

#: Seconds between two looks at what the daemon has delivered.
LOOK_INTERVAL = 0.2

#: Seconds that the guard looks back.
GUARD_WINDOW = 3600.0

#: Called with what is being done, how much of it is done, and how much there
#: is in all, where that is known.
Show = Callable[[str, int, int | None], None]

_Item = TypeVar("_Item")

_VERBS = {
    plans.Kind.MISSING: events.Verb.REGISTER,
    plans.Kind.DIFFERING: events.Verb.REFRESH,
    plans.Kind.REMOVAL: events.Verb.SOFT_UNREGISTER,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Applied:
    """What became of a run.

    :ivar run_id: empty if nothing was to be stored
    :ivar stored: repairs that are to be delivered because of it
    :ivar left: writes of the plan that were not stored
    :ivar waiting: repairs of the directory that are not delivered
    :ivar stops: why the guard has stopped it after all: another run came in
        between
    """

    run_id: str = ""
    stored: int = 0
    left: int = 0
    waiting: int = 0
    stops: Sequence[str] = ()


class Applier:
    """Stores repairs, and waits until they are delivered.

    :param repairs: of the outbox
    :param limits: those of the guard
    :param patience: seconds to wait while nothing is delivered
    :param wait: waits some seconds; true when it is time to stop
    :param show: shows progress
    :param clock: epoch seconds
    """

    def __init__(
        self,
        repairs: outbox_repairs.Repairs,
        limits: guard.Limits,
        patience: float,
        wait: Callable[[float], bool],
        show: Show,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._repairs = repairs
        self._limits = limits
        self._patience = patience
        self._wait = wait
        self._show = show
        self._clock = clock

    def check(self, plan: plans.Plan, allow: str = "") -> Sequence[str]:
        """Return why the guard stops a plan; empty if it may begin.

        :param allow: the plan that an operator allows
        :raises outbox.OutboxError: the outbox cannot be read
        """
        return guard.check(
            plan,
            self._repairs.recent(plan.directory, self._clock() - GUARD_WINDOW),
            self._limits,
            allow,
            was_allowed=bool(allow) and self._repairs.was_allowed(allow),
            is_known=bool(
                self._repairs.last_reading(plan.reading.cloud, runs.WHOLE)
            ),
        )

    def note_guard(self, directory: str, stops: Sequence[str] = ()) -> None:
        """Keep for operators what the guard has said to a reconcile."""
        comparisons.note_guard(
            self._repairs.admin, directory, self._clock(), stops
        )

    def apply(
        self,
        plan: plans.Plan,
        verb: str,
        *,
        allowed: bool = False,
        most: int | None = None,
    ) -> Applied:
        """Store the writes of a plan, and wait until they are delivered.

        The guard is asked by the caller before, and here with each portion:
        another run may come in between.

        :param verb: of the run
        :param allowed: an operator has allowed what the guard has stopped
        :param most: number of writes
        :raises outbox.OutboxError: a portion is not stored
        """
        started_at = self._clock()
        run = runs.Run(
            run_id=new_run_id(started_at),
            directory=plan.directory,
            plan_id=plan.plan_id,
            verb=verb,
            allowed=allowed,
            started_at=started_at,
            summary=_summary(plan),
        )
        writes = write_count(plan)
        count = writes if most is None else min(most, writes)
        applied = self.store(
            run,
            map(_repair, itertools.islice(plan.writes(), count)),
            count,
            plan.reading.started_at,
            None if allowed else guard.Planned.of(plan),
        )
        return dataclasses.replace(applied, left=applied.left + writes - count)

    def store(
        self,
        run: runs.Run,
        repairs: Iterable[runs.Repair],
        count: int,
        read_at: float,
        planned: guard.Planned | None = None,
    ) -> Applied:
        """Store the repairs of a run, and wait until they are delivered.

        :param count: how many there are
        :param read_at: epoch seconds, when what they rest on was read
        :param planned: what they take away, if the guard limits that
        :raises outbox.OutboxError: a portion is not stored
        """
        if not count:
            return Applied()
        self._repairs.begin(run)
        stored = done = 0
        stops: Sequence[str] = ()
        for portion in portions(repairs, outbox_repairs.PORTION):
            waiting = self._waiting(run.directory, ROOM)
            if waiting > ROOM:
                return Applied(run.run_id, stored, count - done, waiting)
            try:
                stored += self._put(run, portion, read_at, planned)
            except guard.Stopped as stopped:
                stops = stopped.args
                self.note_guard(run.directory, stops)
                break
            except outbox.OutboxError as error:
                raise outbox.OutboxError(
                    f"run {run.run_id} for {run.directory} has stored {stored}"
                    f" repairs, which are delivered, and not {count - done}"
                    f" others: {error}"
                ) from error
            done += len(portion)
            self._show(f"storing for {run.directory}", done, count)
        waiting = self._waiting(run.directory, 0)
        return Applied(run.run_id, stored, count - done, waiting, stops)

    def _put(
        self,
        run: runs.Run,
        portion: Sequence[runs.Repair],
        read_at: float,
        planned: guard.Planned | None,
    ) -> int:
        """Store some repairs; all that a run plans counts, with each portion.

        :raises Stopped: none of them is stored
        """
        check = None
        if planned:
            check = outbox_repairs.Check(
                self._clock() - GUARD_WINDOW,
                functools.partial(planned.check, self._limits),
            )
        return self._repairs.put(run.run_id, portion, read_at, check)

    def _waiting(self, directory: str, room: int) -> int:
        """Wait until few repairs of a directory are waiting.

        :returns: how many are; more than that if the daemon does not deliver
        """
        fewest = waiting = self._repairs.waiting(directory)
        idle = 0.0
        while waiting > room and idle < self._patience:
            self._show(f"delivering to {directory}, waiting", waiting, None)
            if self._wait(LOOK_INTERVAL):
                break
            waiting = self._repairs.waiting(directory)
            idle = 0.0 if waiting < fewest else idle + LOOK_INTERVAL
            fewest = min(fewest, waiting)
        return waiting


def write_count(plan: plans.Plan) -> int:
    """Return how many entries a plan would write."""
    return sum(
        plan.counts[kind]
        for kind in plan.policy.written
        if kind is not plans.Kind.REMOVAL or not plan.why_none_is_removed()
    )


def new_run_id(now: float) -> str:
    """Return a name for a run that sorts by its time."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def portions(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Return the items in lists of at most that many."""
    rest = iter(items)
    while portion := list(itertools.islice(rest, size)):
        yield portion


def _summary(plan: plans.Plan) -> dict[str, Any]:
    return {
        "policy": plan.policy.value,
        "entries": plan.entries,
        "instances": plan.reading.instances,
        "why_not_whole": [*plan.reading.why_not_whole],
    }


def _repair(item: plans.Item) -> runs.Repair:
    if item.state is None:
        raise ValueError(f"nothing to write for {item.instance_uuid}")
    return runs.Repair(
        event=events.Event(
            message_id=str(uuid.uuid4()),
            event_type=events.RECONCILE,
            verb=_VERBS[item.kind],
            occurred_at=item.state.as_of,
            request_id="",
            record=item.state.record,
        ),
        before=(
            before_image.of(item.entry, item.state.as_of)
            if item.entry
            else None
        ),
        attributes=[one.attribute for one in item.differences],
    )
