# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads entries below the container, with all that they have."""

import collections
import dataclasses
import re
from collections.abc import Iterator, Sequence

from ldap import dn as ldap_dn
from ldap import filter as ldap_filter
from ldap.controls import SimplePagedResultsControl

from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import connection, request
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry

_PAGE_SIZE = 1000

#: Uuids of one search that reads whole entries: 389 DS looks up each.
FIND_SIZE = 16

#: What 389 DS gives an entry whose name was added on two suppliers at once.
_CONFLICT = "nsds5ReplConflict"

#: All that an entry has. Naming ours, too, would take 389 DS a third longer.
_ALL = ("*", _CONFLICT)

#: A name in lower case -> as the schema has it; 389 DS gives the name by
#: which somebody wrote the values.
_SPELLING = {
    name.lower(): name
    for name in (*ldap_entry.MANAGED, ldap_entry.AS_OF, _CONFLICT)
}
_SPELT = frozenset(_SPELLING.values())

#: It hides such an entry from a search that does not name this class.
_HIDDEN = f"(&(objectClass=ldapSubEntry)({_CONFLICT}=*)({ldap_entry.RDN}=*))"

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Entries of hosts, whoever has made them.
_HOSTS = (
    "(|(objectClass=novaInstance)(objectClass=ipHost)"
    "(objectClass=ieee802Device))"
)

#: DN -> entry
Entries = dict[str, ldap_entry.Attributes]


class Reading:
    """Reads the entries below one container.

    :param connected: open, before anything is read
    :param tree: the DN of the container
    :param owner: the owner mark
    """

    def __init__(
        self, connected: connection.Connection, tree: str, owner: str
    ) -> None:
        self._connection = connected
        self._owner = owner
        self._usual = f"{ldap_entry.RDN}=".lower(), f",{tree}".lower()
        self._above = _parts(tree)

    def ours(self) -> Iterator[base.Entry]:
        """Read each entry that carries our mark.

        :raises DirectoryUnavailable: not all of them could be read
        """
        condition = ldap_filter.filter_format(
            f"(&(objectClass=novaInstance)({ldap_entry.OWNER_MARK}=%s))",
            [self._owner],
        )
        for one in self._pages(condition):
            # The filter takes any case for ours.
            mine = {
                dn: entry for dn, entry in one.items() if self._is_ours(entry)
            }
            yield from self._judged(mine)
        for dn, entry in self._hidden():
            if self._is_ours(entry):
                yield as_entry(dn, entry, "")

    def of(self, uuids: Sequence[str]) -> Iterator[base.Entry]:
        """Read the entries of instances, whatever their mark.

        :raises DirectoryUnavailable: not all of them could be read
        """
        for start in range(0, len(uuids), FIND_SIZE):
            some = uuids[start : start + FIND_SIZE]
            for found in self.by_uuid(some, _ALL, FIND_SIZE).values():
                for dn, entry in found.items():
                    yield as_entry(dn, entry, self._conflict(dn, entry, found))
        wanted = set(uuids)
        for dn, entry in self._hidden():
            if _uuid(dn, entry) in wanted:
                yield as_entry(dn, entry, "")

    def others(self) -> Iterator[base.Entry]:
        """Read the entries of hosts that do not carry our mark.

        :raises DirectoryUnavailable: not all of them could be read
        """
        for found in self._pages(_HOSTS):
            for dn, entry in found.items():
                if self._is_ours(entry):
                    continue
                made = as_entry(dn, entry, "")
                if not entry.get(ldap_entry.RDN) and not entry.get(_CONFLICT):
                    # It need not have one.
                    made = dataclasses.replace(made, conflict="")
                yield made

    def by_uuid(
        self,
        uuids: Sequence[str],
        names: Sequence[str],
        at_a_time: int,
        seconds: int = -1,
    ) -> dict[str, Entries]:
        """Look entries up by their uuids.

        :param names: the attributes to read
        :param at_a_time: fewer, where the server limits an answer
        :param seconds: after which the server is to give up; -1: as it likes
        :raises DirectoryUnavailable: they cannot be read now
        """
        found: dict[str, Entries] = {}
        for start in range(0, len(uuids), at_a_time):
            some = uuids[start : start + at_a_time]
            try:
                found |= self.answer(self.ask(some, names, seconds))
            except connection.TooMany as error:
                if len(some) == 1:
                    raise base.DirectoryUnavailable(str(error)) from error
                half = (len(some) + 1) // 2
                found |= self.by_uuid(some, names, half, seconds)
        return found

    def ask(
        self, uuids: Sequence[str], names: Sequence[str], seconds: int = -1
    ) -> connection.Ticket:
        """Ask for entries by their uuids; see :meth:`by_uuid`.

        :raises DirectoryUnavailable: that cannot be sent
        """
        condition = ldap_filter.filter_format(
            f"(|{f'({ldap_entry.RDN}=%s)' * len(uuids)})", uuids
        )
        return self._connection.ask(condition, names, seconds=seconds)

    def answer(self, ticket: connection.Ticket) -> dict[str, Entries]:
        """Wait for the entries that were asked for.

        :raises connection.TooMany: the server gives fewer at a time
        :raises DirectoryUnavailable: they cannot be read now
        """
        found: dict[str, Entries] = collections.defaultdict(dict)
        for dn, entry in self._connection.answer(ticket)[0].items():
            spelt = _spelt(entry)
            found[_uuid(dn, spelt)][dn] = spelt
        return found

    def _pages(self, condition: str) -> Iterator[Entries]:
        page = SimplePagedResultsControl(True, _PAGE_SIZE, "")
        session = self._connection.session
        while True:
            if self._connection.session != session:
                raise base.DirectoryUnavailable(
                    "the connection was made anew while entries were read"
                )
            try:
                found, answers = self._connection.search(condition, _ALL, page)
            except connection.TooMany as error:
                raise base.DirectoryUnavailable(
                    f"{error}: the server limits what it gives to [ldap] user"
                ) from error
            yield {dn: _spelt(entry) for dn, entry in found.items()}
            cookies = [
                answer.cookie
                for answer in answers
                if answer.controlType == page.controlType
            ]
            if not cookies:
                raise base.DirectoryUnavailable(
                    "the server does not say whether a page is the last one"
                )
            (page.cookie,) = cookies
            if not page.cookie:
                return

    def _hidden(self) -> Iterator[tuple[str, ldap_entry.Attributes]]:
        for found in self._pages(_HIDDEN):
            yield from found.items()

    def _is_ours(self, entry: ldap_entry.Attributes) -> bool:
        return ldap_entry.owner_of(entry) == self._owner

    def _judged(self, found: Entries) -> Iterator[base.Entry]:
        """Read entries; of those that were renamed, see if there are more."""
        elsewhere = []
        for dn, entry in found.items():
            if self._is_at_its_dn(dn, _uuid(dn, entry)):
                yield as_entry(dn, entry, "")
            else:
                elsewhere.append(dn)
        namesakes = self.by_uuid(
            list({_uuid(dn, found[dn]) for dn in elsewhere}),
            request.TO_REMOVE,
            FIND_SIZE,
        )
        for dn in elsewhere:
            entry = found[dn]
            others = namesakes[_uuid(dn, entry)]
            yield as_entry(dn, entry, self._conflict(dn, entry, others))

    def _conflict(
        self, dn: str, entry: ldap_entry.Attributes, found: Entries
    ) -> str:
        """Return why an entry of ours is not the one that we would change.

        :param found: all that have its uuid
        """
        uuid = _uuid(dn, entry)
        if not self._is_ours(entry) or self._is_at_its_dn(dn, uuid):
            return ""
        others = [
            other
            for other, attributes in found.items()
            if other.lower() != dn.lower()
            and (self._is_ours(attributes) or self._is_at_its_dn(other, uuid))
        ]
        if others:
            return f"another entry has this uuid: {'; '.join(others)}"
        return ""

    def _is_at_its_dn(self, dn: str, uuid: str) -> bool:
        if dn.lower() == uuid.join(self._usual):
            return True
        name, *above = _parts(dn)
        return name == [(ldap_entry.RDN.lower(), uuid)] and (
            above == self._above
        )


