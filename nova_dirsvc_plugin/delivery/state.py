# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Merges the events of one instance into its state. Pure.

Notifications come late, twice, and in any order; the state does not depend
on that: the latest event by Nova's own time decides, the others fill in what
it leaves out, and an unregister is final.
"""

import math
from collections.abc import Iterable

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import entry as outbox_entry
from nova_dirsvc_plugin.outbox import summary


def latest(news: Iterable[outbox_entry.Entry]) -> outbox_entry.Entry:
    """Return the entry whose event decides, whatever the order.

    :raises ValueError: there is no entry
    """
    return max(news, key=summary.rank)


def merge(
    news: Iterable[outbox_entry.Entry], horizon: float = math.inf
) -> events.HostState:
    """Return the state of one instance.

    It is as of the latest of them, by Nova's time: where one was ahead, a
    directory may have that time already. A malformed one may have a year
    before 1, or of fewer than four digits, that no driver could write.

    :param news: entries of that instance, in any order, at least one
    :param horizon: epoch seconds, the latest time that it may be as of
    :raises ValueError: there is no entry
    """
    ranked = [
        entry.event for entry in sorted(news, key=summary.rank, reverse=True)
    ]
    if not ranked:
        raise ValueError("no events to merge")
    record = ranked[0].record
    for event in ranked[1:]:
        record = record.completed(event.record)
    as_of = max(event.occurred_at for event in ranked)
    as_of = max(0.0, min(as_of, horizon))
    return events.HostState(ranked[0].verb, record, as_of)
