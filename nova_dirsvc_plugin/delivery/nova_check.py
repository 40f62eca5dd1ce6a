# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Asks Nova for the state of instances with late events.

A dispatcher asks for the state of an instance and continues; it finds Nova's
answer at a later turn. While Nova cannot answer, it is asked about a few
instances from time to time, and the log reports that once a minute.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.delivery import retry

LOG = logging.getLogger(__name__)

#: Instances that are asked about at a time, and while Nova cannot answer.
BATCH = 32
PROBE = 2

#: Seconds for which an answer is valid, and after which an instance is asked
#: about again whose state is unknown.
ANSWER_VALID = 10.0
ASK_AGAIN_AFTER = 30.0

#: Seconds between two reports of the same trouble.
REPORT_INTERVAL = 60.0

_Answer = events.HostState | events.StateUnknown

#: Returns Nova's state of each of some instances, by their uuids, within a
#: bounded time; never raises.
Ask = Callable[[Sequence[str]], Mapping[str, _Answer]]


class NovaChecker:
    """Nova's answers, and the questions that are open; for many threads."""

    def __init__(
        self,
        ask: Ask,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._uniform = uniform
        self._lock = threading.Lock()
        #: instance uuid -> epoch seconds, not to ask before
        self._open: dict[str, float] = {}
        self._answers: dict[str, events.HostState] = {}
        self._failures = 0
        self._reported_at = float("-inf")

    def answer_for(
        self, instance_uuid: str, event_at: float
    ) -> events.HostState | None:
        """Return Nova's answer; None until there is one.

        :param event_at: epoch seconds; an answer that is older is no answer
        """
        now = self._clock()
        with self._lock:
            answer = self._answers.pop(instance_uuid, None)
            if answer and answer.as_of >= max(now - ANSWER_VALID, event_at):
                return answer
            self._open.setdefault(instance_uuid, now)
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
        answers = self._ask(due)
        unknown = self._record(answers)
        if len(unknown) < len(answers):
            self._failures = 0
        else:
            self._failures += 1
        self._report(unknown)
        return True

    def _due(self) -> list[str]:
        """Return the instances to ask about now."""
        now = self._clock()
        limit = PROBE if self._failures else BATCH
        with self._lock:
            due = [uuid for uuid, at in self._open.items() if at <= now]
        return due[:limit]

    def _record(self, answers: Mapping[str, _Answer]) -> list[str]:
        """Keep the answers; return why the other states are unknown.

        Where there is no answer at all, the same instances are asked about
        again after the back-off, and none of the others waits behind them.
        """
        known = {
            uuid: answer
            for uuid, answer in answers.items()
            if isinstance(answer, events.HostState)
        }
        wait = ASK_AGAIN_AFTER if known else 0.0
        with self._lock:
            now = self._clock()
            for uuid in answers:
                if uuid in known:
                    del self._open[uuid]
                else:
                    self._open[uuid] = now + wait
            self._answers |= known
            self._discard(now - ASK_AGAIN_AFTER)
        return [
            str(answer)
            for uuid, answer in answers.items()
            if uuid not in known
        ]

    def _discard(self, before: float) -> None:
        """Discard old answers that nobody has asked for."""
        for uuid, answer in list(self._answers.items()):
            if answer.as_of < before:
                del self._answers[uuid]

    def _report(self, reasons: Iterable[str]) -> None:
        reason = next(iter(reasons), None)
        if reason is None:
            return
        if self._clock() - self._reported_at >= REPORT_INTERVAL:
            self._reported_at = self._clock()
            LOG.warning(
                "Late events of %d instances are waiting for Nova to confirm"
                " their state: %s",
                len(self._open),
                reason,
            )