def _parts(dn: str) -> list[list[tuple[str, str]]]:
    """Return a DN so that two spellings of it are equal."""
    return [
        sorted((name.lower(), value.lower()) for name, value, _ in rdn)
        for rdn in ldap_dn.str2dn(dn)
    ]


def _spelt(entry: ldap_entry.Attributes) -> ldap_entry.Attributes:
    if entry.keys() <= _SPELT:
        return entry
    return {
        _SPELLING.get(name.lower(), name): values
        for name, values in entry.items()
    }


def _uuid(dn: str, entry: ldap_entry.Attributes) -> str:
    """:raises DirectoryUnavailable: it may not be read"""
    values = entry.get(ldap_entry.RDN)
    if not values:
        raise base.DirectoryUnavailable(
            f"{ldap_entry.RDN} may be searched for and not be read: check the"
            f" rights of [ldap] user ({dn})"
        )
    return values[0].decode(errors="replace").lower()


def as_entry(
    dn: str, entry: ldap_entry.Attributes, conflict: str
) -> base.Entry:
    record = ldap_entry.record({ldap_entry.RDN: [b""], **entry})
    if entry.get(_CONFLICT):
        why = entry[_CONFLICT][0].decode(errors="replace")
        conflict = f"replication conflict: {why}"
    elif not _UUID.fullmatch(record.instance_uuid):
        conflict = f"{ldap_entry.RDN} is not a UUID in its usual spelling"
    return base.Entry(
        record=record,
        as_of=ldap_entry.stored_as_of(entry),
        owner=ldap_entry.owner_of(entry),
        name=dn,
        content=ldap_entry.Content(entry),
        conflict=conflict,
    )
