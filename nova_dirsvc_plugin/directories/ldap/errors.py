# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What an error of python-ldap's means, and what it says. Pure."""

import ldap

#: Caused by the server's state or set-up, not by the entry: read-only, out of
#: disk, an import running, container or schema missing, TLS required.
NOT_NOW = (
    ldap.BUSY,
    ldap.UNWILLING_TO_PERFORM,
    ldap.OPERATIONS_ERROR,
    ldap.ADMINLIMIT_EXCEEDED,
    ldap.TIMELIMIT_EXCEEDED,
    ldap.NO_SUCH_OBJECT,
    ldap.REFERRAL,
    ldap.OTHER,
    ldap.CONFIDENTIALITY_REQUIRED,
    ldap.STRONG_AUTH_REQUIRED,
    ldap.INAPPROPRIATE_AUTH,
)

#: Of those, what a server answers that takes no writes at present.
NO_WRITES = (
    ldap.BUSY,
    ldap.UNWILLING_TO_PERFORM,
    ldap.OPERATIONS_ERROR,
    ldap.ADMINLIMIT_EXCEEDED,
    ldap.REFERRAL,
    ldap.OTHER,
)

#: Answers to a class or an attribute that the server does not know, and a
#: word of their texts: 389 DS's two and OpenLDAP's.
NO_SCHEMA = (
    (ldap.OBJECT_CLASS_VIOLATION, "not allowed"),
    (ldap.OBJECT_CLASS_VIOLATION, "unknown"),
    (ldap.INVALID_SYNTAX, "objectClass"),
    (ldap.UNDEFINED_TYPE, ""),
)

#: A server's answers to a second value of a single-valued attribute.
SECOND_VALUE = (
    ldap.TYPE_OR_VALUE_EXISTS,
    ldap.CONSTRAINT_VIOLATION,
    ldap.OBJECT_CLASS_VIOLATION,
)


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
