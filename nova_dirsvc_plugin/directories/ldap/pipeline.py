# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Runs many conversations over one connection, several requests in flight.

A *conversation* is a generator: it yields a request, gets the answer (or the
error is raised in it), and returns its outcome. It reads like a series of
blocking calls; the requests of many run side by side.
"""

import collections
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from nova_dirsvc_plugin.directories import base

Request = tuple[str, tuple[Any, ...]]
Conversation = Generator[Request, Any, base.Outcome]


class Broken(Exception):
    """The connection cannot be used any longer; the message says why."""


class Unsent(Exception):
    """A request could not be sent: the server has not answered anything.

    No more can be sent over the connection, but what it was asked before is
    still answered.
    """


class Pipeline:
    """Runs conversations.

    :param send: sends a request and returns a ticket for its answer; raises
        :class:`Broken` or :class:`Unsent`
    :param receive: waits for a ticket's answer; raises the error that came
        instead, or :class:`Broken`
    :param window: maximum number of requests in flight
    :param may_send: whether the batch has time for another request
    :param meanwhile: is called once, when so many have begun or all have
    """

    def __init__(
        self,
        send: Callable[[Request], int],
        receive: Callable[[int], Any],
        window: int,
        may_send: Callable[[], bool],
        meanwhile: Callable[[], None] = base.nothing,
    ) -> None:
        self._send = send
        self._receive = receive
        self._window = window
        self._has_time = may_send
        self._meanwhile = meanwhile
        self._usable = True

    def run(self, conversations: Sequence[Conversation]) -> list[base.Outcome]:
        """Run all to their end.

        :returns: an outcome for each conversation, in their order; NotSent
            where the batch had no time for a request, Unavailable where the
            connection broke before the end
        """
        outcomes: dict[int, base.Outcome] = {}
        waiting = enumerate(conversations)
        unfinished: base.Outcome = base.NotSent()
        try:
            self._run(waiting, outcomes)
        except Broken as error:
            unfinished = base.Unavailable(str(error))
            if not self._has_time():
                outcomes |= {index: base.NotSent() for index, _ in waiting}
        if not self._usable and isinstance(unfinished, base.NotSent):
            unfinished = base.NotSent("not sent: the one before could not be")
        return [
            outcomes.get(index, unfinished)
            for index in range(len(conversations))
        ]

    def _run(
        self,
        waiting: Iterator[tuple[int, Conversation]],
        outcomes: dict[int, base.Outcome],
    ) -> None:
        flying: collections.deque[tuple[int, Conversation, int]]
        flying = collections.deque()

        def proceed(
            index: int, talk: Conversation, step: Callable[[], Request]
        ) -> None:
            try:
                request = step()
            except StopIteration as end:
                outcomes[index] = end.value
                return
            if not self._may_send():
                return
            try:
                flying.append((index, talk, self._send(request)))
            except Unsent as error:
                self._usable = False
                outcomes[index] = base.Unavailable(str(error))

        while True:
            while len(flying) < self._window and self._may_send():
                try:
                    index, talk = next(waiting)
                except StopIteration:
                    break
                proceed(index, talk, talk.__next__)
                if index + 1 == self._window:
                    # Those that need no request never fill the window.
                    self._overlap()
            self._overlap()
            if not flying:
                return
            index, talk, ticket = flying.popleft()
            proceed(index, talk, self._answered(talk, ticket))

    def _overlap(self) -> None:
        meanwhile, self._meanwhile = self._meanwhile, base.nothing
        meanwhile()

    def _may_send(self) -> bool:
        return self._usable and self._has_time()

    def _answered(
        self, talk: Conversation, ticket: int
    ) -> Callable[[], Request]:
        try:
            answer = self._receive(ticket)
        except Broken:
            raise
        except Exception as error:
            # Bound now: Python unbinds `error` when this block ends.
            return lambda error=error: talk.throw(error)  # type: ignore[misc]
        return lambda: talk.send(answer)
