# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The headers that an operator adds to each request. Pure."""

import re
from collections.abc import Iterable

from nova_dirsvc_plugin.directories import base

#: What a header's name and value may be made of (RFC 9110, 5.1 and 5.5).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")

#: The headers that only the driver sets.
_RESERVED = re.compile(
    "authorization|content-length|content-type|dirsvc-(as-of|owner|signature|verb)"
    "|host|idempotency-key|transfer-encoding|x-hub-signature-256",
    re.IGNORECASE,
)


def read(lines: Iterable[str], option: str) -> dict[str, str]:
    """Read ``Name: value`` lines.

    :raises base.WrongOption: one is malformed; no value is in the message
    """
    found = {}
    for line in lines:
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name):
            raise base.WrongOption(
                f"[rest] {option}: a line is not of the form `Name: value`"
            )
        if _RESERVED.fullmatch(name):
            raise base.WrongOption(
                f"[rest] {option}: the driver itself sets the header {name}"
            )
        found[name] = value
    check(found)
    return found


def check(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not _VALUE.fullmatch(value):
            raise base.WrongOption(
                f"[rest] the value of the header {name} contains characters"
                " that are not allowed in a header"
            )
