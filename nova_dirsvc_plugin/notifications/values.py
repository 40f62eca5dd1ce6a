# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Values of a payload: those that are malformed are left out, and named.

Pure.
"""

import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from nova_dirsvc_plugin import events

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")

Complain = Callable[[str], None]


class Reader:
    """Reads values of a payload, and says which had to be left out.

    :param data: under the names of the versioned payloads
    :param complain: told in a sentence of each malformed value
    """

    def __init__(self, data: Mapping[str, Any], complain: Complain) -> None:
        self.data = data
        self.complain = complain

    def text(self, name: str) -> str:
        value = self.data.get(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.complain(f"{name} is {shown(value)}, not a text")
        return ""

    def time(self, name: str) -> str:
        """Give a time as ``2026-11-22T10:27:53Z``, however it was said."""
        value = self.text(name)
        if not value:
            return ""
        try:
            said = moment(value).astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            self.complain(f"{name} {shown(value)} is not a time")
            return ""
        return f"{said.replace(microsecond=0, tzinfo=None).isoformat()}Z"

    def flavor_name(self) -> str:
        value = self.data.get("flavor")
        if value is None:
            return ""
        flavor = unwrap(value)
        if flavor is None:
            self.complain(f"flavor is {shown(value)}")
            return ""
        return Reader(flavor, self.complain).text("name")

    def addresses(self) -> tuple[events.Address, ...] | None:
        """Give the addresses, None where the payload does not tell them."""
        items = self.data.get("ip_addresses")
        if items is None:
            return None
        if not isinstance(items, list | tuple):
            self.complain(f"ip_addresses is {shown(items)}")
            return None
        read = tuple(
            address for item in items if (address := self._address(item))
        )
        return read if read or not items else None

    def _address(self, item: object) -> events.Address | None:
        data = unwrap(item)
        if data is None:
            self.complain(f"an item of ip_addresses is {shown(item)}")
            return None
        fields = Reader(data, self.complain)
        text = fields.text("address")
        try:
            ip = ipaddress.ip_address(text)
        except ValueError:
            ip = None
        # A scope (``fe80::1%eth0``) is of a host, not of an instance.
        if ip is None or "%" in text:
            self.complain(f"address {shown(text)} is not an IP address")
            return None
        mac = fields.text("mac").lower()
        if mac and not _MAC.fullmatch(mac):
            self.complain(f"mac {shown(mac)} is not a MAC address")
            mac = ""
        return events.Address(
            ip=str(ip), mac=mac, network=fields.text("label")
        )


def moment(value: str) -> datetime.datetime:
    """Read a time of ISO 8601; without a zone it is UTC.

    :raises ValueError: it is none
    """
    said = datetime.datetime.fromisoformat(value)
    return said if said.tzinfo else said.replace(tzinfo=datetime.UTC)


def unwrap(value: object) -> Mapping[str, Any] | None:
    """Give the ``nova_object.data`` of a versioned object, if it is one."""
    if not isinstance(value, Mapping):
        return None
    data = value.get("nova_object.data")
    return data if isinstance(data, Mapping) else None


def canonical_uuid(value: object) -> str:
    """Write a UUID in the one usual way; empty when it is none."""
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else ""
    except ValueError:
        return ""


def remote_address(value: object) -> str:
    """Write an IP address as :mod:`ipaddress` does; empty when it is none.

    A server that listens on both families says ``::ffff:203.0.113.7`` of an
    IPv4 client; the zone of a link-local address is of any characters, and
    means something on that host only.
    """
    try:
        address = ipaddress.ip_address(str(value).partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def shown(value: object) -> str:
    """Give a malformed value for the log, if it is short and a text."""
    return f"{value!r:.60}" if isinstance(value, str) else _kind(value)


def _kind(value: object) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"
