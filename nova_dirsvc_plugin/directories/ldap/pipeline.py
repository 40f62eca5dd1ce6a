# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Many conversations over one connection, several requests in flight.

A *conversation* is a generator: it yields what to send, gets the answer (or
has the error thrown in), and returns its outcome. It reads like a series of
blocking calls; the requests of many run side by side.
"""

import collections
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Outcome = TypeVar("Outcome")


class Broken(Exception):
    """The connection is of no more use; the message says why."""


class Pipeline(Generic[Request, Answer, Outcome]):
    """Runs conversations.

    :param send: sends a request, returns a ticket for its answer
    :param receive: waits for a ticket's answer; raises the error that came
        instead, or :class:`Broken`
    :param window: requests in flight at most
    """

    def __init__(
        self,
        send: Callable[[Request], int],
        receive: Callable[[int], Answer],
        window: int,
    ) -> None:
        self._send = send
        self._receive = receive
        self._window = window

    def run(
        self,
        conversations: Sequence[Generator[Request, Answer, Outcome]],
        broken: Callable[[str], Outcome],
    ) -> list[Outcome]:
        """Run all to their end.

        :param broken: gives the outcome of those that had not ended when
            the connection broke, from the reason
        :returns: an outcome for each conversation, in their order
        """
        outcomes: dict[int, Outcome] = {}
        try:
            self._run(enumerate(conversations), outcomes)
        except Broken as error:
            for index in range(len(conversations)):
                if index not in outcomes:
                    outcomes[index] = broken(str(error))
        return [outcomes[index] for index in range(len(conversations))]

    def _run(
        self,
        waiting: Iterator[tuple[int, Generator[Request, Answer, Outcome]]],
        outcomes: dict[int, Outcome],
    ) -> None:
        flying: collections.deque[tuple[int, Any, int]] = collections.deque()

        def go_on(
            index: int,
            talk: Generator[Request, Answer, Outcome],
            step: Callable[[], Request],
        ) -> None:
            try:
                request = step()
            except StopIteration as end:
                outcomes[index] = end.value
                return
            flying.append((index, talk, self._send(request)))

        while True:
            while len(flying) < self._window:
                try:
                    index, talk = next(waiting)
                except StopIteration:
                    break
                go_on(index, talk, talk.__next__)
            if not flying:
                return
            index, talk, ticket = flying.popleft()
            go_on(index, talk, self._answered(talk, ticket))

    def _answered(
        self, talk: Generator[Request, Answer, Outcome], ticket: int
    ) -> Callable[[], Request]:
        try:
            answer = self._receive(ticket)
        except Broken:
            raise
        except Exception as error:
            # Bound now: Python unbinds `error` when this block ends.
            return lambda error=error: talk.throw(error)  # type: ignore[misc]
        return lambda: talk.send(answer)
