# SPDX-License-Identifier: Apache-2.0
"""A real 389 Directory Server for a test, up in about a second.

Each fixture copies the golden tree (golden389.py), gives the copy paths, ports
and a name of its own, and runs ns-slapd on it as a child process.

Needs the packages 389-ds-base and python3-lib389; works as any user.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import ldap
import ldap.ldapobject
import ldapurl
import testtools
from testtools.testcase import gather_details

from tests import ports, waiting
from tests.functional import server
from tests.functional.golden389 import (
    NS_SLAPD,
    OWNER,
    SUFFIX,
    copy,
    golden_tree,
    substitute,
)

# With a debug level ns-slapd stays in the foreground and copies its errors log
# to stderr; this is the level that it has without one (0 would log nothing).
USUAL_LEVEL = "266354688"
LONGEST_SOCKET_PATH = 107


class Directory389(server.Server):
    """One running ns-slapd.

    :param started: False leaves it to the test to start what is deployed
    :ivar url: ldap:// on 127.0.0.1; passwords need StartTLS first
    :ivar secure_url: the same by ldaps://
    :ivar ldapi_url: the local socket; who runs the test is its manager
    :ivar bind_dn: service account of the daemon, with ``password``
    :ivar conf_file: directory.conf as the example program has written it
    """

    NAME = "389 DS"

    suffix = SUFFIX
    owner = OWNER
    hosts_tree_dn = f"ou=hosts,{SUFFIX}"
    bind_dn = f"cn=nova-dirsvc,ou=services,{SUFFIX}"
    reader_dn = f"cn=hosts-reader,ou=services,{SUFFIX}"
    manager_dn = "cn=Directory Manager"

    def __init__(self, started: bool = True) -> None:
        super().__init__()
        self._started = started

    def _setUp(self) -> None:
        self._base = Path(tempfile.mkdtemp(prefix="ds389-"))
        self.name = self._base.name
        self.folder = self._base / "tree"
        self.addCleanup(self._remove)
        with golden_tree() as golden:
            copy(golden, self.folder, self.name)
        self._set_paths()
        self._set_ports(ports.free_port(), ports.free_port())
        self.keep_output(self._base / "output")
        if self._started:
            self.start()

    def command(self) -> list[str]:
        return [
            # no server outlives a worker that is killed
            "setpriv", "--pdeathsig", "KILL", "--",
            str(NS_SLAPD), "-d", USUAL_LEVEL,
            "-D", str(self._config_dir),
            "-i", str(self.pid_file),
        ]  # fmt: skip

    def answers(self) -> bool:
        try:
            connection = self.connect()
            connection.search_s(self.hosts_tree_dn, ldap.SCOPE_BASE)
            connection.unbind_s()
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT):
            return False
        return True

    def connect(
        self, dn: str | None = None, password: str | None = None
    ) -> ldap.ldapobject.LDAPObject:
        """Return a connection by verified StartTLS; default: bind_dn's."""
        connection = self.connect_anonymously()
        if dn is None:
            dn, password = self.bind_dn, self.password
        connection.simple_bind_s(dn, password)
        return connection

    def connect_as_manager(self) -> ldap.ldapobject.LDAPObject:
        return self.connect(self.manager_dn, self.manager_password)

    def connect_anonymously(
        self, ca_file: Path | None = None
    ) -> ldap.ldapobject.LDAPObject:
        """Return a connection by StartTLS, verified, that is not bound."""
        connection = ldap.initialize(self.url)
        for option, value in (
            (ldap.OPT_NETWORK_TIMEOUT, 60),
            (ldap.OPT_TIMEOUT, waiting.LIMIT),
            (ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND),
            (ldap.OPT_X_TLS_CACERTFILE, str(ca_file or self.ca_file)),
            (ldap.OPT_X_TLS_NEWCTX, 0),
        ):
            connection.set_option(option, value)
        connection.start_tls_s()
        return connection

    def clear(self) -> None:
        """Delete all that is below ou=hosts, for a test that shares this."""
        manager = self.connect_as_manager()
        found = manager.search_s(
            self.hosts_tree_dn, ldap.SCOPE_SUBTREE, attrlist=["1.1"]
        )
        below = [dn for dn, _ in found if dn.lower() != self.hosts_tree_dn]
        for dn in sorted(below, key=len, reverse=True):
            manager.delete_s(dn)
        manager.unbind_s()

    @property
    def password(self) -> str:
        return self.password_file.read_text()

    @property
    def reader_password(self) -> str:
        return (self.folder / "reader.password").read_text()

    @property
    def manager_password(self) -> str:
        return (self.folder / "manager.password").read_text()

    def _set_paths(self) -> None:
        self._config_dir = self.folder / "etc/dirsrv" / f"slapd-{self.name}"
        logs = self.folder / "var/log/dirsrv" / f"slapd-{self.name}"
        self.errors_log = logs / "errors"
        self.access_log = logs / "access"
        self.password_file = self.folder / "service.password"
        self.ca_file = self.folder / "ca.crt"
        self.conf_file = self.folder / "directory.conf"
        self.pid_file = self.folder / f"run/slapd-{self.name}.pid"
        path = str(self.folder / f"run/slapd-{self.name}.socket")
        if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
            raise RuntimeError(f"{path} is too long: set a shorter TMPDIR")
        self.ldapi_url = f"ldapi://{ldapurl.ldapUrlEscape(path)}"

    def _set_ports(self, port: int, secure_port: int) -> None:
        self.port, self.secure_port = port, secure_port
        self.url = f"ldap://127.0.0.1:{port}"
        self.secure_url = f"ldaps://127.0.0.1:{secure_port}"
        substitute(self._config_dir / "dse.ldif", {
            r"(?m)^(nsslapd-port:).*": rf"\1 {port}",
            r"(?mi)^(nsslapd-secureport:).*": rf"\1 {secure_port}",
        })  # fmt: skip
        substitute(self.conf_file, {r"(?m)^(url =).*": rf"\1 {self.url}"})

    def _remove(self) -> None:
        self.kill()
        for path in Path("/dev/shm").glob(f"sem.slapd-{self.name}.*"):
            path.unlink()
        shutil.rmtree(self._base)


class SharedDirectoryTestCase(testtools.TestCase):
    """Shares one server per process; ou=hosts is empty when a test begins.

    Whatever else a test changes of the server it puts back.
    """

    directory: Directory389

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.directory = server.of_this_process(Directory389)

    def setUp(self) -> None:
        super().setUp()
        self.addOnException(
            lambda _: gather_details(
                self.directory.getDetails(), self.getDetails()
            )
        )
        self.directory.clear()


def semaphores(name: str) -> list[Path]:
    """Return what an instance leaves in shared memory when it is killed."""
    return list(Path("/dev/shm").glob(f"sem.slapd-{name}.*"))


def is_dear(text: str) -> bool:
    """Return whether a refused write is dear, by the times of a text."""
    refused, read = map(float, re.findall(r"([\d.]+) ms", text))
    return refused - read > 2
