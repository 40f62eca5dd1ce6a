# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a host of an option has an address, and something listens there."""

import pathlib
import re
import socket
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin.checks import finding

_PORTS = {"ldap": 389, "ldaps": 636, "http": 80, "https": 443}

#: Seconds for a connection.
LIMIT = 3.0


def check_url(
    conf: Any, directory: str, limit: float = LIMIT
) -> Iterator[finding.Finding]:
    """Check the servers of the option ``url`` of a directory, if it has one.

    :param limit: seconds for each of them
    """
    try:
        value = conf[directory].url
    except (cfg.Error, ValueError):
        return
    found: list[finding.Finding] = []
    urls = re.split(r"[,\s]+", value.strip(", "))
    for url in urls:
        found += check(f"directory {directory}", url, limit)
    for one in found:
        # While one server is there, it is delivered.
        lesser = len(found) < len(urls)
        yield (
            finding.warning(one.name, one.subject, one.finding, one.remedy)
            if lesser
            else one
        )


def check(
    subject: str, url: str, limit: float = LIMIT
) -> Sequence[finding.Finding]:
    """Check the server of a URL; what has no host or port is no concern."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return []
    if parts.scheme == "ldapi":
        return _check_socket(subject, url, parts.netloc)
    port = port or _PORTS.get(parts.scheme)
    if not host or not port:
        return []
    return check_host(subject, host, port, limit)


def check_host(
    subject: str, host: str, port: int, limit: float = LIMIT
) -> Sequence[finding.Finding]:
    """Connect to a host, and close."""
    try:
        socket.create_connection((host, port), timeout=limit).close()
    except socket.gaierror as error:
        return [
            finding.error(
                "host-unknown",
                subject,
                f"{host} has no address: {error.strerror}",
                "correct the host name, or the name server of this host",
            )
        ]
    except OSError as error:
        return [
            finding.error(
                "unreachable",
                subject,
                f"nothing answers at {host} port {port}:"
                f" {error.strerror or error}",
                "start the server, correct the port, or open the firewall",
            )
        ]
    return []


def _check_socket(
    subject: str, url: str, netloc: str
) -> Sequence[finding.Finding]:
    path = pathlib.Path(urllib.parse.unquote(netloc))
    if path.is_socket():
        return []
    return [
        finding.error(
            "unreachable",
            subject,
            f"{url}: there is no socket {path}",
            "start the server, or correct the path",
        )
    ]
