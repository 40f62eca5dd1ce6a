# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A request to Nova that is answered while something else is done."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent import futures

from nova_dirsvc_plugin.nova_api import connection

LOG = logging.getLogger(__name__)


class PendingRequest:
    """Is sent when it is made, by a thread whose end nobody waits for.

    :param what: is asked for, for messages
    :param limit: seconds until the answer counts no more
    :ivar asked_at: epoch seconds, before it was sent
    """

    def __init__(
        self,
        nova: connection.Connection,
        clock: Callable[[], float],
        what: str,
        path: str,
        query: Mapping[str, str],
        limit: float,
    ) -> None:
        self._what = what
        self._limit = limit
        self._answer: futures.Future[connection.Answer] = futures.Future()
        self.asked_at = clock()

        def run() -> None:
            try:
                self._answer.set_result(nova.get(path, query, limit))
            except BaseException as error:
                self._answer.set_exception(error)

        threading.Thread(
            target=run, name="nova-dirsvc-list", daemon=True
        ).start()

    def answer(self) -> connection.Answer:
        """Wait for the answer, which is one without an error.

        :raises NoAnswer: there is no such answer
        """
        try:
            found = self._answer.result(self._limit)
        except connection.NoAnswer as error:
            raise self.refused(str(error)) from error
        except TimeoutError as error:
            raise self.refused(
                f"Nova did not answer within {self._limit:g} s: check the"
                " load of nova-api"
            ) from error
        except Exception as error:
            LOG.exception("Nova, %s: report this as a bug", self._what)
            raise self.refused(f"not understood: {error!r}") from error
        if found.status != 200:
            raise self.refused(connection.advice(found.status))
        return found

    def as_of(self) -> float:
        """Return when it was sent, epoch seconds, by Nova's clock or before.

        The events that a state is compared with are of that clock. Where Nova
        does not tell its time, it is that of the clock here.

        :raises NoAnswer: there is no answer
        """
        as_of = self.answer().as_of
        return self.asked_at if as_of is None else as_of

    def refused(self, why: str) -> connection.NoAnswer:
        """Return the error that says which answer cannot be used."""
        return connection.NoAnswer(f"{self._what}: {why}")
