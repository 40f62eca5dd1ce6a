# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Any HTTP service that keeps a document an instance.

The contract is ``doc/source/rest.rst``; ``examples/rest`` is such a service.
A few connections are kept, each with one request under way.
"""

import dataclasses
import http
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
    page,
    pool,
    response,
    urls,
)
from nova_dirsvc_plugin.directories.rest import batch as rest_batch
from nova_dirsvc_plugin.directories.rest import options as rest_options

LOG = logging.getLogger(__name__)

#: Seconds after which no request of a batch is begun any more. With the
#: longest that one may take, it is done within settling.GRACE.
_BATCH_TIME = 30.0

_NUMBERS = ("connection_timeout", "operation_timeout", "retry_after_max")

#: What a service says of an entry that has not our owner mark.
_FOREIGN = "another owner mark"

_ACCEPT = "application/json, application/problem+json"


class RestDirectory(base.Directory):
    """Registers by POST or PUT, unregisters by DELETE or POST."""

    OPTS = rest_options.OPTS

    def __init__(self, options: Any, owner: str) -> None:
        self._options = options
        self._owner = owner
        self._urls = urls.Urls(options, owner)
        self._names = mapping.Names(options.rename, options.leave_out)
        self._auth = auth.Auth(options)
        self._callers = pool.Callers(options)
        self._peace_until = float("-inf")
        if options.keyfile and not options.certfile:
            raise base.WrongOption("[rest] keyfile goes with certfile")
        for name in _NUMBERS:
            if not math.isfinite(getattr(options, name)):
                # oslo.config takes it for one.
                raise base.WrongOption(f"[rest] {name} is not a number")
        if options.insecure:
            LOG.warning("[rest] insecure: anybody on the way can read along")

    # -- the contract ------------------------------------------------------

    def apply(self, changes: Sequence[base.Change]) -> list[base.Outcome]:
        batch = rest_batch.Batch(changes, time.monotonic() + _BATCH_TIME)
        try:
            self._leave_alone()
            self._renew_auth()
            self._callers.run(
                lambda caller: self._work(caller, batch), len(changes)
            )
        except (base.DirectoryUnavailable, RuntimeError) as error:
            # RuntimeError is Python's own, for a thread that it cannot have.
            peace = max(self._peace_until - time.monotonic(), 0.0)
            batch.end(base.Unavailable(str(error), peace))
        outcomes = batch.outcomes()
        if len(batch.waits) > 1:
            # Of one alone, that one may be the reason.
            self._give_peace(max(batch.waits))
        return outcomes

    def entries(self) -> Iterator[events.HostRecord]:
        if not self._urls.entries:
            raise base.EntriesNotKept(
                "[rest] entries_url is empty: nothing can be compared"
            )
        self._renew_auth()
        marker = ""
        while documents := self._page(marker):
            for found in documents:
                ours = self._names.ours(found)
                place = ours.get("instance_uuid")
                if not isinstance(place, str) or place <= marker:
                    raise base.DirectoryUnavailable(
                        f"{self._urls.entries}: a page does not go on after"
                        f" marker {marker!r}: {place!r:.60}"
                    )
                marker = place
                # All are, where the service is told of no owners.
                if (
                    not self._names.tells_owner
                    or ours.get("owner") == self._owner
                ):
                    yield self._record(ours)

    def _record(self, ours: document.Document) -> events.HostRecord:
        try:
            return document.record(ours)
        except document.NotADocument as error:
            raise base.DirectoryUnavailable(
                f"{self._urls.entries}: {error}"
            ) from error

    def close(self) -> None:
        self._callers.close()

    # -- writing -----------------------------------------------------------

    def _work(self, caller: client.Caller, batch: rest_batch.Batch) -> None:
        """Do changes of a batch as long as there are any."""
        for index, change in batch:
            try:
                outcome, bodes_ill = self._done(caller, change)
            except Exception as error:
                # Whatever a service makes us stumble over: nothing is lost.
                place = traceback.extract_tb(error.__traceback__)[-1]
                outcome, bodes_ill = (
                    base.Unavailable(
                        f"{type(error).__name__} at {place.filename}:"
                        f"{place.lineno}: report this as a bug"
                    ),
                    False,
                )
            batch.settle(index, outcome, bodes_ill)

    def _done(
        self, caller: client.Caller, change: base.Change
    ) -> tuple[base.Outcome, bool]:
        """Do one change.

        :returns: what came of it, and whether others may fare likewise
        """
        try:
            instance_uuid = str(uuid.UUID(change.record.instance_uuid))
        except ValueError:
            return base.Rejected("its uuid is no UUID"), False
        record = dataclasses.replace(
            change.record, instance_uuid=instance_uuid
        )
        change = dataclasses.replace(change, record=record)
        request = self._request(change)
        try:
            answer = caller.call(request)
        except client.NoAnswer as error:
            return base.Unavailable(self._auth.redacted(str(error))), True
        outcome = response.outcome(
            answer,
            change.verb.removes,
            f"{request.method} {request.url}",
            self._wait(answer),
            self._auth.redacted,
        )
        if isinstance(outcome, base.Rejected) and _FOREIGN in outcome.reason:
            outcome = base.Rejected(
                f"{outcome.reason}: ours is {self._owner!r}, see"
                " [nova_dirsvc] owner"
            )
        if answer.status == 401:
            self._auth.forget_token()
        return outcome, (
            isinstance(outcome, base.Unavailable)
            and answer.status != http.HTTPStatus.INTERNAL_SERVER_ERROR
        )

    def _request(self, change: base.Change) -> requests.PreparedRequest:
        options = self._options
        instance_uuid = change.record.instance_uuid
        body = b""
        if not change.verb.removes:
            method = options.register_method
            url = self._urls.register(instance_uuid)
            body = document.encoded(
                self._names.theirs(document.document(change, self._owner))
            )
        else:
            method = options.unregister_method
            url = self._urls.unregister(instance_uuid)
            if method == "POST":
                body = document.encoded(self._names.only_uuid(instance_uuid))
        headers = document.metadata(change, self._owner, body)
        headers["Accept"] = _ACCEPT
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
        request = self._prepared(
            "GET", url + urllib.parse.urlencode(query), {"Accept": _ACCEPT}
        )
        answer = self._call_one(request, page.LIMIT)
        if answer.status == 401:
            self._auth.forget_token()
        return page.documents(
            answer,
            f"GET {request.url}",
            is_first=not marker,
            redact=self._auth.redacted,
        )

    # -- requests ----------------------------------------------------------

    def _prepared(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> requests.PreparedRequest:
        request = requests.PreparedRequest()
        request.prepare(
            method=method,
            url=url,
            headers=headers | {"User-Agent": "nova-dirsvc-plugin"},
            data=body or None,
            auth=self._auth,
        )
        return request

    def _renew_auth(self) -> None:
        """:raises base.DirectoryUnavailable: we do not know who we are"""
        self._auth.renew(self._call_one)

    def _call_one(
        self,
        request: requests.PreparedRequest,
        limit: int = client.ANSWER_LIMIT,
    ) -> response.Answer:
        """:raises base.DirectoryUnavailable: there is no answer"""
        self._leave_alone()
        where = f"{request.method} {request.url}"
        try:
            answers = self._callers.run(
                lambda caller: caller.call(request, limit), 1
            )
        except client.NoAnswer as error:
            raise base.DirectoryUnavailable(
                self._auth.redacted(str(error))
            ) from error
        if not answers:
            raise base.DirectoryUnavailable(f"{where}: no connection in time")
        self._give_peace(self._wait(answers[0]))
        return answers[0]

    # -- Retry-After -------------------------------------------------------

    def _wait(self, answer: response.Answer) -> float:
        """Give the seconds for which the service asks to be left alone."""
        if not response.asks_for_peace(answer):
            return 0.0
        return response.retry_after(
            answer, time.time(), self._options.retry_after_max
        )

    def _give_peace(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._peace_until = max(self._peace_until, until)

    def _leave_alone(self) -> None:
        """:raises base.DirectoryUnavailable: it asked for that"""
        peace = self._peace_until - time.monotonic()
        if peace > 0:
            raise base.DirectoryUnavailable(
                f"{self._options.url} asks to be left alone for another"
                f" {peace:.0f} s"
            )
