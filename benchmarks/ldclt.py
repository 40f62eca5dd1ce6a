# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""ldclt, the load tool of 389 DS in C, with entries as large as ours.

It has no StartTLS, so its server lets it bind without: that only favours it.
It notices its own end late, so the server's count of entries is watched.
"""

import pathlib
import subprocess
import time
from typing import Any

import ldap

from tests.functional import directory389

THREADS = 4
LIMIT = 300.0

ENTRY = """\
objectclass: top
objectclass: device
objectclass: novaInstance
objectclass: ipHost
objectclass: ieee802Device
cn: instance-[A]
novaOwnerMark: nova
novaDisplayName: instance [A]
novaProjectId: 7b22e328262041efa6253a178f743293
novaProjectName: demo
novaUserId: 8acf174811954db7b962293e68bae407
novaUserName: alice
novaImageUuid: 5a1d32c6-2595-461c-bbd9-c94d0a4da72c
novaFlavorName: m1.tiny
novaAvailabilityZone: nova
novaComputeHost: pocket1
novaCreatedAt: 20261122102753Z
novaLaunchedAt: 20261122102755Z
ipHostNumber: 10.0.0.1[A]
macAddress: fa:16:3e:51:8e:[A]
"""


class Ldclt:
    """Adds and deletes numbered entries."""

    def __init__(
        self, server: directory389.Directory389, folder: pathlib.Path
    ) -> None:
        self._server = server
        self._manager: Any = server.connect_as_manager()
        self._entry = folder / "entry.ldif"
        self._entry.write_text(ENTRY)
        self._manager.modify_s(
            "cn=config",
            [(ldap.MOD_REPLACE, "nsslapd-require-secure-binds", [b"off"])],
        )

    def round(self, count: int) -> dict[str, float]:
        last = count - 1
        width = 36
        before = self._entries()
        return {
            "register": self._run(
                before + count,
                "-e",
                f"object={self._entry},rdn=novaInstanceUuid:"
                f"[A=INCRNNOLOOP(0;{last};{width})]",
                "-e",
                "add,commoncounter",
            ),
            "unregister": self._run(
                before,
                "-e",
                "delete,incr,noloop,commoncounter",
                *("-f", "novaInstanceUuid=" + "X" * width),
                *("-r0", f"-R{last}"),
            ),
        }

    def _run(self, wanted: int, *arguments: str) -> float:
        server = self._server
        host, port = server.url.removeprefix("ldap://").split(":")
        started = time.perf_counter()
        with subprocess.Popen(
            [
                "ldclt",
                *("-h", host, "-p", port, "-n", str(THREADS), "-q"),
                *("-D", server.manager_dn, "-w", server.manager_password),
                *("-b", server.hosts_tree_dn, *arguments),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while self._entries() != wanted:
                if time.perf_counter() - started > LIMIT:
                    raise RuntimeError("ldclt did not come to its end")
                time.sleep(0.005)
            seconds = time.perf_counter() - started
            process.kill()
        return seconds

    def _entries(self) -> int:
        ((_, found),) = self._manager.search_s(
            self._server.hosts_tree_dn,
            ldap.SCOPE_BASE,
            attrlist=["numSubordinates"],
        )
        return int(found.get("numSubordinates", [b"0"])[0])
