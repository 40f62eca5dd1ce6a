# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Looks up the entries of a batch before they are changed.

389 DS pays for a write that it refuses ten times what it pays for one that it
takes. What may be there, or may be gone, is therefore looked up first: some
entries by one search, some searches at a time, while writes are in flight.
"""

import collections
import dataclasses
import math
import time
from collections.abc import Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import (
    connection,
    pipeline,
    reading,
    request,
)

#: Searches in flight: their answers fit into the buffers of a connection.
_SEARCHES = 8

#: Seconds that a server may search for entries whose DN is known, too, and
#: for which they are read one by one if it did not give them.
_LIMIT = 1
_ONE_BY_ONE = 300.0

#: Seconds for which a look at the next batch tells what to write. That batch
#: need not come, and a delete has no condition but what was read.
_AHEAD = 5.0


@dataclasses.dataclass(slots=True)
class _Search:
    """A search for some entries.

    :ivar ticket: None until it is sent
    :ivar found: None until it is answered, and where it is not
    """

    uuids: Sequence[str]
    names: Sequence[str]
    ticket: connection.Ticket | None = None
    ended: bool = False
    found: dict[str, reading.Entries] | None = None


class LookUp:
    """The searches of one batch.

    :param connected: open
    :ivar session: of the connection that they are sent over
    :ivar refused: the server gives no answers to such searches
    """

    def __init__(
        self, connected: connection.Connection, entries: reading.Reading
    ) -> None:
        self._connection = connected
        self._reading = entries
        self._searches: dict[str, _Search] = {}
        self._waiting: collections.deque[_Search] = collections.deque()
        self._flying: collections.deque[_Search] = collections.deque()
        self.session = connected.session
        self.refused = False
        self._began_at = time.monotonic()

    @property
    def is_usable(self) -> bool:
        """Whether it tells another batch what to write."""
        return (
            self.session == self._connection.session
            and time.monotonic() - self._began_at <= _AHEAD
        )

    def add(self, states: Sequence[events.HostState]) -> None:
        """Ask for the entries that states are about, if a look is due.

        That of a new instance is not looked for. One alone is read by its
        DN, which needs no search.
        """
        for names in (request.TO_REMOVE, request.WHOLE):
            uuids = [
                state.record.instance_uuid
                for state in states
                if _names(state) is names
                and state.record.instance_uuid not in self._searches
            ]
            if len(uuids) < 2:
                continue
            for start in range(0, len(uuids), reading.FIND_SIZE):
                some = uuids[start : start + reading.FIND_SIZE]
                search = _Search(some, names)
                self._searches |= dict.fromkeys(some, search)
                self._waiting.append(search)
        self._send()

    def found(self, state: events.HostState) -> reading.Entries | None:
        """Return the entries of an instance, by their DN.

        :returns: None where they were not looked for, or not found out
        :raises pipeline.Broken: the connection has ended
        """
        search = self._searches.get(state.record.instance_uuid)
        if search is None or (
            search.names is not request.WHOLE and not state.verb.removes
        ):
            return None
        while not search.ended:
            self._receive()
        if search.found is None:
            return None
        return search.found.get(state.record.instance_uuid, {})

    def drop(self) -> None:
        """Do without the answers that have not come."""
        self._waiting.clear()
        while self._flying:
            search = self._flying.popleft()
            search.ended = True
            if search.ticket:
                self._connection.abandon(search.ticket)

    def _send(self) -> None:
        while self._waiting and len(self._flying) < _SEARCHES:
            search = self._waiting.popleft()
            try:
                search.ticket = self._reading.ask(
                    search.uuids, search.names, _LIMIT
                )
            except base.DirectoryUnavailable:
                # Its answer is an error, too.
                search.ticket = None
            self._flying.append(search)

    def _receive(self) -> None:
        search = self._flying.popleft()
        search.ended = True
        self._send()
        try:
            search.found = self._answer(search)
        except base.DirectoryUnavailable as error:
            is_open = self._connection.is_open()
            # Some servers do not give up by themselves.
            self.refused = is_open or bool(self._connection.failing)
            for other in self._searches.values():
                other.ended = True
            self.drop()
            if not is_open:
                raise pipeline.Broken(str(error)) from error

    def _answer(self, search: _Search) -> dict[str, reading.Entries]:
        if search.ticket is None:
            raise base.DirectoryUnavailable("the search could not be sent")
        try:
            return self._reading.answer(search.ticket)
        except connection.TooMany:
            half = (len(search.uuids) + 1) // 2
            return self._reading.by_uuid(
                search.uuids, search.names, half, _LIMIT
            )


class LookUps:
    """The look-ups of a driver: of this batch, and of the next."""

    def __init__(
        self, connected: connection.Connection, entries: reading.Reading
    ) -> None:
        self._connection = connected
        self._reading = entries
        self._ahead: LookUp | None = None
        self._search_at = -math.inf

    def begin(self, states: Sequence[events.HostState]) -> LookUp:
        """Return the look-up of a batch; the connection is open."""
        ahead, self._ahead = self._ahead, None
        if ahead and ahead.is_usable:
            look = ahead
        else:
            if ahead:
                ahead.drop()
            look = LookUp(self._connection, self._reading)
        if time.monotonic() >= self._search_at:
            look.add(states)
        return look

    def look_ahead(self, states: Sequence[events.HostState]) -> None:
        """Send the searches of the next batch, if there is time for that."""
        ahead, self._ahead = self._ahead, None
        if ahead:
            ahead.drop()
        if (
            self._connection.is_open()
            and self._connection.may_send()
            and time.monotonic() >= self._search_at
        ):
            self._ahead = LookUp(self._connection, self._reading)
            self._ahead.add(states)

    def end(self, look: LookUp) -> None:
        """End a batch: read one by one for a while where it was refused."""
        look.drop()
        if look.refused:
            self._search_at = time.monotonic() + _ONE_BY_ONE


def _names(state: events.HostState) -> Sequence[str]:
    """Return what is read of the entry that a state is about.

    Others may restore an instance that is removed for a time only: its entry
    is read just before.
    """
    match state.verb:
        case events.Verb.UNREGISTER:
            return request.TO_REMOVE
        case events.Verb.SOFT_UNREGISTER:
            return ()
        case events.Verb.REGISTER if not state.known:
            return ()
        case _:
            return request.WHOLE
