# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Merges the events of one instance into its state. Pure.

Notifications come late, twice, and in any order; the state does not depend
on that: the latest event by Nova's own time decides, the others fill in what
it leaves out, and an unregister is final.
"""

from collections.abc import Iterable

from nova_dirsvc_plugin import events


def latest(news: Iterable[events.Event]) -> events.Event:
    """Return the event that decides, whatever the order.

    :raises ValueError: there is no event
    """
    return max(news, key=_rank)


def merge(news: Iterable[events.Event]) -> events.HostState:
    """Return the state of one instance.

    :param news: events of that instance, in any order, at least one
    :raises ValueError: there is no event
    """
    ranked = sorted(news, key=_rank, reverse=True)
    if not ranked:
        raise ValueError("no events to merge")
    decisive = ranked[0]
    record = decisive.record
    for event in ranked[1:]:
        record = record.completed(event.record)
    return events.HostState(decisive.verb, record, decisive.occurred_at)


def _rank(event: events.Event) -> tuple[bool, float, str]:
    """Rank by finality, then by Nova's own time; no two are equal."""
    return (
        event.verb is events.Verb.UNREGISTER,
        event.occurred_at,
        event.message_id,
    )
