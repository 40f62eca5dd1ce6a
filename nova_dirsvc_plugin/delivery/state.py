# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What all that is known of one instance adds up to. Pure.

Notifications come late, twice, and in any order; what they add up to does
not depend on it: the newest by Nova's own time says how things stand, what
it leaves out the others tell, and an unregister is for ever.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from nova_dirsvc_plugin import events


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """How things stand with an instance.

    :ivar verb: what to ask a directory for
    :ivar record: the instance, as far as it is known
    :ivar as_of: epoch seconds, the time of the news that this rests on
    """

    verb: events.Verb
    record: events.HostRecord
    as_of: float

    @property
    def final(self) -> bool:
        """Whether no news can change it."""
        return self.verb is events.Verb.UNREGISTER


@dataclasses.dataclass(frozen=True, slots=True)
class Unsure:
    """How things stand cannot be told now; the reason says why."""

    reason: str


#: Asks Nova how things stand with some instances, by their uuids; the answer
#: has each of them. Within a bounded time; trouble is an answer.
Ask = Callable[[Sequence[str]], Mapping[str, Standing | Unsure]]


def newest(told: Iterable[events.Event]) -> events.Event | None:
    """Give the event that decides; the same one in whatever order."""
    return max(told, key=_weight, default=None)


def total(told: Iterable[events.Event]) -> Standing | None:
    """Add up what is known of one instance; None when nothing is.

    :param told: events of one instance, in any order
    """
    ranked = sorted(told, key=_weight, reverse=True)
    if not ranked:
        return None
    record = ranked[0].record
    for event in ranked[1:]:
        record = record.completed(event.record)
    return Standing(ranked[0].verb, record, ranked[0].occurred_at)


def _weight(event: events.Event) -> tuple[bool, float, str]:
    """Rank by finality, then by Nova's own time; no two are the same."""
    return (
        event.verb is events.Verb.UNREGISTER,
        event.occurred_at,
        event.message_id,
    )
