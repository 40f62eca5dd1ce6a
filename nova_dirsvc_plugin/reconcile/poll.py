# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Asks Nova for the instances that have changed, and stores what is news.

An event that was lost is made good by that within the interval of the poll;
what leaves no trace in Nova's own row of an instance, a changed address for
example, is not.
"""

import dataclasses
import time
import uuid
from collections.abc import Callable

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import state as merging
from nova_dirsvc_plugin.nova_api import client, listing, names
from nova_dirsvc_plugin.nova_api import summary as nova_summary
from nova_dirsvc_plugin.outbox import admin, queries, runs
from nova_dirsvc_plugin.outbox import repairs as outbox_repairs
from nova_dirsvc_plugin.reconcile import apply

#: The kind of a poll, where the outbox keeps the last.
POLL = "poll"

#: Seconds that a poll looks back beyond the last: Nova's clock may be behind,
#: and what Nova writes is seen only when it is committed.
OVERLAP = 300.0

#: Of the message ids.
_NAMESPACE = uuid.UUID("0f7c2a52-6f0e-5d0b-9d0c-3f2f0a7f3b11")


@dataclasses.dataclass(frozen=True, slots=True)
class Polled:
    """What a poll has found.

    :ivar stored: events
    :ivar why_not_whole: sentences; where there is one, the next poll asks for
        the same time again
    """

    stored: int
    why_not_whole: tuple[str, ...]


class Poller:
    """Polls Nova.

    :param nova: whom to ask
    :param completer: of the names of projects and users
    :param entries: the outbox
    :param repairs: of the same outbox
    :param clock: epoch seconds
    """

    def __init__(
        self,
        nova: client.NovaClient,
        completer: names.Names,
        entries: outbox.Outbox,
        repairs: outbox_repairs.Repairs,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._nova = nova
        self._completer = completer
        self._outbox = entries
        self._repairs = repairs
        self._clock = clock

    def poll(self) -> Polled:
        """Store an event for each change that the outbox does not know.

        :raises connection.NoAnswer: it is not known where Nova is
        :raises outbox.OutboxError: not all is stored
        """
        cloud = self._nova.connection.endpoint()
        last = self._repairs.last_reading(cloud, POLL)
        since = (last.read_at if last else self._clock()) - OVERLAP
        listed = listing.changed_since(self._nova, since)
        stored = 0
        for portion in apply.portions(listed, outbox_repairs.PORTION):
            found = self._news(portion)
            numbers = self._outbox.put_all(found) if found else []
            stored += sum(number is not None for number in numbers)
        summary = listed.summary()
        if summary.whole or last is None:
            self._repairs.note_reading(
                cloud,
                POLL,
                runs.Reading(listed.began_at, summary.instances),
            )
        return Polled(stored, tuple(summary.why_not_whole))

    def _news(
        self, portion: list[events.HostState | nova_summary.Undecided]
    ) -> list[events.Event]:
        found = []
        with admin.OutboxAdmin(self._outbox.path).snapshot() as database:
            for one in portion:
                if isinstance(one, nova_summary.Undecided):
                    continue
                known = queries.latest(database, one.record.instance_uuid)
                record = one.record
                if not one.verb.removes:
                    record = self._completer.complete(record)
                event = news(dataclasses.replace(one, record=record), known)
                if event:
                    found.append(event)
        return found


def news(
    state: events.HostState, known: list[outbox.Entry]
) -> events.Event | None:
    """Return an event if Nova's state is not what the outbox knows.

    The same state after the same entries has the same message id: it is
    stored once, whoever polls.

    :param known: the latest entries of the instance
    """
    latest = ""
    if known:
        merged = merging.merge(known)
        if merged.final or merged.as_of > state.as_of or _same(merged, state):
            return None
        latest = max(known, key=_number).event.message_id
    instance_uuid = state.record.instance_uuid
    what = "" if state.verb.removes else state.record.to_json()
    name = f"{instance_uuid} {latest} {what}"
    return events.Event(
        message_id=str(uuid.uuid5(_NAMESPACE, name)),
        event_type=events.POLL,
        verb=state.verb,
        occurred_at=state.as_of,
        request_id="",
        record=state.record,
    )


def _same(one: events.HostState, other: events.HostState) -> bool:
    """Return whether a directory would have the same of both."""
    if one.verb.removes or other.verb.removes:
        return one.verb.removes and other.verb.removes
    return other.record.completed(one.record) == one.record


def _number(entry: outbox.Entry) -> int:
    return entry.number
