# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A real OpenLDAP for one test: slapd as a child process, own folder."""

import pathlib
import re
from typing import Any

import fixtures
import ldap

from tests import ports
from tests.functional import server

SUFFIX = "dc=cloud,dc=example"
SCHEMAS = pathlib.Path("/etc/ldap/schema")
OURS = pathlib.Path(__file__).parents[2] / "examples/389ds/schema.ldif"

CONFIGURATION = """
{includes}
include {folder}/nova.schema
modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit unlimited
database mdb
suffix "{suffix}"
rootdn "{user}"
rootpw {password}
directory {folder}/data
maxsize 104857600
index novaInstanceUuid eq
"""


class OpenLdap(server.Server):
    """One running slapd with our schema and an empty container.

    :ivar url: ldap:// on 127.0.0.1
    """

    NAME = "slapd"

    user = f"cn=admin,{SUFFIX}"
    password = "not a secret"
    hosts_tree_dn = f"ou=hosts,{SUFFIX}"

    def _setUp(self) -> None:
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.password_file = self.folder / "password"
        self.password_file.write_text(self.password)
        self.url = f"ldap://127.0.0.1:{ports.free_port()}"
        self.keep_output(self.folder / "output")
        self._configure()
        self.addCleanup(self.kill)
        self.start()
        self._add_container()

    def command(self) -> list[str]:
        conf_file = str(self.folder / "slapd.conf")
        return ["/usr/sbin/slapd", "-d", "0", "-h", self.url, "-f", conf_file]

    def answers(self) -> bool:
        try:
            self.connect().unbind_ext()
        except ldap.SERVER_DOWN:
            return False
        return True

    def configure(self, *lines: str) -> None:
        """Restart the server with more lines about its database."""
        self.stop()
        with (self.folder / "slapd.conf").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
        self.start()

    def connect(self) -> Any:
        """Return a connection as the administrator."""
        connection = ldap.initialize(self.url)
        connection.simple_bind_s(self.user, self.password)
        return connection

    def options(self) -> dict[str, Any]:
        """Return the driver's options, to write as the administrator."""
        return {
            "url": self.url,
            "user": self.user,
            "password_file": str(self.password_file),
            "hosts_tree_dn": self.hosts_tree_dn,
            "use_tls": False,
        }

    def add_account(self) -> str:
        """Add an account of no rights, with the same password; give its DN."""
        dn = f"cn=daemon,{SUFFIX}"
        connection = self.connect()
        connection.add_s(
            dn,
            [
                ("objectClass", [b"device", b"simpleSecurityObject"]),
                ("cn", [b"daemon"]),
                ("userPassword", [self.password.encode()]),
            ],
        )
        connection.unbind_ext()
        return dn

    def _configure(self) -> None:
        (self.folder / "data").mkdir()
        (self.folder / "nova.schema").write_text(_schema())
        includes = "\n".join(
            f"include {SCHEMAS}/{name}.schema"
            for name in ("core", "cosine", "nis")
        )
        (self.folder / "slapd.conf").write_text(
            CONFIGURATION.format(
                includes=includes,
                folder=self.folder,
                suffix=SUFFIX,
                user=self.user,
                password=f'"{self.password}"',
            )
        )

    def _add_container(self) -> None:
        connection = self.connect()
        connection.add_s(
            SUFFIX,
            [
                ("objectClass", [b"dcObject", b"organization"]),
                ("dc", [b"cloud"]),
                ("o", [b"cloud"]),
            ],
        )
        connection.add_s(
            self.hosts_tree_dn,
            [("objectClass", [b"organizationalUnit"]), ("ou", [b"hosts"])],
        )
        connection.unbind_ext()


def _schema() -> str:
    """Put our schema, which is LDIF of cn=schema, into slapd's words."""
    unfolded = OURS.read_text().replace("\n ", "")
    words = {"attributeTypes": "attributetype", "objectClasses": "objectclass"}
    return "\n".join(
        f"{words[kind]} {definition}"
        for kind, definition in re.findall(
            r"^(attributeTypes|objectClasses): (.*)$", unfolded, re.M | re.I
        )
    )
