# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Any HTTP service that keeps a document for each instance.

The contract is ``doc/source/reference/rest.rst``; ``examples/rest`` is such a
service.
"""

import dataclasses
import logging
import math
import time
import traceback
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import requests

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import (
    auth,
    client,
    document,
    mapping,
    pool,
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
        self._auth = auth.Auth(options)
        self._pool = pool.Pool(options)
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
        batch = pool.Batch(
            states, self._apply_one, time.monotonic() + _BATCH_TIME
        )
        try:
            self._check_paused()
            self._auth.renew(self._send)
            self._pool.run(batch.work, len(states))
        except (base.DirectoryUnavailable, RuntimeError) as error:
            # RuntimeError is Python's own, for a thread that it cannot start.
            batch.stop(base.Unavailable(str(error), self._pause_left()))
        self._pause(batch.pause())
        return batch.outcomes()

    def entries(self) -> Iterator[events.HostRecord]:
        if not self._urls.entries:
            raise base.EntriesNotKept(
                "[rest] entries_url is empty: entries cannot be read"
            )
        self._auth.renew(self._send)
        marker = ""
        while documents := self._page(marker):
            for found in map(self._mapping.from_service, documents):
                instance_uuid = found.get("instance_uuid")
                if not isinstance(instance_uuid, str) or (
                    instance_uuid <= marker
                ):
                    raise base.DirectoryUnavailable(
                        f"{self._urls.entries}: an entry of a page is not"
                        f" after marker {marker!r}: {instance_uuid!r:.60}"
                    )
                marker = instance_uuid
                # Without owner marks all entries of a service are ours.
                if self._mapping.has_owner and (
                    found.get("owner") != self._owner
                ):
                    continue
                try:
                    record = document.record(found)
                except document.NotADocument as error:
                    raise base.DirectoryUnavailable(
                        f"{self._urls.entries}: {error}"
                    ) from error
                yield record

    def close(self) -> None:
        self._pool.close()

    # -- writing -----------------------------------------------------------

    def _apply_one(
        self, connection: client.Connection, state: events.HostState
    ) -> base.Outcome:
        try:
            return self._send_one(connection, state)
        except client.NoAnswer as error:
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
        answer = connection.send(request)
        if answer.status == 401:
            self._auth.forget_token()
        outcome = response.outcome(
            answer,
            state.verb.removes,
            f"{request.method} {request.url}",
        )
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
            made = document.document(state, self._owner)
            body = document.encoded(self._mapping.to_service(made))
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

    # -- reading -----------------------------------------------------------

    def _page(self, marker: str) -> list[document.Document]:
        """Read a page of entries, those after the marker.

        :raises base.EntriesNotKept: the service has no such list
        :raises base.DirectoryUnavailable: it cannot be read now
        """
        query = {"owner": self._owner, "limit": str(self._options.page_size)}
        if marker:
            query["marker"] = marker
        url = self._urls.entries
        url += "&" if "?" in url else "?"
        url += urllib.parse.urlencode(query)
        request = self._prepared("GET", url, {}, b"")
        answer = self._send(request, response.PAGE_LIMIT)
        if answer.status == 401:
            self._auth.forget_token()
        return response.page(
            answer,
            f"GET {request.url}",
            is_first=not marker,
        )

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

    def _send(
        self,
        request: requests.PreparedRequest,
        limit: int = client.ANSWER_LIMIT,
    ) -> response.Answer:
        """:raises base.DirectoryUnavailable: there is no answer"""
        self._check_paused()
        try:
            answers = self._pool.run(
                lambda connection: connection.send(request, limit), 1
            )
        except client.NoAnswer as error:
            raise base.DirectoryUnavailable(error) from error
        if not answers:
            raise base.DirectoryUnavailable(
                f"{request.method} {request.url}: no connection in time"
            )
        self._pause(answers[0].retry_after)
        return answers[0]

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
