# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Asks a running daemon what it has counted."""

import http.client
import pathlib

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.monitoring import facts, wire

#: Seconds for the daemon's answer, and bytes of it.
LIMIT = 3.0
LONGEST = 4 * 2**20


def daemon(address: str, port: int, path: pathlib.Path) -> facts.Daemon | None:
    """Return what the daemon of an outbox has counted.

    :param path: of the outbox; what a daemon says of another one is not asked
        for
    :returns: None: no such daemon answers there
    """
    if not port:
        return None
    connection = http.client.HTTPConnection(address, port, timeout=LIMIT)
    try:
        connection.request("GET", "/status.json")
        answer = connection.getresponse()
        theirs, found = wire.decode(answer.read(LONGEST).decode())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    is_ours = outbox.resolved(pathlib.Path(theirs)) == outbox.resolved(path)
    return found if is_ours else None
