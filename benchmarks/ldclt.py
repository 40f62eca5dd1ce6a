# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""ldclt, the load tool of 389 DS in C, with entries as large as ours.

It has no StartTLS, so it comes over the local socket: that only favours it.
Its threads do not share an add's counter, so several processes take a range
each. It notices its own end late, so the server's count is watched.
"""

import pathlib
import subprocess
import time
from collections.abc import Callable
from typing import Any

import ldap

from tests.functional import directory389

PROCESSES = 4
LIMIT = 300.0
RDN = "novaInstanceUuid:00000000-0000-4000-8000-"

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
novaAsOf: 20261122102755.500000Z
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
        self._count = 0

    def prepare(self, count: int) -> None:
        self._count = count

    def measure(self, verb: str) -> None:
        count, before = self._count, self._entries()
        if verb == "register":
            self._run(count, before + count, self._adding)
        elif verb == "unregister":
            self._run(count, before - count, _deleting)
        else:
            raise LookupError(f"ldclt is not asked for {verb}")

    def _adding(self, first: int, last: int) -> list[str]:
        rdn = f"{RDN}[A=INCRNNOLOOP({first};{last};12)]"
        return ["-e", f"add,object={self._entry},rdn={rdn}"]

    def _run(
        self,
        count: int,
        wanted: int,
        arguments: Callable[[int, int], list[str]],
    ) -> None:
        server = self._server
        common = [
            *("ldclt", "-q", "-n", "1", "-H", server.ldapi_url),
            *("-D", server.bind_dn, "-w", server.password),
            *("-b", server.hosts_tree_dn),
        ]
        share = count // PROCESSES
        started = time.perf_counter()
        processes = [
            subprocess.Popen(
                common + arguments(number * share, (number + 1) * share - 1),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for number in range(PROCESSES)
        ]
        try:
            while self._entries() != wanted:
                if time.perf_counter() - started > LIMIT:
                    raise RuntimeError("ldclt did not come to its end")
                time.sleep(0.005)
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def _entries(self) -> int:
        ((_, found),) = self._manager.search_s(
            self._server.hosts_tree_dn,
            ldap.SCOPE_BASE,
            attrlist=["numSubordinates"],
        )
        return int(found.get("numSubordinates", [b"0"])[0])


def _deleting(first: int, last: int) -> list[str]:
    what = RDN.replace(":", "=") + "X" * 12
    words = "delete,incr,noloop,commoncounter"
    return ["-e", words, "-r", str(first), "-R", str(last), "-f", what]
