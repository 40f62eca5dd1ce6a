# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An event with its place in the outbox, and how it is read from its row."""

import dataclasses
import sqlite3

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import rows

#: Seconds by which the clocks of Nova's hosts and of this one may differ. An
#: event that is further ahead is checked with Nova.
TOLERATED_LEAD = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An event with its place in the outbox.

    :ivar attempts: times that this directory refused it
    :ivar deferrals: times that it was deferred, for any reason
    :ivar set_back: the clock was set back while it waited
    :ivar directory: the only one that it is for; empty: every one
    :ivar unreadable: why its record cannot be read, if it cannot
    :ivar refuted: its time was ahead of the clock here by more than
        :data:`TOLERATED_LEAD`, and that of a later one of its instance was
        not: the clock that it came from is wrong, not ours
    """

    number: int
    event: events.Event
    stored_at: float
    attempts: int = 0
    deferrals: int = 0
    set_back: bool = False
    unreadable: str = ""
    refuted: bool = False
    directory: str = ""

    @property
    def ahead(self) -> float:
        """Seconds by which Nova's clock was ahead when it was stored."""
        return self.event.occurred_at - self.stored_at

    @property
    def happened_at(self) -> float:
        """Epoch seconds by which the events of its instance are ordered.

        Nova's time of the event, whatever the clock here says, unless that is
        known to be wrong.
        """
        return self.stored_at if self.refuted else self.event.occurred_at

    def is_for(self, directory: str) -> bool:
        """Return whether it is for a directory."""
        return self.directory in ("", directory)

    @classmethod
    def from_row(
        cls,
        row: sqlite3.Row,
        attempts: int = 0,
        deferrals: int = 0,
        set_back: bool = False,
    ) -> "Entry":
        """Read a row of the table ``entry`` with its ``remote_address``.

        Whatever is in the row, there is an entry, which may be unreadable.
        """
        instance_uuid = rows.text(row["instance_uuid"])
        record, unreadable = _record(row, instance_uuid)
        if row["remote_address"] and not record.user_remote_address:
            record = dataclasses.replace(
                record, user_remote_address=rows.text(row["remote_address"])
            )
        stored_at = rows.time(row["stored_at"])
        event = events.Event(
            message_id=rows.text(row["message_id"]),
            event_type=rows.text(row["event_type"]),
            verb=row["verb"] if unreadable else events.Verb(row["verb"]),
            occurred_at=rows.time(row["occurred_at"]),
            request_id=rows.text(row["request_id"]),
            record=record,
        )
        return cls(
            row["number"],
            event,
            stored_at,
            attempts,
            deferrals,
            set_back,
            unreadable,
            directory="" if unreadable else row["directory"],
        )

    @classmethod
    def lost(cls, number: int, instance_uuid: str, why: str) -> "Entry":
        """Return an entry of which no more is known."""
        record = events.HostRecord(instance_uuid=instance_uuid)
        event = events.Event(
            message_id="",
            event_type="",
            verb=events.Verb.REFRESH,
            occurred_at=0.0,
            request_id="",
            record=record,
        )
        return cls(number, event, 0.0, unreadable=f"the row is damaged: {why}")


def _record(
    row: sqlite3.Row, instance_uuid: str
) -> tuple[events.HostRecord, str]:
    """Return the record of a row, and why the row cannot be used, if so."""
    bare = events.HostRecord(instance_uuid=instance_uuid)
    try:
        rows.check(row)
        verb = events.Verb(row["verb"])
    except ValueError as error:
        return bare, str(error)
    try:
        record = events.HostRecord.from_json(row["record"])
    except ValueError as error:
        # To unregister, the uuid is enough.
        return bare, "" if verb is events.Verb.UNREGISTER else str(error)
    if record.instance_uuid != instance_uuid:
        return bare, "the row and its record are of two instances"
    return record, ""
