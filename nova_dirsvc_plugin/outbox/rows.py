# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Events as rows of the outbox, and back."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox.values import Entry, Parked


def of_event(event: events.Event, now: float) -> tuple[Any, ...]:
    """Give the values of ``sql.STORE``."""
    return (
        event.message_id,
        event.event_type,
        event.verb.value,
        event.instance_uuid,
        event.occurred_at,
        now,
        event.request_id,
        event.record.to_json(),
    )


def of_parked(parked: Parked, now: float) -> tuple[Any, ...]:
    """Give the values of ``sql.PARK``."""
    return (
        str(parked.notification.get("message_id") or "") or None,
        str(parked.notification.get("event_type")),
        parked.instance_uuid,
        now,
        parked.reason,
        json.dumps(parked.notification, default=repr),
    )


def entry(row: Sequence[Any], attempts: int = 0, deferrals: int = 0) -> Entry:
    """Read the columns of ``sql.HISTORY``, as far as the address."""
    (number, message_id, event_type, verb, occurred_at, request_id) = row[:6]
    (instance_uuid, stored, stored_at, remote_address) = row[6:10]
    unreadable = ""
    record = events.HostRecord(instance_uuid=instance_uuid)
    try:
        verb = events.Verb(verb)
        record = events.HostRecord.from_json(stored)
    except (ValueError, TypeError) as error:
        # To unregister, the uuid is enough.
        unreadable = "" if verb is events.Verb.UNREGISTER else str(error)
    if remote_address and not record.user_remote_address:
        record = dataclasses.replace(
            record, user_remote_address=remote_address
        )
    event = events.Event(
        message_id=message_id,
        event_type=event_type,
        verb=verb,
        # Whatever a clock elsewhere says: it was stored after it happened.
        occurred_at=min(occurred_at, stored_at),
        request_id=request_id,
        record=record,
    )
    return Entry(number, event, stored_at, attempts, deferrals, unreadable)
