# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the values of a payload; malformed ones are left out. Pure."""

import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from nova_dirsvc_plugin import events

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"

#: The canonical forms, which are recognised in a fifth of the time that
#: ``ipaddress`` and ``uuid`` take for any other.
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Of UTC, as Nova writes it; any other takes four times as long.
_NOVAS_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z?"
)

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")

Warn = Callable[[str], None]


class PayloadReader:
    """Reads values of a payload, and warns of each that is left out.

    :param data: under the names of the versioned payloads
    :param warn: called with a sentence for each malformed value
    """

    def __init__(self, data: Mapping[str, Any], warn: Warn) -> None:
        self.data = data
        self.warn = warn

    def text(self, name: str) -> str:
        value = self.data.get(name)
        if value is None or isinstance(value, str):
            return value or ""
        self.warn(f"{name} is {for_log(value)}, not a text")
        return ""

    def storable_text(self, name: str) -> str:
        value = self.text(name)
        if storable(value):
            return value
        self.warn(f"{name} is {for_log(value)}, no Unicode text")
        return ""

    def time(self, name: str) -> str:
        """Return a time as ``2026-11-22T10:27:53Z``, from any ISO 8601."""
        value = self.text(name)
        if not value:
            return ""
        try:
            parsed = moment(value)
            if _NOVAS_TIME.fullmatch(value):
                return f"{value[:19]}Z"
            # A tenth of the time of the general way; Nova's are all of UTC.
            if parsed.tzinfo is not datetime.UTC:
                parsed = parsed.astimezone(datetime.UTC)
        except (ValueError, OverflowError):
            self.warn(f"{name} {for_log(value)} is not a time")
            return ""
        return f"{parsed.isoformat(timespec='seconds')[:19]}Z"

    def flavor_name(self) -> str:
        value = self.data.get("flavor")
        if value is None:
            return ""
        flavor = unwrap(value)
        if flavor is None:
            self.warn(f"flavor is {for_log(value)}")
            return ""
        return PayloadReader(flavor, self.warn).text("name")

    def addresses(self) -> tuple[events.Address, ...] | None:
        """Return the addresses; None where the payload has none."""
        items = self.data.get("ip_addresses")
        if items is None:
            return None
        if not isinstance(items, list | tuple):
            self.warn(f"ip_addresses is {for_log(items)}")
            return None
        read = tuple(
            address for item in items if (address := self._address(item))
        )
        return read if read or not items else None

    def _address(self, item: object) -> events.Address | None:
        data = unwrap(item)
        if data is None:
            self.warn(f"an item of ip_addresses is {for_log(item)}")
            return None
        return PayloadReader(data, self.warn).address()

    def address(self) -> events.Address | None:
        """Return the address that this is; None where it is none."""
        text = self.text("address")
        ip = _canonical_ip(text)
        if not ip:
            self.warn(f"address {for_log(text)} is not an IP address")
            return None
        mac = self.text("mac").lower()
        if mac and not _MAC.fullmatch(mac):
            self.warn(f"mac {for_log(mac)} is not a MAC address")
            mac = ""
        return events.Address(ip=ip, mac=mac, network=self.text("label"))


def _canonical_ip(text: str) -> str:
    """Return an IP address in canonical form; empty when it is not one."""
    if _IPV4.fullmatch(text):
        return text
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return ""
    # A scope (``fe80::1%eth0``) is of a host, not of an instance.
    return "" if "%" in text else str(ip)


def moment(value: str) -> datetime.datetime:
    """Parse a time of ISO 8601; without a zone it is UTC.

    :raises ValueError: it is not such a time
    """
    parsed = datetime.datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.UTC)


def unwrap(value: object) -> Mapping[str, Any] | None:
    """Return the ``nova_object.data`` of a versioned object, if it is one."""
    if not isinstance(value, Mapping):
        return None
    data = value.get("nova_object.data")
    return data if isinstance(data, Mapping) else None


def storable(value: str) -> bool:
    """Return whether a text can be encoded: JSON can hold half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def canonical_uuid(value: object) -> str:
    """Return a UUID in its canonical form; empty when it is not one."""
    if not isinstance(value, str):
        return ""
    if _UUID.fullmatch(value):
        return value
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return ""


def remote_address(value: object) -> str:
    """Return an IP address in canonical form; empty when it is not one.

    A server that listens on both families shows an IPv4 client as
    ``::ffff:203.0.113.7``; the zone of a link-local address has any
    characters, and a meaning on that host only.
    """
    try:
        address = ipaddress.ip_address(str(value).partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def for_log(value: object) -> str:
    """Return a malformed value for the log: a text, or what it is."""
    if isinstance(value, str):
        return f"{value!r:.60}"
    return "missing" if value is None else f"a {type(value).__name__}"
