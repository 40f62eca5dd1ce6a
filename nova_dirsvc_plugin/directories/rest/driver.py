# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Any HTTP service that keeps a document for each instance.

The contract is ``doc/source/reference/rest.rst``; ``examples/rest`` is such a
service.
"""

import collections
import dataclasses
import logging
import math
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import requests

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import (
    auth,
    client,
    comparison,
    document,
    mapping,
    pool,
    reading,
    response,
    urls,
)
from nova_dirsvc_plugin.directories.rest import options as rest_options

LOG = logging.getLogger(__name__)

#: Seconds after which no request of a batch is begun: the longest request
#: ends within the rest.
_BATCH_TIME = base.LONGEST_BATCH / 2

_NUMBERS = ("connection_timeout", "operation_timeout", "retry_after_max")

#: A service's words about an entry with another owner mark than ours.
_FOREIGN = "another owner mark"

_HEADERS = {
    "Accept": "application/json, application/problem+json",
    "User-Agent": "nova-dirsvc-plugin",
}


class RestDirectory(base.Directory):
    """Registers by POST or PUT, unregisters by DELETE or POST."""

    OPTS = rest_options.OPTS

    def __init__(self, options: Any, owner: str) -> None:
        self._options = options
        self._owner = owner
        self._urls = urls.Urls(options, owner)
        self._mapping = mapping.FieldMapping(options.rename, options.leave_out)
        self._names = self._mapping.names()
        self._auth = auth.Auth(options)
        self._pool = pool.Pool(options)
        self._reading = reading.Reading(
            self._get, self._urls, self._mapping, owner, options.page_size
        )
        self._paused_until = -math.inf
        if options.keyfile and not options.certfile:
            raise base.WrongOption("[rest] keyfile needs certfile")
        for name in _NUMBERS:
            if not math.isfinite(getattr(options, name)):
                # oslo.config accepts nan.
                raise base.WrongOption(f"[rest] {name} is not a number")
        if options.insecure:
            LOG.warning(
                "[rest] insecure = true: traffic can be read and changed on"
                " the network"
            )

    # -- the contract ------------------------------------------------------

    def apply(self, states: Sequence[events.HostState]) -> list[base.Outcome]:
        return self.apply_overlapping(states, base.nothing)

    def apply_overlapping(
        self,
        states: Sequence[events.HostState],
        meanwhile: Callable[[], None],
    ) -> list[base.Outcome]:
        batch = pool.Batch(
            states, self._apply_one, time.monotonic() + _BATCH_TIME
        )
        try:
            self._check_paused()
            self._auth.renew(self._send)
            if not self._auth.is_accepted:
                self._pool.run(batch.work_once, 1)
            self._pool.run(batch.work, len(states), meanwhile)
        except (base.DirectoryUnavailable, RuntimeError) as error:
            # RuntimeError is Python's own, for a thread that it cannot start.
            batch.stop(base.Unavailable(str(error), self._pause_left()))
        self._pause(batch.pause())
        return batch.outcomes()

    def entries(self) -> Iterator[base.Entry]:
        return self._reading.ours()

    def find(self, uuids: Sequence[str]) -> Iterator[base.Entry]:
        return self._reading.of(uuids)

    def differences(
        self, entry: base.Entry, state: events.HostState
    ) -> list[base.Difference]:
        return comparison.differences(
            entry, state, self._document, self._names
        )

    def new_entry(self, state: events.HostState) -> base.Entry:
        return self._reading.as_entry(self._document(state))

    def close(self) -> None:
        self._pool.close()

    # -- writing -----------------------------------------------------------

    def _apply_one(
        self, connection: client.Connection, state: events.HostState
    ) -> base.Outcome:
        try:
            return self._send_one(connection, state)
        except (client.NoAnswer, base.DirectoryUnavailable) as error:
            return response.Outage(str(error))
        except Exception as error:
            # Whatever an answer makes the driver raise: no state is lost.
            place = traceback.extract_tb(error.__traceback__)[-1]
            return base.Unavailable(
                f"{type(error).__name__} at {place.filename}:{place.lineno}:"
                " report this as a bug"
            )

    def _send_one(
        self, connection: client.Connection, state: events.HostState
    ) -> base.Outcome:
        try:
            instance_uuid = str(uuid.UUID(state.record.instance_uuid))
        except ValueError:
            return base.Rejected("its uuid is not a UUID", certain=True)
        record = dataclasses.replace(state.record, instance_uuid=instance_uuid)
        request = self._request(dataclasses.replace(state, record=record))
        self._auth.check()
        answer = connection.send(request)
        where = f"{request.method} {request.url}"
        outcome = response.outcome(answer, state.verb.removes, where)
        self._auth.note(answer, where)
        if isinstance(outcome, base.Rejected) and _FOREIGN in outcome.reason:
            return base.Foreign(
                f"{outcome.reason}: ours is {self._owner!r}, see"
                " [nova_dirsvc] owner"
            )
        return outcome

    def _request(self, state: events.HostState) -> requests.PreparedRequest:
        options = self._options
        instance_uuid = state.record.instance_uuid
        body = b""
        if not state.verb.removes:
            method = options.register_method
            url = self._urls.register(instance_uuid)
            body = document.encoded(self._document(state))
        else:
            method = options.unregister_method
            url = self._urls.unregister(instance_uuid)
            if method == "POST":
                only_uuid = self._mapping.only_uuid(instance_uuid)
                body = document.encoded(only_uuid)
        headers = document.metadata(state, self._owner, body)
        if body:
            headers["Content-Type"] = "application/json"
        return self._prepared(method, url, headers, body)

    def _document(self, state: events.HostState) -> document.Document:
        """Make the document that the service gets of a state."""
        made = document.document(state, self._owner)
        return self._mapping.to_service(made)

    # -- reading -----------------------------------------------------------

    def _get(self, addresses: Sequence[str]) -> list[response.Answer]:
        """Send GET requests; give their answers, in the same order.

        :raises base.DirectoryUnavailable: one has no answer
        """
        self._auth.renew(self._send)
        wanted = [self._prepared("GET", url, {}, b"") for url in addresses]
        answers: list[response.Answer] = []
        first = len(wanted) if self._auth.is_accepted else 1
        for some in filter(None, (wanted[:first], wanted[first:])):
            self._auth.check()
            found = self._send_all(some, response.PAGE_LIMIT)
            for request, answer in zip(some, found, strict=True):
                self._auth.note(answer, f"GET {request.url}")
            answers += found
        return answers

    # -- requests ----------------------------------------------------------

    def _prepared(
        self, method: str, url: str, headers: dict[str, str], body: bytes
    ) -> requests.PreparedRequest:
        # A requests.Request on the way would add a quarter to the time.
        request = requests.PreparedRequest()
        request.prepare(
            method, url, _HEADERS | headers, data=body, auth=self._auth
        )
        return request

    def _send(self, request: requests.PreparedRequest) -> response.Answer:
        """:raises base.DirectoryUnavailable: there is no answer"""
        (answer,) = self._send_all([request], client.ANSWER_LIMIT)
        return answer

    def _send_all(
        self, wanted: Sequence[requests.PreparedRequest], limit: int
    ) -> list[response.Answer]:
        """:raises base.DirectoryUnavailable: one has no answer"""
        self._check_paused()
        waiting = collections.deque(enumerate(wanted))
        answers: dict[int, response.Answer] = {}

        def work(connection: client.Connection) -> None:
            while waiting:
                try:
                    index, request = waiting.popleft()
                except IndexError:
                    return
                try:
                    answers[index] = connection.send(request, limit)
                except client.NoAnswer:
                    waiting.clear()
                    raise

        try:
            self._pool.run(work, len(wanted))
        except (client.NoAnswer, RuntimeError) as error:
            # RuntimeError: a thread that Python cannot start.
            raise base.DirectoryUnavailable(error) from error
        for index, request in enumerate(wanted):
            if index not in answers:
                raise base.DirectoryUnavailable(
                    f"{request.method} {request.url}: no connection in time"
                )
        self._pause(max(one.retry_after for one in answers.values()))
        return [answers[index] for index in range(len(wanted))]

    # -- Retry-After -------------------------------------------------------

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._paused_until = max(self._paused_until, until)

    def _pause_left(self) -> float:
        return max(self._paused_until - time.monotonic(), 0.0)

    def _check_paused(self) -> None:
        """:raises base.DirectoryUnavailable: the service asked for a pause"""
        seconds = self._pause_left()
        if seconds:
            raise base.DirectoryUnavailable(
                f"{self._options.url} asked for no requests for another"
                f" {seconds:.0f} s (Retry-After)"
            )
