# SPDX-License-Identifier: Apache-2.0
"""Whether the running server is set up as it should be: measured."""

import dataclasses
import time
from collections.abc import Callable

import ldap
import ldapurl
from ldap.ldapobject import SimpleLDAPObject
from lib389 import DirSrv
from lib389.backend import Backends

TRIES = 30
DEAR = 2.0  # milliseconds that a refused write may take longer than a read


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was measured, and whether it is as it should be."""

    is_well: bool
    text: str


def refusals(server: DirSrv) -> Finding:
    """Measure what a refused write costs."""
    suffix = Backends(server).get("userRoot").get_suffix()
    path = ldapurl.ldapUrlEscape(server.ldapi_socket)
    connection = ldap.initialize(f"ldapi://{path}")
    try:
        connection.sasl_external_bind_s()
        read = _fastest(lambda: connection.search_s(suffix, ldap.SCOPE_BASE))
        refused = _fastest(lambda: _add_what_is_there(connection, suffix))
    finally:
        connection.unbind_s()
    text = f"a refused write takes {refused:.1f} ms, a read {read:.1f} ms"
    if refused - read <= DEAR:
        return Finding(True, text)
    return Finding(
        False,
        f"{text}: its caches are too large, deploy again"
        " (README.md, the caches)",
    )


def _add_what_is_there(connection: SimpleLDAPObject, dn: str) -> None:
    values = [("objectClass", [b"top", b"nsContainer"])]
    try:
        connection.add_s(dn, values)
    except ldap.ALREADY_EXISTS:
        return


def _fastest(operation: Callable[[], object]) -> float:
    """Return the milliseconds of the fastest: others use the machine, too."""
    taken = []
    for _ in range(TRIES):
        started = time.perf_counter()
        operation()
        taken.append(time.perf_counter() - started)
    return min(taken) * 1000
