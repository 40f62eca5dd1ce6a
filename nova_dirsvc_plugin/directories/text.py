# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Names as a directory may hold them, from names as tenants write them."""

import re

#: Control characters that no directory string should carry (C0 and C1; NUL
#: ends a string in C), and halves of UTF-16 pairs, which UTF-8 has not.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def directory_string(text: str) -> str:
    """Make a text fit for an LDAP Directory String (RFC 4517, 3.3.6).

    :param text: anything that came in a notification
    :returns: the same with U+FFFD for each character that is unfit and no
        blanks around; ``""`` when nothing is left, and then there is no
        value to write
    """
    return _UNFIT.sub("�", text).strip()


def common_name(host_name: str, display_name: str, instance_uuid: str) -> str:
    """Choose the name that an entry is called by.

    Nova makes ``host_name`` from the display name, or from the uuid when
    nothing of that is fit for a host name.

    :returns: never empty
    """
    candidates = (host_name, display_name, instance_uuid)
    return next(filter(None, map(directory_string, candidates)))
