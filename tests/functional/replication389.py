# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Two 389 DS that replicate each other, and can be kept apart."""

from __future__ import annotations

from typing import Any

import fixtures
import ldap

from tests import waiting
from tests.functional import directory389

_MANAGER = "cn=replication manager,cn=config"
_PASSWORD = "for the test alone"
_REPLICA = f'cn=replica,cn="{directory389.SUFFIX}",cn=mapping tree,cn=config'
_AGREEMENT = f"cn=to the other,{_REPLICA}"


class Suppliers(fixtures.Fixture):
    """:ivar servers: the two"""

    def _setUp(self) -> None:
        self.servers = [
            self.useFixture(directory389.Directory389()) for _ in range(2)
        ]
        self._managers: list[Any] = []
        for server in self.servers:
            manager = server.connect_as_manager()
            self.addCleanup(manager.unbind_ext)
            self._managers.append(manager)
        first, second = self._managers
        for number, manager in enumerate(self._managers, 1):
            self._make_replica(manager, number)
        self._agree(first, self.servers[1])
        first.modify_s(
            _AGREEMENT,
            [(ldap.MOD_REPLACE, "nsds5BeginReplicaRefresh", [b"start"])],
        )
        self._wait_for(first, "nsds5replicaLastInitStatus")
        self._agree(second, self.servers[0])

    def keep_apart(self) -> None:
        for manager in self._managers:
            self._enable(manager, b"off")

    def bring_together(self) -> None:
        for manager in self._managers:
            self._enable(manager, b"on")

    def _make_replica(self, manager: Any, number: int) -> None:
        manager.add_s(
            _MANAGER,
            [
                ("objectClass", [b"top", b"netscapeServer"]),
                ("cn", [b"replication manager"]),
                ("userPassword", [_PASSWORD.encode()]),
            ],
        )
        manager.add_s(
            _REPLICA,
            [
                ("objectClass", [b"top", b"nsds5Replica"]),
                ("cn", [b"replica"]),
                ("nsDS5ReplicaRoot", [directory389.SUFFIX.encode()]),
                ("nsDS5ReplicaType", [b"3"]),
                ("nsDS5Flags", [b"1"]),
                ("nsDS5ReplicaId", [str(number).encode()]),
                ("nsDS5ReplicaBindDN", [_MANAGER.encode()]),
            ],
        )

    def _agree(self, manager: Any, other: directory389.Directory389) -> None:
        manager.add_s(
            _AGREEMENT,
            [
                ("objectClass", [b"top", b"nsds5replicationagreement"]),
                ("cn", [b"to the other"]),
                ("nsDS5ReplicaRoot", [directory389.SUFFIX.encode()]),
                ("nsDS5ReplicaHost", [b"127.0.0.1"]),
                ("nsDS5ReplicaPort", [str(other.port).encode()]),
                ("nsDS5ReplicaTransportInfo", [b"StartTLS"]),
                ("nsDS5ReplicaBindMethod", [b"SIMPLE"]),
                ("nsDS5ReplicaBindDN", [_MANAGER.encode()]),
                ("nsDS5ReplicaCredentials", [_PASSWORD.encode()]),
            ],
        )

    def _enable(self, manager: Any, value: bytes) -> None:
        manager.modify_s(
            _AGREEMENT, [(ldap.MOD_REPLACE, "nsds5ReplicaEnabled", [value])]
        )

    def _wait_for(self, manager: Any, name: str) -> None:
        def status() -> bool:
            ((_, found),) = manager.search_s(
                _AGREEMENT, ldap.SCOPE_BASE, attrlist=[name]
            )
            (text,) = found.get(name, [b""])
            return b"Total update succeeded" in text

        waiting.until(status, "the second server to have all of the first")
