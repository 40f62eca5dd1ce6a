# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Measures what a refused write costs the server.

389 DS walks through its caches after each. If it has sized them by the
machine's memory, as it does by default, that takes 10 to 60 ms of CPU, in
which nobody else can write.
"""

import time
import uuid
from collections.abc import Callable

import ldap

from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import connection, pipeline, request
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry

_TRIES = 20

#: Seconds that a refused write may take longer than a read.
_DEAR = 0.002


def measurement(
    connected: connection.Connection, tree: str
) -> base.Measurement:
    """Delete entries that nobody has, and read the container.

    :param connected: open
    :param tree: the DN of the container
    :raises base.DirectoryUnavailable: the connection has ended
    """
    read = _fastest(connected, lambda: request.read(tree, ["1.1"]))
    refused = _fastest(
        connected,
        lambda: ("delete_ext", (ldap_entry.dn(str(uuid.uuid4()), tree),)),
    )
    is_well = refused - read <= _DEAR
    detail = (
        f"a refused write takes {refused * 1000:.1f} ms,"
        f" a read {read * 1000:.1f} ms"
    )
    if not is_well:
        detail += (
            ": the server's caches are too large; for 389 DS see"
            " doc/source/admin/server_389ds.rst"
        )
    return base.Measurement("a refused write costs little", is_well, detail)


def _fastest(
    connected: connection.Connection, make: Callable[[], pipeline.Request]
) -> float:
    """Return the seconds of the fastest: others use the server, too."""
    taken = []
    for _ in range(_TRIES):
        asked = make()
        started = time.perf_counter()
        try:
            connected.receive(connected.send(asked))
        except ldap.LDAPError:
            pass  # the answer is no
        except (pipeline.Broken, pipeline.Unsent) as error:
            raise base.DirectoryUnavailable(str(error)) from error
        taken.append(time.perf_counter() - started)
    return min(taken)
