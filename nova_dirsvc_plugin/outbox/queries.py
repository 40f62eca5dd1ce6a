# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads from an outbox what an operator wants to see; writes nothing."""

import dataclasses
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from nova_dirsvc_plugin.outbox import counts, sql
from nova_dirsvc_plugin.outbox.entry import Entry
from nova_dirsvc_plugin.outbox.values import State

#: More than any outbox has.
_ALL = 2**62

EVERY = frozenset(State)
FINAL = frozenset(state for state in State if state.final)
OPEN = EVERY - FINAL
_RANKS = {state: rank for rank, state in enumerate(State)}


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """One line of a listing: an entry and a directory, or what is parked.

    :ivar number: the entry's, or if it is parked, of a count of its own
    :ivar deferred_at: epoch seconds, as stored; None where there is none
    :ivar not_before: likewise
    """

    number: int
    directory: str
    state: State
    verb: str
    event_type: str
    instance_uuid: str
    attempts: int
    stored_at: float
    deferred_at: float | None
    not_before: float | None
    reason: str

    def next_try(self, now: float) -> float | None:
        """Return when it is tried next, epoch seconds; None: at no set time.

        A wait that began at a time that is still to come is over
        (``sql.DUE_SET_BACK``).
        """
        if self.state not in (State.DEFERRED, State.CONFIRM):
            return None
        if (self.deferred_at or 0.0) > now:
            return now
        return max(self.not_before or 0.0, now)


@dataclasses.dataclass(frozen=True, slots=True)
class ParkedItem:
    """A parked notification.

    :ivar notification: as it was stored, or the text if that is no JSON
    """

    number: int
    message_id: str
    event_type: str
    instance_uuid: str
    stored_at: float
    reason: str
    notification: Mapping[str, Any] | str


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """What was done about an entry, and how often.

    :ivar state: the state that the entry got, or *parked*
    :ivar first_at: epoch seconds
    """

    directory: str
    state: str
    reason: str
    times: int
    first_at: float
    last_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Happening:
    """One line of an instance's history.

    :ivar at: epoch seconds, the first time
    :ivar until: the last time
    :ivar number: of the entry, or of what is parked
    :ivar what: *stored*, or the state that the entry got
    :ivar occurred_at: by Nova's clock; of what is stored only
    """

    at: float
    until: float
    number: int
    what: str
    directory: str
    verb: str
    event_type: str
    request_id: str
    occurred_at: float | None
    times: int
    reason: str


def directories(database: sqlite3.Connection) -> list[str]:
    """Return the names of those that were ever delivered to from here."""
    return [row["directory"] for row in database.execute(sql.DIRECTORIES)]


def items(
    database: sqlite3.Connection,
    names: Iterable[str],
    states: Collection[State] = OPEN,
    *,
    number: int | None = None,
    instance_uuid: str = "",
    limit: int | None = None,
) -> list[Item]:
    """List the states of entries with some directories.

    :param names: the directories
    :param number: of one entry; None for all, and what is parked
    :param limit: lines, at most; the first in the order of :class:`State`
    """
    values: dict[str, str | int] = {
        "states": json.dumps([state.value for state in states]),
        "instance": instance_uuid,
        "first": 0 if number is None else number,
        "last": _ALL if number is None else number,
        "limit": _ALL if limit is None else limit,
    }
    open_items = sql.ITEMS_OF_INSTANCE if instance_uuid else sql.ITEMS
    found: list[Item] = []
    if State.PARKED in states and number is None:
        found += _items(database, sql.ITEMS_PARKED, values)
    for name in names:
        values |= {
            "directory": name,
            "position": counts.position(database, name),
        }
        for state in set(states) - FINAL - {State.PARKED}:
            found += _items(database, open_items, values | {"state": state})
        if State.WAITING in states:
            found += _items(database, sql.ITEMS_FRESH, values)
        if any(state.final for state in states):
            found += _items(database, sql.ITEMS_FINAL, values)
    found.sort(key=_place)
    return found[:limit]


