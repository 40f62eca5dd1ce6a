# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Looks for what the LDAP driver would fail for; writes nothing."""

import re
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ldap

from nova_dirsvc_plugin.directories import base, credentials, fault
from nova_dirsvc_plugin.directories.ldap import (
    connection,
    errors,
    pipeline,
    reading,
)
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.directories.ldap import options as ldap_options

#: Seconds: the longest wait for a connection and for an answer here.
_CONNECTION_LIMIT = 3.0
_ANSWER_LIMIT = 5.0

#: Seconds for which our entries are read, to meet a limit of the server's.
_READ_FOR = 2.0

#: Seconds that a server takes at most to find an entry by an index.
_INDEX_LIMIT = 1.0

_CLASSES = ("novaInstance", "device", "ipHost", "ieee802Device")
_ATTRIBUTES = (*ldap_entry.MANAGED, ldap_entry.AS_OF)

#: Where 389 DS has its indexes, and the attributes that are searched for.
_INDEXES = "cn=ldbm database,cn=plugins,cn=config"
_SEARCHED = (ldap_entry.RDN, ldap_entry.OWNER_MARK)

_HERE = ("ldap://127.", "ldap://localhost", "ldap://[::1]")
_SCHEMA = "load examples/389ds/schema.ldif into the server"


def faults(options: Any, owner: str, thorough: bool) -> Iterator[fault.Fault]:
    """Look at the options and at each server, the first one closely.

    :param options: the group ``[ldap]``
    :param owner: the owner mark
    :param thorough: read entries, too
    """
    urls = options.url.replace(",", " ").split()
    yield from _risks(options, urls)
    working = ""
    for url in urls:
        one = connection.Connection(_only(options, url))
        try:
            one.open()
        except base.DirectoryUnavailable as error:
            yield _no_connection(error, severe=url == urls[-1] and not working)
            if isinstance(error, credentials.Refused) or isinstance(
                error.__cause__, ldap.INVALID_CREDENTIALS
            ):
                # It is not sent to the next one, lest the account be locked.
                return
        else:
            if not working:
                working = url
                examined = _Examination(one, options, owner)
                yield from examined.faults(thorough)
        finally:
            one.close()


def _only(options: Any, url: str) -> Any:
    """Return the options with one server, and short time limits."""
    found = {
        option.dest: getattr(options, option.dest)
        for option in ldap_options.OPTS
    }
    found |= {
        "url": url,
        "connection_timeout": min(
            options.connection_timeout, _CONNECTION_LIMIT
        ),
        "operation_timeout": min(options.operation_timeout, _ANSWER_LIMIT),
    }
    return types.SimpleNamespace(**found)


def _risks(options: Any, urls: Sequence[str]) -> Iterator[fault.Fault]:
    """Find options that work, and are not safe."""
    clear = [
        url
        for url in urls
        if url.startswith("ldap://") and not url.startswith(_HERE)
    ]
    if clear and not options.use_tls:
        yield fault.Fault(
            "clear-text",
            f"the password and all names are sent to {clear[0]} in clear text",
            "set [ldap] use_tls = true",
            severe=False,
        )
    if clear and options.use_tls and options.tls_req_cert != "demand":
        yield fault.Fault(
            "certificate-not-verified",
            f"any server can pretend to be {clear[0]}: [ldap] tls_req_cert is"
            f" {options.tls_req_cert}",
            "set it to demand, and tls_cacertfile to the CA of the server",
            severe=False,
        )


def _no_connection(
    error: base.DirectoryUnavailable, severe: bool
) -> fault.Fault:
    """Return the fault that a failed connection shows."""
    cause = error.__cause__
    words = str(error).lower()
    name, remedy = "unavailable", "see the log of the server"
    if isinstance(cause, ldap.INVALID_CREDENTIALS):
        name = "bind-refused"
        remedy = "correct [ldap] user, or write the password into its file"
    elif "password_file:" in words:
        name, remedy = "password-file", "make it, for the daemon's account"
    elif isinstance(cause, ldap.CONFIDENTIALITY_REQUIRED):
        name, remedy = "tls-required", "set [ldap] use_tls = true"
    elif (
        isinstance(cause, ldap.CONNECT_ERROR | ValueError)
        or "certificate" in words
        or "starttls" in words.replace("_", "").replace(" ", "")
    ):
        name = "tls"
        remedy = (
            "set [ldap] tls_cacertfile to the CA that has signed the server's"
            " certificate, and url to a host name in it"
        )
    elif isinstance(cause, ldap.PROTOCOL_ERROR):
        name, remedy = "tls", "give the server a certificate"
    return fault.Fault(name, str(error), remedy, severe)


