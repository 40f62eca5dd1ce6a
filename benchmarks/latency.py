# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""From Nova's emission of instance.create.end to the entry in a search.

On the running pocket cloud: real Nova, real daemon, real 389 DS. The moment
of emission is the notification's own timestamp; the entry is looked for by a
search every millisecond, so a figure is up to a search too long, never too
short.
"""

import os
import pathlib
import sqlite3
import time
from argparse import Namespace
from typing import Any

import ldap
import openstack

from benchmarks import figures
from nova_dirsvc_plugin.directories.ldap import entry
from pocket import directory
from pocket.home import CHECKOUT, PORT_BASE, Home

LIMIT = 60.0


def run(arguments: Namespace) -> None:
    """Boot one instance after the other and time each."""
    home = Home(
        pathlib.Path(os.environ.get("POCKET_HOME", CHECKOUT / ".pocket")),
        PORT_BASE,
    )
    if not home.openrc.exists():
        raise SystemExit("no cloud is running: make demo-up")
    if directory.kind(home) != "ldap":
        raise SystemExit("its directory is not 389 DS: make demo-up")
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(home.etc / "clouds.yaml")
    cloud = openstack.connect(cloud="alice")
    reader = _Reader(directory.settings(home))
    wanted = {
        "image_id": cloud.image.find_image("blank").id,
        "flavor_id": cloud.compute.find_flavor("tiny").id,
        "networks": [{"uuid": cloud.network.find_network("private").id}],
    }
    stored, visible = [], []
    for number in range(arguments.boots):
        server = cloud.compute.create_server(
            name=f"latency-{number}", **wanted
        )
        seen = reader.wait_for(server.id)
        emitted, written = _moments(home, server.id)
        stored.append(written - emitted)
        visible.append(seen - emitted)
        cloud.compute.delete_server(server.id)
        cloud.compute.wait_for_delete(server)
    print(f"emitted to stored in the outbox:  {figures.spread(stored)}")
    print(f"emitted to visible by a search:   {figures.spread(visible)}")
    print(f"{arguments.boots} boots, one after the other")


class _Reader:
    """Looks for entries as the account that may only read."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._tree = settings["tree"]
        self._connection: Any = ldap.initialize(settings["url"])
        self._connection.set_option(
            ldap.OPT_X_TLS_CACERTFILE, settings["cacertfile"]
        )
        self._connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        self._connection.start_tls_s()
        password = pathlib.Path(settings["password_file"]).read_text()
        self._connection.simple_bind_s(settings["user"], password)

    def wait_for(self, instance_uuid: str) -> float:
        """Return the moment at which the entry was found."""
        dn = entry.dn(instance_uuid, self._tree)
        deadline = time.time() + LIMIT
        while time.time() < deadline:
            try:
                self._connection.search_s(dn, ldap.SCOPE_BASE, attrlist=["cn"])
            except ldap.NO_SUCH_OBJECT:
                time.sleep(0.001)
            else:
                return time.time()
        raise SystemExit(f"no entry of {instance_uuid} after {LIMIT} s")


def _moments(home: Home, instance_uuid: str) -> tuple[float, float]:
    """Return when the boot was emitted and when it was stored."""
    with sqlite3.connect(home.outbox) as database:
        emitted, stored = database.execute(
            "SELECT occurred_at, stored_at FROM entry WHERE instance_uuid = ?"
            " AND event_type = 'instance.create.end'",
            (instance_uuid,),
        ).fetchone()
    return float(emitted), float(stored)
