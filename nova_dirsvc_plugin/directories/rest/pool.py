# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Several connections to a REST service, side by side, within their time."""

import time
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from nova_dirsvc_plugin.directories.rest import client

#: Seconds between two looks at a request whose time is up.
_SLACK = 0.05

#: Seconds after which one that cannot even be ended is left to itself: a
#: name that is not resolved, a host with many addresses that do not answer.
_PATIENCE = 5.0

Result = TypeVar("Result")


class Callers:
    """So many callers, each with a connection of its own.

    :param options: the group ``[rest]``
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._callers = [
            client.Caller(options) for _ in range(options.connections)
        ]
        self._pool: futures.ThreadPoolExecutor | None = None

    def run(
        self, work: Callable[[client.Caller], Result], wanted: int
    ) -> list[Result]:
        """Let some of them work at the same time, until all have ended.

        :param work: whatever it does takes no time but that of calls
        :param wanted: how many, if there are as many
        :returns: what came of it; of one that did not end, nothing
        """
        if self._pool is None:
            self._pool = futures.ThreadPoolExecutor(
                len(self._callers), "nova-dirsvc-rest"
            )
        busy = self._callers[:wanted]
        tasks = [self._pool.submit(work, caller) for caller in busy]
        waiting: set[futures.Future[Result]] = set(tasks)
        while waiting:
            ends_at = min(caller.ends_at for caller in busy)
            left = max(ends_at - time.monotonic(), 0.0)
            _, waiting = futures.wait(waiting, min(left + _SLACK, 1.0))
            if not self._end_overdue(busy):
                break
        if waiting:
            self._leave_to_themselves()
        return [task.result() for task in tasks if task not in waiting]

    def _end_overdue(self, busy: list[client.Caller]) -> bool:
        """End the requests whose time is up.

        :returns: whether they do end
        """
        now = time.monotonic()
        for caller in busy:
            ends_at = caller.ends_at
            if ends_at + _PATIENCE < now:
                return False
            if ends_at < now:
                caller.cut(ends_at)
        return True

    def _leave_to_themselves(self) -> None:
        """Take new ones; the old ones were cut, and will send nothing."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        self._callers = [client.Caller(self._options) for _ in self._callers]

    def close(self) -> None:
        """Let go of all connections and threads."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        for caller in self._callers:
            caller.close()
