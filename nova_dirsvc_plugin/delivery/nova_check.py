# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Asks Nova for the state of instances with late events.

A dispatcher asks for the state of an instance and continues; it finds Nova's
answer at a later turn. While Nova cannot answer, it is asked about a few
instances from time to time, and the log reports that once a minute.
"""

import dataclasses
import itertools
import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.delivery import clock as clocks
from nova_dirsvc_plugin.delivery import reporting, retry

LOG = logging.getLogger(__name__)

#: Instances that are asked about at a time, and while Nova cannot answer.
BATCH = 32
PROBE = 2

#: Seconds within which ``Ask`` returns, for which an answer is valid then, and
#: after which an instance is asked about again whose state is unknown. Where
#: very many wait, it takes minutes until it is an instance's turn again.
ASK_LIMIT = 60.0
ANSWER_VALID = retry.OLDEST_ANSWER - ASK_LIMIT
ASK_AGAIN_AFTER = 30.0

#: Questions that are open, and answers that are kept, at most: some megabytes.
MOST = 10_000

#: Seconds; what takes longer is reported.
SLOW = 5.0

_Answer = events.HostState | events.StateUnknown

#: Returns Nova's state of each of some instances, by their uuids, within
#: ``ASK_LIMIT``; never raises.
Ask = Callable[[Sequence[str]], Mapping[str, _Answer]]


@dataclasses.dataclass(frozen=True, slots=True)
class _Received:
    """An answer of Nova's.

    :ivar known: the message ids of the events that were known when Nova was
        asked: the answer is later than each of them
    :ivar at: seconds of the checker's clock, when it came
    """

    answer: events.HostState
    known: frozenset[str]
    at: float


class NovaChecker:
    """Nova's answers, and the questions that are open; for many threads.

    :param clock: seconds, of any beginning; best one that is never set
    """

    def __init__(
        self,
        ask: Ask,
        clock: Callable[[], float] = clocks.since_boot,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._uniform = uniform
        self._lock = threading.Lock()
        #: instance uuid -> seconds of the clock, not to ask before
        self._open: dict[str, float] = {}
        #: instance uuid -> message ids of the events that it is asked about
        self._known: dict[str, frozenset[str]] = {}
        #: instance uuid -> the last answer, the oldest first
        self._received: dict[str, _Received] = {}
        self._failures = 0
        self._slow_limit = reporting.OnceAMinute(clock)
        self._unknown_limit = reporting.OnceAMinute(clock)

    def answer_for(
        self, instance_uuid: str, message_id: str
    ) -> events.HostState | None:
        """Return Nova's answer; None until there is one.

        However long Nova takes, and however long it is until the instance's
        turn: an answer counts if Nova was asked after the event was known.
        What else happens meanwhile is an event, and has a later time. No
        clock is compared with another one's for that.

        :param message_id: of the latest event of that instance
        """
        now = self._clock()
        with self._lock:
            received = self._received.get(instance_uuid)
            if (
                received
                and message_id in received.known
                and clocks.within(now, received.at, ANSWER_VALID)
            ):
                return received.answer
            if len(self._open) >= MOST and instance_uuid not in self._open:
                return None
            self._open.setdefault(instance_uuid, now)
            known = self._known.get(instance_uuid, frozenset())
            self._known[instance_uuid] = known | {message_id}
        return None

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        while not stop.is_set():
            failures = self._failures
            asked = self.step()
            if self._failures > failures:
                stop.wait(retry.full_jitter(self._failures, self._uniform))
            elif not asked:
                stop.wait(0.05)

    def step(self) -> bool:
        """Ask about some instances.

        :returns: whether there was any
        """
        due = self._due()
        if not due:
            return False
        started = self._clock()
        answers = self._ask(list(due))
        self._report_slow(len(due), self._clock() - started)
        has_answered = any(
            isinstance(answer, events.HostState | events.StateUndecided)
            for answer in answers.values()
        )
        self._failures = 0 if has_answered else self._failures + 1
        wait = ASK_AGAIN_AFTER if has_answered else 0.0
        self._report_unknown(self._record(answers, due, wait))
        return True

    def _due(self) -> dict[str, frozenset[str]]:
        """Return the instances to ask about now, and their known events."""
        now = self._clock()
        limit = PROBE if self._failures else BATCH
        with self._lock:
            due = (
                uuid
                for uuid, at in self._open.items()
                if not clocks.within(
                    now, at - ASK_AGAIN_AFTER, ASK_AGAIN_AFTER
                )
            )
            return {
                uuid: self._known[uuid]
                for uuid in itertools.islice(due, limit)
            }

    def _record(
        self,
        answers: Mapping[str, _Answer],
        asked: Mapping[str, frozenset[str]],
        wait: float,
    ) -> list[str]:
        """Keep the answers; return why the other states are unknown.

        Those are asked about again after all others. Where an event came
        meanwhile, the question is open still.

        :param wait: seconds before that, at least
        """
        unknown = [
            str(answer)
            for answer in answers.values()
            if not isinstance(answer, events.HostState)
        ]
        with self._lock:
            now = self._clock()
            for uuid, answer in answers.items():
                if not isinstance(answer, events.HostState):
                    del self._open[uuid]
                    if len(self._open) + 1 < MOST:
                        self._open[uuid] = now + wait
                    else:
                        # Others have no place; it comes again.
                        del self._known[uuid]
                    continue
                self._received.pop(uuid, None)
                self._received[uuid] = _Received(answer, asked[uuid], now)
                if self._known[uuid] == asked[uuid]:
                    del self._open[uuid], self._known[uuid]
            self._forget_old(now)
        return unknown

    def _forget_old(self, now: float) -> None:
        for uuid, received in list(self._received.items()):
            if len(self._received) <= MOST and clocks.within(
                now, received.at, ANSWER_VALID
            ):
                break
            del self._received[uuid]

    def _report_slow(self, asked: int, seconds: float) -> None:
        if seconds >= SLOW and self._slow_limit.is_due():
            LOG.warning(
                "Nova took %.1f s to answer about %d instances with late"
                " events: these wait for that. Check the load of nova-api",
                seconds,
                asked,
            )

    def _report_unknown(self, reasons: Iterable[str]) -> None:
        reason = next(iter(reasons), None)
        if reason is not None and self._unknown_limit.is_due():
            LOG.warning(
                "Late events of %d instances are waiting for Nova to confirm"
                " their state: %s",
                len(self._open),
                reason,
            )
