# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Makes directory names from the names that tenants choose. Pure."""

import re

#: Control characters that no directory string should carry (C0 and C1; NUL
#: ends a string in C), and lone surrogates, which UTF-8 cannot encode.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def directory_string(text: str) -> str:
    """Make a text fit for an LDAP Directory String (RFC 4517, 3.3.6).

    :param text: any text of a notification
    :returns: the text with U+FFFD for each unfit character, and without
        surrounding blanks; ``""`` where nothing is left to write
    """
    if not (text.isascii() and text.isprintable()):
        text = _UNFIT.sub("�", text)
    return text.strip()


def common_name(host_name: str, display_name: str, instance_uuid: str) -> str:
    """Choose the common name of an entry.

    Nova makes ``host_name`` from the display name, or from the uuid when
    nothing of that is fit for a host name.

    :returns: never empty
    """
    candidates = (host_name, display_name, instance_uuid)
    return next(filter(None, map(directory_string, candidates)))
