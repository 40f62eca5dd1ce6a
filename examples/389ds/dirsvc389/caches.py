# SPDX-License-Identifier: Apache-2.0
"""The caches of entries and of their DNs, as large as the data.

By default 389 DS sizes them by the machine's memory; and after each write
that it refuses it walks through the whole tables of both.
"""

from lib389 import DirSrv
from lib389.backend import Backend, DatabaseConfig

# Bytes of a host with all attributes: measured are 6800 and 123.
ENTRY = 8 * 1024
NAME = 256
LEAST = 1 << 20  # the server takes no less than half of it

AUTOMATIC = "nsslapd-cache-autosize"


def resize(server: DirSrv, backend: Backend, hosts: int) -> bool:
    """Make room for a number of hosts; say whether anything changed.

    What changed counts from the next start: the tables are made there.
    """
    wanted = {
        "nsslapd-cachememsize": str(max(hosts * ENTRY, LEAST)),
        "nsslapd-dncachememsize": str(max(hosts * NAME, LEAST)),
    }
    changed = False
    database = DatabaseConfig(server)
    if database.get().get(AUTOMATIC, ["0"]) not in (["0"], []):
        # it would give both another size at each start
        database.set([(AUTOMATIC, "0")])
        changed = True
    for name, value in wanted.items():
        if backend.get_attr_val_utf8(name) != value:
            backend.replace(name, value)
            changed = True
    return changed
