# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads all instances of Nova, page by page, and says whether that was all.

A list in pages leaves out the instances of a cell that is down, without a
word, and one without pages ends at Nova's ``max_limit``. So that an instance
is absent from a list never means that it is gone. Whether a cell is down is
asked before and after.
"""

import datetime
import logging
from collections.abc import Callable, Iterator, Mapping

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import client
from nova_dirsvc_plugin.nova_api import summary as nova_summary

LOG = logging.getLogger(__name__)

#: Instances on a page, at most.
PAGE = 500

#: Seconds for a page. Nova itself waits 60 for a cell that does not answer.
PAGE_LIMIT = 90.0

#: Malformed values that are logged one by one.
MOST_WARNINGS = 10


Summary = nova_summary.Summary
Undecided = nova_summary.Undecided


class _Failed(Exception):
    """The reading cannot go on; the message says why."""


def _no_progress(count: int) -> None:
    """Show nothing."""


class Listing:
    """A reading: to be iterated once, with its summary after that.

    Whatever Nova answers, and when it does not, the iteration ends without
    an error. A state is as of the moment before its page was asked for.

    :param query: of the list, besides all projects and pages
    :param expected: number of instances; fewer than half are not whole
    :param progress: called with the number of instances after each page
    """

    def __init__(
        self,
        nova: client.NovaClient,
        query: Mapping[str, str],
        expected: int = 0,
        progress: Callable[[int], None] = _no_progress,
    ) -> None:
        self._nova = nova
        self._query = {"all_tenants": "1", "limit": str(PAGE), **query}
        self._expected = expected
        self._progress = progress
        self._started_at = nova.clock()
        self._why_not_whole = {"the reading has not ended": True}
        self._seen: set[bytes] = set()
        self._warnings = 0
        self._cloud = ""

    def __iter__(self) -> Iterator[events.HostState | Undecided]:
        raise NotImplementedError

    def summary(self) -> Summary:
        """Return what the reading was, as far as it has come."""
        return Summary(
            self._started_at,
            len(self._seen),
            tuple(self._why_not_whole),
            self._cloud,
        )


def read(
    nova: client.NovaClient,
    expected: int = 0,
    progress: Callable[[int], None] = _no_progress,
) -> Listing:
    """Read all instances of all projects, the soft-deleted ones, too."""
    return Listing(nova, {"soft_deleted": "1"}, expected, progress)


def changed_since(nova: client.NovaClient, since: float) -> Listing:
    """Read the instances whose row in Nova has changed, the deleted ones, too.

    Addresses are not in that row.

    :param since: epoch seconds
    """
    moment = datetime.datetime.fromtimestamp(since, datetime.UTC)
    return Listing(nova, {"changes-since": f"{moment:%Y-%m-%dT%H:%M:%SZ}"})
