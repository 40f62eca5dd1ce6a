# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Several connections to a REST service, used side by side."""

import collections
import itertools
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, TypeVar

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import client, response

#: Seconds between two checks of a request whose time is over.
_INTERVAL = 0.05

#: Seconds after which a request is given up that cannot be ended: a name that
#: is not resolved, a host with many addresses that do not answer.
_PATIENCE = 5.0

_NOT_SENT = base.NotSent()
_GIVEN_UP = base.Unavailable("no answer: the request was given up")

Result = TypeVar("Result")


class Pool:
    """So many connections, each with a thread while it is used.

    :param options: the group ``[rest]``
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._connections = self._new_connections()
        self._threads: futures.ThreadPoolExecutor | None = None

    def _new_connections(self) -> list[client.Connection]:
        count = self._options.connections
        return [client.Connection(self._options) for _ in range(count)]

    def run(
        self,
        work: Callable[[client.Connection], Result],
        wanted: int,
        meanwhile: Callable[[], None] = base.nothing,
    ) -> list[Result]:
        """Run a function on some of the connections at the same time.

        :param work: takes time for nothing but requests
        :param wanted: how many connections, if there are as many
        :param meanwhile: is called while they work
        :returns: the results; none of a function that did not end
        """
        if self._threads is None:
            self._threads = futures.ThreadPoolExecutor(
                len(self._connections), "nova-dirsvc-rest"
            )
        busy = self._connections[:wanted]
        tasks = [self._threads.submit(work, one) for one in busy]
        waiting: set[futures.Future[Result]] = set(tasks)
        meanwhile()
        while waiting:
            left = min(connection.deadline.enforce() for connection in busy)
            if left < -_PATIENCE:
                self._abandon()
                break
            seconds = min(max(left, 0.0) + _INTERVAL, 1.0)
            _, waiting = futures.wait(waiting, seconds)
        return [task.result() for task in tasks if task not in waiting]

    def _abandon(self) -> None:
        """Make new connections: the old ones have expired; none sends."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)
        self._connections = self._new_connections()

    def close(self) -> None:
        """Close all connections, and end the threads."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown()
        for connection in self._connections:
            connection.close()


class Batch:
    """Changes that the connections of a pool take one by one.

    :param apply_one: applies a state
    :param begin_before: no state is begun later, :func:`time.monotonic`
    """

    def __init__(
        self,
        states: Sequence[events.HostState],
        apply_one: Callable[
            [client.Connection, events.HostState], base.Outcome
        ],
        begin_before: float,
    ) -> None:
        self._waiting = collections.deque(enumerate(states))
        self._outcomes: list[base.Outcome | None] = [None] * len(states)
        self._apply_one = apply_one
        self._begin_before = begin_before
        self._outages = itertools.count(1)
        self._stopped = False
        self._reason: base.Unavailable = _NOT_SENT

    def work(self, connection: client.Connection) -> None:
        """Apply the states that no other thread has taken.

        A second outage stops them all: of one, that state may be the cause.
        """
        while not self._stopped and time.monotonic() < self._begin_before:
            if not self.work_once(connection):
                return

    def work_once(self, connection: client.Connection) -> bool:
        """Apply a state, if one is left.

        :returns: whether there was any
        """
        try:
            index, state = self._waiting.popleft()
        except IndexError:
            return False
        self._outcomes[index] = _GIVEN_UP
        outcome = self._apply_one(connection, state)
        self._outcomes[index] = outcome
        if isinstance(outcome, response.Outage) and next(self._outages) > 1:
            self.stop(outcome)
        return True

    def stop(self, reason: base.Unavailable) -> None:
        """Begin no other state; this is the outcome of those that wait."""
        self._reason = reason
        self._stopped = True

    def pause(self) -> float:
        """Return the seconds of Retry-After, if two states or more got it."""
        seconds = [
            outcome.retry_after
            for outcome in self._outcomes
            if isinstance(outcome, base.Unavailable) and outcome.retry_after
        ]
        return max(seconds) if len(seconds) > 1 else 0.0

    def outcomes(self) -> list[base.Outcome]:
        """Return the outcomes, and begin no other state."""
        self._stopped = True
        return [outcome or self._reason for outcome in self._outcomes]
