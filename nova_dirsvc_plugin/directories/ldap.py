# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""389 DS, OpenLDAP, or any LDAP directory that has our schema.

One connection, many requests in flight. An add that finds an entry becomes
a comparison and, if need be, a modify; so does what a crash left half done.
"""

import contextlib
import pathlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import ldap
import ldap.dn
import ldap.filter
from ldap.controls import SimplePagedResultsControl

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import (
    base,
    ldap_entry,
    ldap_options,
    pipeline,
)

#: Requests in flight; more gain nothing (389 DS is at its ceiling by 16).
_WINDOW = 32

_PAGE_SIZE = 1000

#: Entries that are looked up by one search (OpenLDAP gives 500 at most).
_LOOK_UP_SIZE = 128

#: Tries to change an entry that others change at the same time.
_TRIES = 5

#: After these the connection is of no more use.
_BROKEN = (
    ldap.SERVER_DOWN,
    ldap.CONNECT_ERROR,
    ldap.TIMEOUT,
    ldap.UNAVAILABLE,
    ldap.LOCAL_ERROR,
    ldap.DECODING_ERROR,
)

#: The server's state or set-up, not the entry, is why: read-only, out of
#: disk, an import running, the container or the schema not there yet, TLS
#: asked for.
_NOT_NOW = (
    ldap.BUSY,
    ldap.UNWILLING_TO_PERFORM,
    ldap.OPERATIONS_ERROR,
    ldap.ADMINLIMIT_EXCEEDED,
    ldap.TIMELIMIT_EXCEEDED,
    ldap.NO_SUCH_OBJECT,
    ldap.REFERRAL,
    ldap.OTHER,
    ldap.UNDEFINED_TYPE,
    ldap.CONFIDENTIALITY_REQUIRED,
    ldap.STRONG_AUTH_REQUIRED,
    ldap.INAPPROPRIATE_AUTH,
)

_CERTIFICATE_CHECKS = {
    "demand": ldap.OPT_X_TLS_DEMAND,
    "allow": ldap.OPT_X_TLS_ALLOW,
    "never": ldap.OPT_X_TLS_NEVER,
}

#: What is read of an entry that is to be removed.
_TO_REMOVE = (ldap_entry.RDN, ldap_entry.OWNER_MARK, ldap_entry.AS_OF)

_Request = tuple[str, tuple[Any, ...]]
_Found = dict[str, ldap_entry.Attributes]
_Conversation = Generator[_Request, Any, base.Outcome]


class LdapDirectory(base.Directory):
    """Keeps an entry an instance below one container."""

    OPTS = ldap_options.OPTS

    def __init__(self, options: Any, owner: str) -> None:
        self._options = options
        self._owner = owner
        self._tree = options.hosts_tree_dn
        self._connection: Any = None
        if not self._tree or not ldap.dn.is_dn(self._tree):
            raise base.WrongOption(
                f"[ldap] hosts_tree_dn {self._tree!r} is not a DN"
            )
        self._urls = options.url.replace(",", " ").split()
        if not self._urls:
            raise base.WrongOption("[ldap] url is empty")
        for url in self._urls:
            if not url.startswith(("ldap://", "ldaps://", "ldapi://")):
                raise base.WrongOption(
                    f"[ldap] url {url!r} is not ldap://, ldaps:// or ldapi://"
                )
        if options.user and not options.password_file:
            raise base.WrongOption("[ldap] user goes with password_file")

    # -- the contract ------------------------------------------------------

    def apply(self, changes: Sequence[base.Change]) -> list[base.Outcome]:
        try:
            self._connect()
            found = self._found(changes)
        except base.DirectoryUnavailable as error:
            return [base.Unavailable(str(error)) for _ in changes]
        line: pipeline.Pipeline[_Request, Any, base.Outcome]
        line = pipeline.Pipeline(self._send, self._receive, _WINDOW)
        return line.run(
            [self._conversation(change, found) for change in changes],
            base.Unavailable,
        )

    def entries(self) -> Iterator[events.HostRecord]:
        self._connect()
        condition = ldap.filter.filter_format(
            f"(&(objectClass=novaInstance)({ldap_entry.OWNER_MARK}=%s))",
            [self._owner],
        )
        page = SimplePagedResultsControl(True, _PAGE_SIZE, "")
        while True:
            found, answers = self._search(condition, ldap_entry.MANAGED, page)
            for entry in found:
                # The filter takes any case for ours.
                if self._is_ours(entry):
                    yield ldap_entry.record(entry)
            page.cookie = next(
                (
                    answer.cookie
                    for answer in answers
                    if answer.controlType == page.controlType
                ),
                b"",
            )
            if not page.cookie:
                return

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.unbind_ext()

    # -- one change --------------------------------------------------------

    def _found(self, changes: Sequence[base.Change]) -> _Found:
        """Read whose the entries are that are to be removed, and as of when.

        389 DS knows no assertion control (RFC 4528), so we look before we
        delete; many at a time, which costs a tenth of one by one.

        :raises DirectoryUnavailable: they cannot be read now
        """
        uuids = [
            change.record.instance_uuid
            for change in changes
            if change.verb.removes
        ]
        found: _Found = {}
        for start in range(0, len(uuids), _LOOK_UP_SIZE):
            some = uuids[start : start + _LOOK_UP_SIZE]
            condition = ldap.filter.filter_format(
                f"(|{f'({ldap_entry.RDN}=%s)' * len(some)})", some
            )
            for entry in self._search(condition, _TO_REMOVE)[0]:
                uuid = entry[ldap_entry.RDN][0].decode().lower()
                found[uuid] = entry
        return found

    def _conversation(
        self, change: base.Change, found: _Found
    ) -> _Conversation:
        """Do one change; what the server says against it is the outcome."""
        instance_uuid = change.record.instance_uuid
        dn = ldap_entry.dn(instance_uuid, self._tree)
        try:
            if change.verb.removes:
                return (
                    yield from self._remove(
                        dn, change, found.get(instance_uuid)
                    )
                )
            return (yield from self._keep(dn, change))
        except _NOT_NOW as error:
            return base.Unavailable(f"{_said(error)} ({dn})")
        except ldap.LDAPError as error:
            return base.Rejected(f"{_said(error)} ({dn})")

    def _keep(self, dn: str, change: base.Change) -> _Conversation:
        wanted = ldap_entry.attributes(
            change.record, self._owner, change.as_of
        )
        try:
            yield "add_ext", (dn, list(wanted.items()))
        except ldap.ALREADY_EXISTS:
            return (yield from self._correct(dn, change))
        return base.Done()

    def _correct(self, dn: str, change: base.Change) -> _Conversation:
        """Bring an entry that is there up to date.

        The time that was read is part of the modification: where another
        writer was faster, the server refuses it, and we look again.
        """
        for _ in range(_TRIES):
            found = yield _read(dn, [*ldap_entry.MANAGED, "*"])
            if not self._is_ours(found):
                return _foreign(dn)
            replace = ldap_entry.update(
                found, change.record, self._owner, change.as_of
            )
            if not replace:
                break
            try:
                yield "modify_ext", (dn, _modifications(found, replace))
            except ldap.NO_SUCH_ATTRIBUTE:
                continue
            break
        else:
            return base.Unavailable(f"others change the entry ({dn})")
        return base.Done()

    def _remove(
        self, dn: str, change: base.Change, found: ldap_entry.Attributes | None
    ) -> _Conversation:
        with contextlib.suppress(ldap.NO_SUCH_OBJECT):
            if found is None:
                # Gone, or not for our eyes: only NO_SUCH_OBJECT says gone.
                found = yield _read(dn, _TO_REMOVE)
            if not self._is_ours(found):
                return _foreign(dn)
            if (
                change.verb is events.Verb.UNREGISTER
                or ldap_entry.rests_on_time(found) <= change.as_of
            ):
                yield "delete_ext", (dn,)
        return base.Done()

    def _is_ours(self, found: ldap_entry.Attributes) -> bool:
        marks = found.get(ldap_entry.OWNER_MARK, [])
        return [mark.decode() for mark in marks] == [self._owner]

    # -- the connection ----------------------------------------------------

    def _search(
        self, condition: str, names: Sequence[str], *controls: Any
    ) -> tuple[list[ldap_entry.Attributes], list[Any]]:
        """Search the container; give entries and the answer's controls.

        :raises DirectoryUnavailable: it could not be searched
        """
        try:
            _, found, _, answers = self._connection.result3(
                self._connection.search_ext(
                    self._tree,
                    ldap.SCOPE_ONELEVEL,
                    condition,
                    list(names),
                    serverctrls=list(controls),
                ),
                timeout=self._options.operation_timeout,
            )
        except ldap.LDAPError as error:
            self.close()
            raise base.DirectoryUnavailable(
                f"{_said(error)} ({self._tree})"
            ) from error
        # An item without a DN is a referral to somewhere else.
        return [attributes for dn, attributes in found if dn], answers

    def _send(self, request: _Request) -> int:
        method, arguments = request
        try:
            ticket: int = getattr(self._connection, method)(*arguments)
        except _BROKEN as error:
            raise self._broken(error) from error
        return ticket

    def _receive(self, ticket: int) -> dict[str, list[bytes]]:
        """Wait for an answer; of a search, give the entry that it found."""
        try:
            _, found, _, _ = self._connection.result3(
                ticket, timeout=self._options.operation_timeout
            )
        except _BROKEN as error:
            raise self._broken(error) from error
        for _, attributes in found or ():
            return dict(attributes)
        return {}

    def _broken(self, error: ldap.LDAPError) -> pipeline.Broken:
        self.close()
        return pipeline.Broken(_said(error))

    def _connect(self) -> None:
        """Connect to the first server that lets us in.

        :raises DirectoryUnavailable: none did
        """
        if self._connection is not None:
            return
        reasons = []
        for url in self._urls:
            try:
                self._connection = self._connected(url)
            except base.DirectoryUnavailable as error:
                reasons.append(str(error))
            else:
                return
        raise base.DirectoryUnavailable("; ".join(reasons))

    def _connected(self, url: str) -> Any:
        connection = ldap.initialize(url)
        try:
            self._set_up(connection)
            if self._options.use_tls and url.startswith("ldap://"):
                connection.start_tls_s()
            self._bind(connection)
        except (ldap.LDAPError, OSError, ValueError) as error:
            connection.unbind_ext()
            raise base.DirectoryUnavailable(
                self._advice(url, error)
            ) from error
        return connection

    def _set_up(self, connection: Any) -> None:
        options = self._options
        connection.set_option(
            ldap.OPT_NETWORK_TIMEOUT, options.connection_timeout
        )
        connection.set_option(ldap.OPT_TIMEOUT, options.operation_timeout)
        connection.set_option(ldap.OPT_REFERRALS, 0)
        # A peer that a firewall forgot is noticed while nothing is asked.
        connection.set_option(ldap.OPT_X_KEEPALIVE_IDLE, 60)
        connection.set_option(ldap.OPT_X_KEEPALIVE_PROBES, 3)
        connection.set_option(ldap.OPT_X_KEEPALIVE_INTERVAL, 10)
        connection.set_option(
            ldap.OPT_X_TLS_REQUIRE_CERT,
            _CERTIFICATE_CHECKS[options.tls_req_cert],
        )
        if options.tls_cacertfile:
            connection.set_option(
                ldap.OPT_X_TLS_CACERTFILE, options.tls_cacertfile
            )
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)

    def _bind(self, connection: Any) -> None:
        if not self._options.user:
            connection.sasl_non_interactive_bind_s("EXTERNAL")
            return
        password = pathlib.Path(self._options.password_file).read_text()
        connection.simple_bind_s(self._options.user, password.rstrip("\n"))

    def _advice(self, url: str, error: Exception) -> str:
        """Say what went wrong, and which option to look at."""
        options = self._options
        if isinstance(error, OSError | UnicodeError):
            return f"[ldap] password_file: {error}"
        if isinstance(error, ValueError):
            return f"[ldap] tls_cacertfile: no CA in {options.tls_cacertfile}"
        if isinstance(error, ldap.INVALID_CREDENTIALS):
            return (
                f"{url} refused to let {options.user!r} in: see [ldap] user"
                " and password_file"
            )
        if isinstance(error, ldap.CONNECT_ERROR):
            return (
                f"{url}: no TLS, {_said(error)}: is its certificate from"
                " [ldap] tls_cacertfile, for this name?"
            )
        return f"{url}: {_said(error)}"


def _modifications(
    found: ldap_entry.Attributes, replace: ldap_entry.Attributes
) -> list[tuple[int, str, list[bytes] | None]]:
    """Replace attributes, if the entry is still as of the time we read."""
    made: list[tuple[int, str, list[bytes] | None]] = []
    for name, values in replace.items():
        if name == ldap_entry.AS_OF and found.get(name):
            made.append((ldap.MOD_DELETE, name, list(found[name])))
            made.append((ldap.MOD_ADD, name, list(values)))
        else:
            made.append((ldap.MOD_REPLACE, name, list(values) or None))
    return made


def _read(dn: str, names: Sequence[str]) -> _Request:
    return (
        "search_ext",
        (dn, ldap.SCOPE_BASE, "(objectClass=*)", list(names)),
    )


def _foreign(dn: str) -> base.Rejected:
    return base.Rejected(
        f"the entry carries another owner mark, or may not be read ({dn})"
    )


def _said(error: Exception) -> str:
    """Put an LDAP error into words: python-ldap gives a dict, or nothing.

    On one line, so that one grep has all of it: 389 DS ends some of its
    texts with a line feed.
    """
    told = error.args[0] if error.args else {}
    if not isinstance(told, dict):
        return f"{type(error).__name__}: {told}"
    parts = (told.get("desc", ""), told.get("info", ""))
    said = ": ".join(filter(None, parts)) or type(error).__name__
    return " ".join(said.split())
