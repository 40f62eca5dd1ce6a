# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Asks Nova about late news, beside the delivery and never in its way.

A dispatcher says of which instances it needs to know, and goes on; what
Nova has answered it finds at a later turn. While Nova is no help it is asked
about a few, now and then, and the log says so once a minute.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from nova_dirsvc_plugin.delivery import backoff, state

LOG = logging.getLogger(__name__)

#: Instances that are asked about at a time, and while Nova is no help.
BATCH = 32
PROBE = 2

#: Seconds for which an answer holds, and after which one that was none is
#: asked for again.
FRESH = 10.0
PATIENCE = 30.0

#: Seconds between two reports of the same trouble.
REPORT_INTERVAL = 60.0


class Asker:
    """What is known from Nova, and what is to be asked; for many threads.

    :param ask: bounded in time; trouble is an answer
    """

    def __init__(
        self,
        ask: state.Ask,
        clock: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._uniform = uniform
        self._lock = threading.Lock()
        self._wanted: dict[str, float] = {}
        self._answers: dict[str, state.Standing] = {}
        self._failures = 0
        self._reported_at = float("-inf")

    def answer(
        self, instance_uuid: str, news_of: float
    ) -> state.Standing | None:
        """Give Nova's answer; without one it is asked for, and None given.

        :param news_of: epoch seconds; an answer that is older is none
        """
        now = self._clock()
        with self._lock:
            answer = self._answers.pop(instance_uuid, None)
            if answer and answer.as_of >= max(now - FRESH, news_of):
                return answer
            self._wanted.setdefault(instance_uuid, now)
        return None

    def run(self, stop: threading.Event) -> None:
        """Ask until told to stop."""
        while not stop.is_set():
            failures = self._failures
            asked = self.step()
            if self._failures > failures:
                stop.wait(backoff.full_jitter(self._failures, self._uniform))
            elif not asked:
                stop.wait(0.05)

    def step(self) -> bool:
        """Ask about some of what is wanted.

        :returns: whether there was anything to ask
        """
        now = self._clock()
        limit = PROBE if self._failures else BATCH
        with self._lock:
            due = [one for one, when in self._wanted.items() if when <= now]
        some = due[:limit]
        if not some:
            return False
        told = self._ask(some)
        doubts = []
        with self._lock:
            for uuid, answer in told.items():
                if isinstance(answer, state.Unsure):
                    doubts.append(answer.reason)
                    self._wanted[uuid] = self._clock() + PATIENCE
                else:
                    self._answers[uuid] = answer
                    del self._wanted[uuid]
            self._forget()
        if len(doubts) == len(told):
            self._failures += 1
            # What waits for the others must not wait for its own patience.
            with self._lock:
                for uuid in some:
                    self._wanted[uuid] = self._clock()
        else:
            self._failures = 0
        self._report(doubts)
        return True

    def _forget(self) -> None:
        """Let go of answers that nobody came for."""
        over = self._clock() - PATIENCE
        for uuid, answer in list(self._answers.items()):
            if answer.as_of < over:
                del self._answers[uuid]

    def _report(self, doubts: list[str]) -> None:
        if not doubts:
            return
        if self._clock() - self._reported_at >= REPORT_INTERVAL:
            self._reported_at = self._clock()
            LOG.warning(
                "Late events wait until Nova says how things stand with %d"
                " instances: %s",
                len(self._wanted),
                doubts[0],
            )
