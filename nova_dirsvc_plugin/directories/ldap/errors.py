# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What an error of python-ldap's means, and what it says. Pure."""

import ldap


def ends_connection(error: ldap.LDAPError) -> bool:
    """Return whether no more can be asked; those below zero are libldap's."""
    return error.errnum < 0 or isinstance(error, ldap.UNAVAILABLE)


def describe(error: Exception) -> str:
    """Return an LDAP error in words, on one line.

    python-ldap gives a dict, or nothing, and 389 DS ends some of its texts
    with a line feed.
    """
    details = error.args[0] if error.args else {}
    if not isinstance(details, dict):
        return f"{type(error).__name__}: {details}"
    parts = (details.get("desc", ""), details.get("info", ""))
    text = ": ".join(filter(None, parts)) or type(error).__name__
    return " ".join(text.split())


def advice(url: str, error: Exception, cacertfile: str) -> str:
    """Return why there is no connection, and which option to check."""
    if isinstance(error, ValueError):
        return f"[ldap] tls_cacertfile: no CA in {cacertfile}"
    if isinstance(error, ldap.CONNECT_ERROR):
        return (
            f"{url}: TLS failed: {describe(error)}: check [ldap]"
            " tls_cacertfile and the host name in the certificate"
        )
    return f"{url}: {describe(error)}"
