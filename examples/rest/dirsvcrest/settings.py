# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be served, and where: values only, nothing is touched here."""

import dataclasses
import ipaddress
import socket
from pathlib import Path

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104
COLLECTION = "/v1/instances"


class Refused(Exception):
    """What the operator must change; shown as one line."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One service.

    :ivar state_dir: holds the store, the tokens and directory.conf
    :ivar listen: an address, never a name
    :ivar hostname: the name in the URL, or None to use the address
    :ivar certificate: PEM, with its chain; None for plain HTTP
    :ivar client_ca: PEM; clients need a certificate of it
    :ivar group: group that may read service.token, or None
    :ivar auth: whether tokens are asked
    """

    state_dir: Path
    listen: str
    port: int
    hostname: str | None
    threads: int
    workers: int
    certificate: Path | None
    key: Path | None
    client_ca: Path | None
    group: str | None
    auth: bool

    @property
    def url(self) -> str:
        """The URL of the collection of instances."""
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{self._host}:{self.port}{COLLECTION}"

    @property
    def on_loopback(self) -> bool:
        return ipaddress.ip_address(self.listen).is_loopback

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.listen else socket.AF_INET

    @property
    def _host(self) -> str:
        if self.hostname is not None:
            return self.hostname
        if self.listen in ANY_ADDRESS:
            return socket.getfqdn()
        return f"[{self.listen}]" if ":" in self.listen else self.listen
