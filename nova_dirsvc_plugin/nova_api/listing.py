# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads all instances of Nova, page by page, and says whether that was all.

A list in pages leaves out the instances of a cell that is down, without a
word, and one without pages ends at Nova's ``max_limit``. That an instance is
absent from a list never means that it is gone. Whether a cell is down is
asked before and after.
"""

import dataclasses
import datetime
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import values
from nova_dirsvc_plugin.nova_api import (
    cells,
    client,
    connection,
    pending,
    server,
)
from nova_dirsvc_plugin.nova_api.summary import Summary, Undecided

LOG = logging.getLogger(__name__)

#: Instances on a page, at most.
PAGE = 500

#: Seconds for a page. Nova itself waits 60 for a cell that does not answer.
PAGE_LIMIT = 90.0

#: Malformed values that are logged.
MOST_WARNINGS = 10

Item = events.HostState | Undecided


def _no_progress(count: int) -> None:
    """Show nothing."""


class Listing:
    """A reading: to be iterated once, with its summary after that.

    Whatever Nova answers, and if it answers nothing, the iteration ends
    without an error. A state is as of the moment before its page was asked
    for. None is final: Nova is to be asked for an instance itself before its
    entry is removed.

    :param query: of the list, besides all projects and pages
    :param expected: number of instances; fewer than half are not whole
    :param progress: called with the number of instances after each page
    :param names: of projects and users
    :ivar began_at: epoch seconds, by Nova's clock once it has answered
    """

    def __init__(
        self,
        nova: client.NovaClient,
        query: Mapping[str, str],
        expected: int = 0,
        progress: Callable[[int], None] = _no_progress,
        page_limit: float = PAGE_LIMIT,
        names: server.Names = server.no_names,
    ) -> None:
        self._connection = nova.connection
        self._clock = nova.clock
        self._query = {"all_tenants": "1", "limit": str(PAGE), **query}
        self._expected = expected
        self._progress = progress
        self._page_limit = page_limit
        self._names = names
        self._started_at = self.began_at = self._clock()
        self._why_not_whole: list[str] = []
        self._has_ended = False
        self._seen: set[bytes] = set()
        self._warnings = 0
        self._cloud = ""

    def __iter__(self) -> Iterator[Item]:
        try:
            self._check_services()
            yield from self._pages()
            self._check_services()
            self._check_count()
        except connection.NoAnswer as reason:
            self._doubt(str(reason))
        self._has_ended = True
        if self._warnings > MOST_WARNINGS:
            LOG.warning(
                "Nova's list: %d more values ignored",
                self._warnings - MOST_WARNINGS,
            )

    def summary(self) -> Summary:
        """Return what the reading was, as far as it has come."""
        why = self._why_not_whole
        if not self._has_ended:
            why = [*why, "the reading has not come to its end"]
        return Summary(
            self._started_at, len(self._seen), tuple(why), self._cloud
        )

    def _doubt(self, why: str) -> None:
        if why not in self._why_not_whole:
            self._why_not_whole.append(why)

    # -- the pages ---------------------------------------------------------

    def _pages(self) -> Iterator[Item]:
        number = 1
        page = self._ask("page 1", "/servers/detail", self._query)
        while True:
            servers = page.answer().body.get("servers")
            if not isinstance(servers, list):
                raise page.refused(
                    "the answer has no list of instances: check for a proxy"
                    " between this host and nova-api"
                )
            # Only an empty page is the last: Nova leaves out what it has
            # found twice, and may have a lower limit than this one.
            if not servers:
                return
            fresh = self._fresh(servers, number)
            as_of = page.as_of()
            number += 1
            # Nova makes it while this one is used.
            page = self._ask(
                f"page {number}",
                "/servers/detail",
                self._query | {"marker": fresh[-1]["id"]},
            )
            for one in fresh:
                yield self._item(one, as_of)
            self._progress(len(self._seen))

    def _fresh(
        self, servers: Sequence[Any], number: int
    ) -> Sequence[Mapping[str, Any]]:
        """Return the instances of a page that no page had before.

        :raises NoAnswer: there are none, so that it would go on for ever
        """
        fresh = []
        for one in servers:
            uuid = one.get("id") if isinstance(one, dict) else None
            if not uuid or values.canonical_uuid(uuid) != uuid:
                self._doubt(
                    f"page {number} has an instance whose uuid is"
                    f" {values.for_log(uuid)}"
                )
                continue
            key = bytes.fromhex(uuid.replace("-", ""))
            if key in self._seen:
                self._doubt(f"page {number} repeats instance {uuid}")
                continue
            self._seen.add(key)
            fresh.append(one)
        if not fresh:
            raise connection.NoAnswer(
                f"page {number} has no instance that was not there before:"
                " check for a proxy between this host and nova-api"
            )
        return fresh

    def _item(self, one: Mapping[str, Any], as_of: float) -> Item:
        uuid: str = one["id"]
        if one.get("status") == "UNKNOWN":
            self._doubt("Nova does not know some instances: a cell is down")
        elif server.COMPUTE_HOST not in one:
            self._doubt(
                "the list shows no compute hosts: give the account of"
                f" [{client.GROUP}] the role admin"
            )
        try:
            state = server.state_of(uuid, one, as_of, self._warn, self._names)
        except events.StateUnknown as unknown:
            return Undecided(uuid, str(unknown))
        except Exception as error:
            self._warn(f"instance {uuid}: {error!r}")
            return Undecided(uuid, "Nova's answer was not understood")
        if state.final:
            verb = events.Verb.SOFT_UNREGISTER
            return dataclasses.replace(state, verb=verb)
        return state

    def _warn(self, what: str) -> None:
        self._warnings += 1
        if self._warnings <= MOST_WARNINGS:
            LOG.warning("Nova's list: value ignored: %s", what)

    # -- whether that was all ----------------------------------------------

    def _check_services(self) -> None:
        """See that no cell is down, and that the account sees everything.

        :raises NoAnswer: Nova does not answer
        """
        asked = self._ask("the list of services", client.SERVICES, {})
        body = asked.answer().body
        if not self._cloud:
            self.began_at = asked.as_of()
        if not self._connection.tells_down_cells:
            self._doubt(
                "Nova's API is older than 2.69: it does not say whether a"
                " cell is down"
            )
        try:
            cells.check(body)
        except events.StateUndecided as down:
            self._doubt(str(down))
        except events.StateUnknown as unknown:
            raise connection.NoAnswer(str(unknown)) from unknown
        self._check_cloud()

    def _check_cloud(self) -> None:
        found = self._connection.endpoint()
        if self._cloud and found != self._cloud:
            self._doubt(f"the endpoint of Nova is another one now: {found}")
        self._cloud = found

    def _check_count(self) -> None:
        found = len(self._seen)
        if found * 2 < self._expected:
            self._doubt(
                f"Nova lists {found} instances, fewer than half of the"
                f" {self._expected} that were expected"
            )

    def _ask(
        self, what: str, path: str, query: Mapping[str, str]
    ) -> pending.PendingRequest:
        return pending.PendingRequest(
            self._connection, self._clock, what, path, query, self._page_limit
        )


def read(
    nova: client.NovaClient,
    expected: int = 0,
    progress: Callable[[int], None] = _no_progress,
    names: server.Names = server.no_names,
) -> Listing:
    """Read all instances of all projects, the soft-deleted ones, too.

    :param expected: number of instances; fewer than half are not whole
    :param progress: called with the number of instances after each page
    :param names: of projects and users
    """
    return Listing(
        nova, {"soft_deleted": "1"}, expected, progress, names=names
    )


def changed_since(nova: client.NovaClient, since: float) -> Listing:
    """Read the instances whose row in Nova has changed, the deleted ones, too.

    Addresses are not in that row.

    :param since: epoch seconds
    """
    moment = datetime.datetime.fromtimestamp(since, datetime.UTC)
    return Listing(nova, {"changes-since": f"{moment:%Y-%m-%dT%H:%M:%SZ}"})