def _place(item: Item) -> tuple[int, int, str]:
    return _RANKS[item.state], item.number, item.directory


def last_buried(
    database: sqlite3.Connection, directory: str, limit: int
) -> list[Item]:
    """Return what a directory refused for good, the latest refusal first."""
    values: dict[str, str | int] = {
        "directory": directory,
        "state": State.BURIED.value,
        "instance": "",
        "first": 0,
        "last": _ALL,
        "limit": limit,
    }
    return list(_items(database, sql.ITEMS_LATEST, values))


def _items(
    database: sqlite3.Connection,
    statement: str,
    values: Mapping[str, str | int],
) -> Iterator[Item]:
    instance = "e.instance_uuid = :instance" if values["instance"] else "TRUE"
    for row in database.execute(statement.format(instance=instance), values):
        yield Item(**dict(row) | {"state": State(row["state"])})


def entry(database: sqlite3.Connection, number: int) -> Entry | None:
    """Return one entry, without any directory's counts."""
    row = database.execute(sql.ENTRY, (number,)).fetchone()
    return None if row is None else Entry.from_row(row)


def latest(
    database: sqlite3.Connection, instance_uuid: str, limit: int = 64
) -> list[Entry]:
    """Return the latest events of an instance that every directory gets.

    What cannot be read is left out.
    """
    values = (instance_uuid, limit)
    found = map(
        Entry.from_row, database.execute(sql.LATEST_OF_INSTANCE, values)
    )
    return [entry for entry in found if not entry.unreadable]


def repair(database: sqlite3.Connection, message_id: str) -> Mapping[str, Any]:
    """Return the run of a repair, what it changes, and what was before.

    :returns: empty for what is no repair
    """
    row = database.execute(sql.REPAIR, (message_id,)).fetchone()
    if row is None:
        return {}
    return dict(row) | {
        name: _json(row[name]) for name in ("attributes", "before")
    }


def parked(database: sqlite3.Connection, number: int) -> ParkedItem | None:
    """Return one parked notification."""
    row = database.execute(sql.PARKED, (number,)).fetchone()
    if row is None:
        return None
    notification = _decoded(row["notification"])
    return ParkedItem(**dict(row) | {"notification": notification})


def journal(database: sqlite3.Connection, number: int) -> list[Note]:
    """Return what was done about an entry, oldest first."""
    return [Note(**row) for row in database.execute(sql.JOURNAL, (number,))]


def history(
    database: sqlite3.Connection, instance_uuid: str
) -> list[Happening]:
    """Return all that is known of an instance, oldest first."""
    values = {"instance_uuid": instance_uuid}
    found = [
        Happening(**row)
        for row in database.execute(sql.HISTORY_OF_INSTANCE, values)
    ] + [
        Happening(
            at=row["stored_at"],
            until=row["stored_at"],
            number=row["number"],
            what=State.PARKED.value,
            directory="",
            verb="",
            event_type=row["event_type"],
            request_id=_request_id(row["notification"]),
            occurred_at=None,
            times=1,
            reason=row["reason"],
        )
        for row in database.execute(sql.PARKED_OF_INSTANCE, values)
    ]
    # Within one moment, too, an entry is stored before anything is done.
    return sorted(
        found,
        key=lambda one: (one.at, one.number, one.what != "stored", one.until),
    )


def _decoded(text: object) -> Mapping[str, Any] | str:
    found = _json(text)
    return found if isinstance(found, dict) else str(text)


def _json(text: object) -> Any:
    """Decode JSON; return anything else unchanged."""
    try:
        return json.loads(str(text))
    except ValueError:
        return str(text)


def _request_id(notification: str) -> str:
    """Return the id of the request that a parked notification is of."""
    try:
        found = json.loads(notification)
        return str((found.get("ctxt") or {}).get("request_id") or "")
    except (ValueError, AttributeError):
        return ""
