# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The requests of a conversation with an LDAP server."""

from collections.abc import Generator, Sequence
from typing import Any

import ldap
import ldap.dn

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.directories.ldap import pipeline

#: What is read of an entry that is to be removed.
TO_REMOVE = (ldap_entry.RDN, ldap_entry.OWNER_MARK, ldap_entry.AS_OF)

#: What is read of one that may be changed: all that it has. 389 DS takes a
#: third longer where attributes are named, and then gives them these names.
WHOLE = ("*",)
NAMED = (*ldap_entry.MANAGED, *WHOLE)

_Step = Generator[pipeline.Request, Any, None]


def replacements(
    dn: str, found: ldap_entry.Attributes, state: events.HostState, owner: str
) -> dict[str, list[bytes]]:
    """Return what to replace in an entry so that it gets a state.

    The attributes of which an entry has its name are not touched.
    """
    replace = ldap_entry.update(found, state.record, owner, state.as_of)
    if not replace.keys() - {ldap_entry.AS_OF}:
        return replace
    names = {name.lower() for name, _, _ in ldap.dn.str2dn(dn)[0]}
    return {
        name: values
        for name, values in replace.items()
        if name.lower() not in names
    }


def modifications(
    found: ldap_entry.Attributes, replace: ldap_entry.Attributes
) -> list[tuple[int, str, list[bytes] | None]]:
    """Replace attributes, if the entry is still as of the time we read.

    Its time is replaced, if only by itself: the server refuses the whole if
    it has another one by now.
    """
    made: list[tuple[int, str, list[bytes] | None]] = [
        (ldap.MOD_REPLACE, name, list(values) or None)
        for name, values in replace.items()
        if name != ldap_entry.AS_OF
    ]
    read = list(found.get(ldap_entry.AS_OF, []))
    if read:
        made.append((ldap.MOD_DELETE, ldap_entry.AS_OF, read))
    made.append(
        (
            ldap.MOD_ADD,
            ldap_entry.AS_OF,
            list(replace.get(ldap_entry.AS_OF, read)),
        )
    )
    return made


def read(dn: str, names: Sequence[str]) -> pipeline.Request:
    return (
        "search_ext",
        (dn, ldap.SCOPE_BASE, "(objectClass=*)", list(names)),
    )


def write(dn: str, method: str, *arguments: Any) -> _Step:
    """Change or remove an entry that was read before.

    Where somebody has removed it since, 389 DS answers insufficient access
    if the right to it depends on its content.

    :raises ldap.NO_SUCH_OBJECT: it is gone
    """
    try:
        yield method, (dn, *arguments)
    except ldap.INSUFFICIENT_ACCESS:
        yield read(dn, TO_REMOVE)
        raise
