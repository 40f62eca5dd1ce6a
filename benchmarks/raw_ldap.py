# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""python-ldap with requests in flight on one connection, and nothing else."""

import collections
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import ldap

from benchmarks import in_flight
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories.ldap import entry

WINDOW = 32


class Raw:
    """Sends what it takes: an add, a modify, a read or a delete an entry.

    :param server: the fixture of a real server
    :param record: makes a record of a number
    """

    def __init__(
        self, server: Any, record: Callable[[int], events.HostRecord]
    ) -> None:
        self._record = record
        self._connection: Any = server.connect()
        self._tree = server.hosts_tree_dn
        self._watch = in_flight.InFlight(self._connection)
        self._entries: list[tuple[str, list[Any]]] = []

    def prepare(self, count: int) -> None:
        self._entries = []
        for number in range(count):
            item = self._record(number)
            attributes = entry.attributes(item, "nova", 0.0)
            dn = entry.dn(item.instance_uuid, self._tree)
            self._entries.append((dn, list(attributes.items())))

    def measure(self, verb: str) -> float:
        requests = {
            "register": self._adds,
            "refresh: one value": lambda: self._changes("1", "m1.small"),
            "refresh: only its time": lambda: self._changes("2"),
            "redelivery": self._reads,
            "unregister": self._deletes,
            "confirmation": self._reads,
        }[verb]()
        self._watch.begin()
        flying: collections.deque[int] = collections.deque()
        for request in requests:
            flying.append(request())
            if len(flying) == WINDOW:
                self._read(flying.popleft())
        for ticket in flying:
            self._read(ticket)
        return self._watch.idle()

    def _read(self, ticket: int) -> None:
        with contextlib.suppress(ldap.NO_SUCH_OBJECT):
            self._connection.result3(ticket)

    def _adds(self) -> Sequence[Callable[[], int]]:
        return [
            lambda dn=dn, values=values: self._connection.add_ext(dn, values)
            for dn, values in self._entries
        ]

    def _changes(
        self, second: str, flavor: str = ""
    ) -> Sequence[Callable[[], int]]:
        stamp = f"2026112210275{second}.500000Z".encode()
        change = [(ldap.MOD_REPLACE, entry.AS_OF, [stamp])]
        if flavor:
            change.append(
                (ldap.MOD_REPLACE, "novaFlavorName", [flavor.encode()])
            )
        return [
            lambda dn=dn: self._connection.modify_ext(dn, change)
            for dn, _ in self._entries
        ]

    def _reads(self) -> Sequence[Callable[[], int]]:
        return [
            lambda dn=dn: self._connection.search_ext(dn, ldap.SCOPE_BASE)
            for dn, _ in self._entries
        ]

    def _deletes(self) -> Sequence[Callable[[], int]]:
        return [
            lambda dn=dn: self._connection.delete_ext(dn)
            for dn, _ in self._entries
        ]
