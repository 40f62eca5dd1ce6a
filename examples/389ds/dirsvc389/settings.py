# SPDX-License-Identifier: Apache-2.0
"""What is to be deployed: values only, nothing is touched here."""

import dataclasses
import ipaddress
import socket
from pathlib import Path

# sockaddr_un.sun_path, without the byte that ends it: unix(7)
LONGEST_SOCKET_PATH = 107
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104


class Refused(Exception):
    """What the operator must change; shown as one line."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One directory server.

    :ivar prefix: the folder that holds everything, or None when the server
        lives in the distribution's paths and systemd runs it
    :ivar state_dir: holds directory.conf, ca.crt and the passwords
    :ivar user: account that the server runs as
    :ivar group: group that may read service.password, or None
    :ivar reader_group: group that may read reader.password, or None
    :ivar cached_hosts: hosts that the server keeps in its caches
    :ivar substring_indexes: attributes that have an index of substrings
    """

    instance: str
    prefix: Path | None
    state_dir: Path
    suffix: str
    owner: str
    listen: str
    hostname: str
    port: int
    secure_port: int
    user: str
    group: str | None
    reader_group: str | None
    cached_hosts: int
    substring_indexes: tuple[str, ...]

    @property
    def hosts_tree_dn(self) -> str:
        return f"ou=hosts,{self.suffix}"

    @property
    def service_dn(self) -> str:
        return f"cn=nova-dirsvc,ou=services,{self.suffix}"

    @property
    def reader_dn(self) -> str:
        return f"cn=hosts-reader,ou=services,{self.suffix}"

    @property
    def url(self) -> str:
        host = self.hostname if self.listen in ANY_ADDRESS else self.listen
        return f"ldap://{_bracketed(host)}:{self.port}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name and address that the certificate must stand for."""
        wanted = [self.hostname, socket.gethostname(), "localhost",
                  "127.0.0.1", "::1"]  # fmt: skip
        if self.listen not in ANY_ADDRESS:
            wanted.append(self.listen)
        return tuple(dict.fromkeys(wanted))


def canonical_hostname() -> str:
    """Return the name that libldap puts in the place of "localhost"."""
    name = socket.gethostname()
    try:
        found = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)
    except socket.gaierror:
        return name
    return found[0][3] or name


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
