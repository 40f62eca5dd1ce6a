# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a dispatcher of this process has done, in numbers.

A dispatcher counts in its own thread; whoever looks copies. They exclude each
other for microseconds.
"""

import collections
import dataclasses
import itertools
import operator
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.monitoring import histogram

#: Minutes that are remembered one by one.
MINUTES = 60

#: Types of events that are told apart; what is damaged may have any.
MANY_TYPES = 100
OTHER = "other"

#: The words for what a directory answers.
ANSWERS: Mapping[type[base.Outcome], str] = {
    base.Done: "done",
    base.Foreign: "foreign",
    base.NotSent: "not_sent",
    base.Rejected: "rejected",
    base.Unavailable: "unavailable",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Minute:
    """What was delivered in one minute.

    :ivar begins_at: epoch seconds
    :ivar latencies: of the events that were delivered, from the outbox
    """

    begins_at: int
    latencies: histogram.Histogram


@dataclasses.dataclass(frozen=True, slots=True)
class Activity:
    """What a dispatcher has done since it was started.

    :ivar started_at: epoch seconds
    :ivar available: whether the directory took what it was given last; None:
        it was given nothing yet
    :ivar since: epoch seconds, when that began; 0: never
    :ivar reason: why it is not available
    :ivar asked_at: epoch seconds, when it answered last, or did not
    :ivar events: type of event, outcome, number
    :ivar answers: word of :data:`ANSWERS` -> number; of writes
    :ivar batches: seconds that the directory took for a batch
    :ivar from_outbox: seconds from the outbox to the directory
    :ivar from_nova: seconds from Nova's time of the event to the directory
    :ivar minutes: the last :data:`MINUTES`, as far as it ran, oldest first;
        the last one is not over
    """

    started_at: float
    available: bool | None
    since: float
    reason: str
    asked_at: float
    events: Sequence[tuple[str, str, int]]
    answers: Mapping[str, int]
    batches: histogram.Histogram
    from_outbox: histogram.Histogram
    from_nova: histogram.Histogram
    minutes: Sequence[Minute]


class Meter:
    """An observer of one dispatcher, see :mod:`..delivery.observer`.

    :param directory: its name
    :param clock: epoch seconds
    """

    def __init__(
        self, directory: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._started_at = clock()
        self._available: bool | None = None
        self._since = self._asked_at = 0.0
        self._reason = ""
        self._events = collections.Counter[tuple[str, str]]()
        self._types = {OTHER}
        self._answers = collections.Counter[str]()
        self._batches = histogram.Counter()
        self._from_outbox = histogram.Counter()
        self._from_nova = histogram.Counter()
        self._minute = int(self._started_at // 60)
        #: Minute -> what was counted at its end.
        self._past: dict[int, histogram.Histogram] = {
            self._minute - 1: histogram.Histogram()
        }

    def answered(
        self, outcomes: Sequence[base.Outcome], seconds: float, available: bool
    ) -> None:
        """Count a batch; ``observer.Observer``."""
        now = self._clock()
        with self._lock:
            self._asked_at = now
            self._batches.add(seconds)
            for outcome in outcomes:
                self._answers[_word(outcome)] += 1
            if available is not self._available:
                self._available, self._since = available, now
            self._reason = "" if available else _first_reason(outcomes)

    def settled(self, settlements: Sequence[outbox.Settlement]) -> None:
        """Count entries; ``observer.Observer``.

        A second removal is no second delivery of its event, and what is for
        another directory is no event of this one.
        """
        now = self._clock()
        with self._lock:
            self._turn_to(int(now // 60))
            for one in settlements:
                if one.cause is outbox.Cause.CONFIRMED or not (
                    one.entry.is_for(self._directory)
                ):
                    continue
                outcome = one.outcome
                self._events[self._type(one), outcome.value] += 1
                if outcome is outbox.State.DELIVERED:
                    self._add_latency(one.entry, now)

    def read(self) -> Activity:
        """Return what was counted until now."""
        now = self._clock()
        with self._lock:
            self._turn_to(int(now // 60))
            return Activity(
                started_at=self._started_at,
                available=self._available,
                since=self._since,
                reason=self._reason,
                asked_at=self._asked_at,
                events=[
                    (*key, number) for key, number in self._events.items()
                ],
                answers={
                    word: self._answers[word] for word in ANSWERS.values()
                },
                batches=self._batches.read(),
                from_outbox=self._from_outbox.read(),
                from_nova=self._from_nova.read(),
                minutes=self._minutes(),
            )

    def _add_latency(self, entry: outbox.Entry, now: float) -> None:
        self._from_outbox.add(now - entry.stored_at)
        if not entry.directory:
            # A repair has the time at which Nova was read.
            self._from_nova.add(now - entry.event.occurred_at)

    def _type(self, one: outbox.Settlement) -> str:
        found = one.entry.event.event_type
        if found in self._types:
            return found
        if one.entry.unreadable or len(self._types) >= MANY_TYPES:
            return OTHER
        self._types.add(found)
        return found

    def _turn_to(self, minute: int) -> None:
        """Remember what was counted when the last minute ended."""
        if minute == self._minute:
            return
        counted = self._from_outbox.read()
        # A clock that was set may go back, or by hours.
        first = max(self._minute, minute - MINUTES)
        for past in range(first, minute):
            self._past[past] = counted
        self._past = {
            past: one
            for past, one in self._past.items()
            if minute - MINUTES <= past < minute
        }
        self._minute = minute

    def _minutes(self) -> list[Minute]:
        found = []
        known = sorted(self._past.items())
        known.append((self._minute, self._from_outbox.read()))
        for (_, before), (minute, after) in itertools.pairwise(known):
            counts = tuple(map(operator.sub, after.counts, before.counts))
            seconds = after.seconds - before.seconds
            latencies = histogram.Histogram(counts, seconds)
            found.append(Minute(minute * 60, latencies))
        return found[-MINUTES:]


def _word(outcome: base.Outcome) -> str:
    """Return the word of the nearest class that has one."""
    return next(
        ANSWERS[kind] for kind in type(outcome).__mro__ if kind in ANSWERS
    )


def _first_reason(outcomes: Sequence[base.Outcome]) -> str:
    return next(
        (one.reason for one in outcomes if not isinstance(one, base.Done)),
        "",
    )