class _Examination:
    """Looks at one server, by a connection that is open."""

    def __init__(
        self, opened: connection.Connection, options: Any, owner: str
    ) -> None:
        self._connection = opened
        self._tree = options.hosts_tree_dn
        self._reading = reading.Reading(opened, self._tree, owner)

    def faults(self, thorough: bool) -> Iterator[fault.Fault]:
        try:
            yield from self._container()
            yield from self._schema()
            if thorough:
                yield from self._indexes()
                yield from self._limits()
        except (ldap.LDAPError, pipeline.Unsent, pipeline.Broken) as error:
            text = (
                errors.describe(error)
                if isinstance(error, ldap.LDAPError)
                else str(error)
            )
            yield fault.Fault("unavailable", text, "see the log of the server")

    def _read(
        self, dn: str, names: Sequence[str]
    ) -> Mapping[str, Sequence[bytes]]:
        """Read one entry; nothing where it may not be read."""
        return self._connection.receive(
            self._connection.send(
                (
                    "search_ext",
                    (dn, ldap.SCOPE_BASE, "(objectClass=*)", list(names)),
                )
            )
        )

    def _container(self) -> Iterator[fault.Fault]:
        try:
            found = self._read(self._tree, ["objectClass"])
        except ldap.NO_SUCH_OBJECT:
            found = {}
        if not found:
            # 389 DS does not say which, to one who may not know.
            yield fault.Fault(
                "container-missing",
                f"there is no entry {self._tree}, or [ldap] user may not read"
                " it",
                "correct [ldap] hosts_tree_dn, make the entry, or let the"
                " account read it and all below it",
            )

    def _schema(self) -> Iterator[fault.Fault]:
        root = self._read("", ["subschemaSubentry"])
        place = next(iter(root.values()), [b"cn=schema"])[0].decode()
        found = self._read(place, ["attributeTypes", "objectClasses"])
        if not found:
            return
        known = {
            name.lower()
            for definitions in found.values()
            for definition in definitions
            for name in _names(definition.decode(errors="replace"))
        }
        missing = [
            name
            for name in (*_CLASSES, *_ATTRIBUTES)
            if name.lower() not in known
        ]
        if "novaInstance" in missing:
            yield fault.Fault(
                "schema-missing",
                "the server does not know the class novaInstance",
                _SCHEMA,
            )
        elif missing:
            yield fault.Fault(
                "schema-old",
                f"the server does not know {', '.join(missing)}",
                _SCHEMA,
            )

    def _indexes(self) -> Iterator[fault.Fault]:
        indexed = self._indexed()
        missing = [
            name
            for name in _SEARCHED
            if indexed and name.lower() not in indexed
        ]
        began = time.monotonic()
        if not indexed:
            # They are not for this account to see, but their effect is.
            nobody = "00000000-0000-4000-8000-000000000000"
            self._connection.search(f"({ldap_entry.RDN}={nobody})", ["1.1"])
            if time.monotonic() - began > _INDEX_LIMIT:
                missing = [ldap_entry.RDN]
        if missing:
            yield fault.Fault(
                "index-missing",
                f"the server has no index of {', '.join(missing)}",
                "make an index of the kind eq for each, and build it",
                severe=False,
            )

    def _indexed(self) -> set[str]:
        """Return the attributes with an index, if a 389 DS shows them."""
        try:
            found, _ = self._connection.search(
                "(&(objectClass=nsIndex)(nsIndexType=eq))",
                ["cn"],
                below=_INDEXES,
            )
        except base.DirectoryUnavailable:
            return set()
        return {
            name.decode(errors="replace").lower()
            for entry in found.values()
            for name in entry.get("cn", ())
        }

    def _limits(self) -> Iterator[fault.Fault]:
        ends_at = time.monotonic() + _READ_FOR
        try:
            for _ in self._reading.ours():
                if time.monotonic() > ends_at:
                    return
        except base.DirectoryUnavailable as error:
            yield fault.Fault(
                "read-refused",
                f"the entries cannot be read: {error}",
                "let [ldap] user read them all, without a limit of its own",
                severe=False,
            )


def _names(definition: str) -> Sequence[str]:
    """Return the names of a definition of RFC 4512."""
    match = re.search(r"\bNAME\s+(\([^)]*\)|'[^']*')", definition)
    return re.findall(r"'([^']+)'", match[1]) if match else ()
