# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The same as ``path``, on OpenLDAP, where a refused write is cheap."""

import pathlib
import tempfile
from argparse import Namespace

from benchmarks import path, raw_ldap
from tests.functional import openldap


def run(arguments: Namespace) -> None:
    """Measure on OpenLDAP, and print rates and ratios."""
    with (
        openldap.OpenLdap() as server,
        tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder,
    ):
        conf_file = pathlib.Path(folder) / "directory.conf"
        conf_file.write_text(
            "[ldap]\n"
            f"url = {server.url}\n"
            f"user = {server.user}\n"
            f"password_file = {server.password_file}\n"
            f"hosts_tree_dn = {server.hosts_tree_dn}\n"
            "use_tls = false\n"
        )
        path.measure(
            {
                "outbox to directory": path.Ours(
                    path.load(conf_file, "ldap"), pathlib.Path(folder)
                ),
                "raw python-ldap": raw_ldap.Raw(server, path.record),
            },
            server.pid,
            arguments.events // path.ROUNDS // 4 * 4,
        )
