# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Any HTTP service that keeps a document an instance.

The contract is ``doc/source/rest.rst``; ``examples/rest`` is such a service.
A few connections are kept, each with one request under way.
"""

import collections
import json
import logging
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import requests

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import (
    base,
    rest_answers,
    rest_document,
    rest_login,
    rest_options,
    rest_session,
    rest_urls,
)

LOG = logging.getLogger(__name__)

#: Seconds after which no request of a batch is begun any more. With the
#: longest that one may take, it is done within settling.GRACE.
_BATCH_TIME = 30.0

#: Bytes of a page of entries.
_PAGE_LIMIT = 32 * 1024 * 1024

#: What a service says that has no list of its entries.
_NO_LIST = frozenset((404, 405, 410, 501))

_ACCEPT = "application/json, application/problem+json"


class RestDirectory(base.Directory):
    """Registers by POST or PUT, unregisters by DELETE or POST."""

    OPTS = rest_options.OPTS

    def __init__(self, options: Any, owner: str) -> None:
        self._options = options
        self._owner = owner
        self._urls = rest_urls.Urls(options, owner)
        self._names = rest_document.Names(options.rename, options.leave_out)
        self._login = rest_login.Login(options)
        self._callers = rest_session.Callers(options, options.connections)
        self._peace_until = float("-inf")
        if options.keyfile and not options.certfile:
            raise base.WrongOption("[rest] keyfile goes with certfile")
        if options.insecure:
            LOG.warning("[rest] insecure: anybody on the way can read along")

    # -- the contract ------------------------------------------------------

    def apply(self, changes: Sequence[base.Change]) -> list[base.Outcome]:
        peace = self._peace_until - time.monotonic()
        if peace > 0:
            asked = base.Unavailable(
                f"{self._options.url} asks to be left alone for {peace:.0f} s",
                peace,
            )
            return [asked] * len(changes)
        try:
            self._renew_login()
        except base.DirectoryUnavailable as error:
            return [base.Unavailable(str(error)) for _ in changes]
        batch = _Batch(changes, time.monotonic() + _BATCH_TIME)
        self._callers.run(
            lambda caller: self._work(caller, batch), len(changes)
        )
        return batch.outcomes()

    def entries(self) -> Iterator[events.HostRecord]:
        if not self._urls.entries:
            raise base.EntriesNotKept(
                "[rest] entries_url is empty: nothing can be compared"
            )
        self._renew_login()
        marker = ""
        while True:
            documents = self._page(marker)
            if not documents:
                return
            for found in documents:
                record = self._record(found)
                if record.instance_uuid <= marker:
                    raise base.DirectoryUnavailable(
                        f"{self._urls.entries}: a page does not go on after"
                        f" marker {marker}: {record.instance_uuid}"
                    )
                marker = record.instance_uuid
                if self._owner_of(found) == self._owner:
                    yield record

    def close(self) -> None:
        self._callers.close()

    # -- writing -----------------------------------------------------------

    def _work(self, caller: rest_session.Caller, batch: "_Batch") -> None:
        """Do changes of a batch as long as there are any."""
        for index, change in batch:
            try:
                request = self._request(change)
            except ValueError:
                batch.settle(index, base.Rejected("its uuid is no UUID"))
                continue
            try:
                answer = caller.call(request, self._login)
            except rest_session.NoAnswer as error:
                batch.settle(
                    index,
                    base.Unavailable(self._login.masked(str(error))),
                    concerns_all=True,
                )
                continue
            batch.settle(
                index,
                self._outcome(request, answer, change),
                rest_answers.concerns_all(answer),
            )

    def _request(self, change: base.Change) -> requests.PreparedRequest:
        """:raises ValueError: the record's uuid is none"""
        options = self._options
        instance_uuid = str(uuid.UUID(change.record.instance_uuid))
        body = b""
        if not change.verb.removes:
            method = options.register_method
            url = self._urls.register(instance_uuid)
            body = rest_document.encoded(
                self._names.theirs(rest_document.document(change, self._owner))
            )
        else:
            method = options.unregister_method
            url = self._urls.unregister(instance_uuid)
            if method == "POST":
                body = rest_document.encoded(
                    self._names.only_uuid(instance_uuid)
                )
        headers = rest_document.metadata(change, self._owner, body)
        headers["Accept"] = _ACCEPT
        if body:
            headers["Content-Type"] = "application/json"
        return self._prepared(method, url, headers, body)

    def _outcome(
        self,
        request: requests.PreparedRequest,
        answer: rest_answers.Answer,
        change: base.Change,
    ) -> base.Outcome:
        wait = rest_answers.retry_after(
            answer, time.time(), self._options.retry_after_max
        )
        if wait and rest_answers.asks_for_peace(answer):
            self._peace_until = time.monotonic() + wait
        if answer.status == 401:
            self._login.forget_token()
        outcome = rest_answers.outcome(
            answer,
            change.verb.removes,
            f"{request.method} {request.url}",
            wait,
        )
        if isinstance(outcome, base.Done):
            return outcome
        masked = self._login.masked(outcome.reason)
        if isinstance(outcome, base.Rejected):
            return base.Rejected(masked)
        return base.Unavailable(masked, outcome.retry_after)

    # -- reading -----------------------------------------------------------

    def _page(self, marker: str) -> list[rest_document.Document]:
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
        answer = self._call_one(request, _PAGE_LIMIT)
        where = f"GET {request.url}: "
        if answer.status in _NO_LIST:
            raise base.EntriesNotKept(f"{where}{answer.status}: there is none")
        if answer.status != 200:
            raise base.DirectoryUnavailable(
                where + self._login.masked(str(answer))
            )
        if not answer.whole:
            raise base.DirectoryUnavailable(
                f"{where}more than {_PAGE_LIMIT} bytes: see [rest] page_size"
            )
        try:
            found = json.loads(answer.body)["instances"]
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise base.DirectoryUnavailable(
                f"{where}no list of instances: {error!r:.200}"
            ) from error
        if not isinstance(found, list) or not all(
            isinstance(one, dict) for one in found
        ):
            raise base.DirectoryUnavailable(f"{where}no list of instances")
        return found

    def _record(self, found: rest_document.Document) -> events.HostRecord:
        try:
            return rest_document.record(self._names.ours(found))
        except (rest_document.NotADocument, KeyError) as error:
            raise base.DirectoryUnavailable(
                f"{self._urls.entries}: {error}"
            ) from error

    def _owner_of(self, found: rest_document.Document) -> Any:
        """Say whose it is: ours, where the service is not told of owners."""
        return self._names.ours(found).get("owner", self._owner)

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
            auth=self._login,
        )
        return request

    def _renew_login(self) -> None:
        """:raises base.DirectoryUnavailable: we do not know who we are"""
        self._login.renew(self._call_one)

    def _call_one(
        self,
        request: requests.PreparedRequest,
        limit: int = rest_session.ANSWER_LIMIT,
    ) -> rest_answers.Answer:
        """:raises base.DirectoryUnavailable: there is no answer"""
        try:
            (answer,) = self._callers.run(
                lambda caller: caller.call(request, self._login, limit), 1
            )
        except rest_session.NoAnswer as error:
            raise base.DirectoryUnavailable(
                self._login.masked(str(error))
            ) from error
        return answer


class _Batch:
    """Changes that several threads take from, and their outcomes.

    :param ends_at: when no more is begun, :func:`time.monotonic`
    """

    def __init__(self, changes: Sequence[base.Change], ends_at: float) -> None:
        self._waiting = collections.deque(enumerate(changes))
        self._outcomes: list[base.Outcome | None] = [None] * len(changes)
        self._ends_at = ends_at
        self._over = threading.Event()
        self._why = base.Unavailable("the service is slow: not begun yet")

    def __iter__(self) -> Iterator[tuple[int, base.Change]]:
        """Take what nobody has taken."""
        while not self._over.is_set() and time.monotonic() < self._ends_at:
            try:
                yield self._waiting.popleft()
            except IndexError:
                return

    def settle(
        self, index: int, outcome: base.Outcome, concerns_all: bool = False
    ) -> None:
        """Note what became of a change.

        :param concerns_all: to begin any other would be in vain
        """
        self._outcomes[index] = outcome
        if concerns_all and isinstance(outcome, base.Unavailable):
            self._why = outcome
            self._over.set()

    def outcomes(self) -> list[base.Outcome]:
        """Give them all; those that were not begun wait."""
        return [outcome or self._why for outcome in self._outcomes]
