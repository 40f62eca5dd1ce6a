# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""389 DS, OpenLDAP, or any LDAP directory that has our schema.

One connection, many requests in flight. An add that finds an entry becomes
a comparison and, if needed, a modify, also after a crash.
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import ldap
import ldap.dn
import ldap.filter
from ldap.controls import SimplePagedResultsControl

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import connection, pipeline
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.directories.ldap import options as ldap_options

#: Requests in flight; more gain nothing (389 DS is at its ceiling by 16).
_WINDOW = 32

_PAGE_SIZE = 1000

#: Entries that are looked up by one search (OpenLDAP gives 500 at most).
_LOOK_UP_SIZE = 128

#: Attempts to change an entry that others change at the same time.
_ATTEMPTS = 5

#: Caused by the server's state or set-up, not by the entry: read-only, out of
#: disk, an import running, container or schema missing, TLS required.
_NOT_NOW = (
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

#: Answers to a class or an attribute that the server does not know, and a
#: word of their texts: 389 DS's two and OpenLDAP's.
_NO_SCHEMA = (
    (ldap.OBJECT_CLASS_VIOLATION, "not allowed"),
    (ldap.OBJECT_CLASS_VIOLATION, "unknown"),
    (ldap.INVALID_SYNTAX, "objectClass"),
    (ldap.UNDEFINED_TYPE, ""),
)

#: A server's answers to a second value of a single-valued attribute.
_SECOND_VALUE = (
    ldap.TYPE_OR_VALUE_EXISTS,
    ldap.CONSTRAINT_VIOLATION,
    ldap.OBJECT_CLASS_VIOLATION,
)

#: What is read of an entry that is to be removed.
_TO_REMOVE = (ldap_entry.RDN, ldap_entry.OWNER_MARK, ldap_entry.AS_OF)

_Found = dict[str, ldap_entry.Attributes]
_Step = Generator[pipeline.Request, Any, None]


class LdapDirectory(base.Directory):
    """Keeps an entry an instance below one container."""

    OPTS = ldap_options.OPTS

    def __init__(self, options: Any, owner: str) -> None:
        self._owner = owner
        self._tree = options.hosts_tree_dn
        if not self._tree or not ldap.dn.is_dn(self._tree):
            raise base.WrongOption(
                f"[ldap] hosts_tree_dn {self._tree!r} is not a DN"
            )
        if options.user and not options.password_file:
            raise base.WrongOption("[ldap] user requires password_file")
        self._connection = connection.Connection(options)

    # -- the contract ------------------------------------------------------

    def apply(self, states: Sequence[events.HostState]) -> list[base.Outcome]:
        try:
            self._connection.begin_batch()
            found = self._found(states)
        except base.DirectoryUnavailable as error:
            return [base.Unavailable(str(error)) for _ in states]
        return pipeline.Pipeline(
            self._connection.send,
            self._connection.receive,
            _WINDOW,
            self._connection.may_send,
        ).run([self._conversation(state, found) for state in states])

    def entries(self) -> Iterator[events.HostRecord]:
        self._connection.open()
        condition = ldap.filter.filter_format(
            f"(&(objectClass=novaInstance)({ldap_entry.OWNER_MARK}=%s))",
            [self._owner],
        )
        page = SimplePagedResultsControl(True, _PAGE_SIZE, "")
        while True:
            found, answers = self._connection.search(
                condition, ldap_entry.MANAGED, page
            )
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
        self._connection.close()

    # -- one state ---------------------------------------------------------

    def _found(self, states: Sequence[events.HostState]) -> _Found:
        """Read whose the entries are that are to be removed for ever.

        389 DS has no assertion control (RFC 4528), so entries are read before
        they are deleted, many at a time: one by one costs ten times as much.

        :raises DirectoryUnavailable: they cannot be read now
        """
        uuids = [
            state.record.instance_uuid
            for state in states
            if state.verb is events.Verb.UNREGISTER
        ]
        found: _Found = {}
        for start in range(0, len(uuids), _LOOK_UP_SIZE):
            some = uuids[start : start + _LOOK_UP_SIZE]
            condition = ldap.filter.filter_format(
                f"(|{f'({ldap_entry.RDN}=%s)' * len(some)})", some
            )
            for entry in self._connection.search(condition, _TO_REMOVE)[0]:
                uuid = entry[ldap_entry.RDN][0].decode().lower()
                found[uuid] = entry
        return found

    def _conversation(
        self, state: events.HostState, found: _Found
    ) -> pipeline.Conversation:
        """Apply one state; an error of the server is the outcome."""
        instance_uuid = state.record.instance_uuid
        dn = ldap_entry.dn(instance_uuid, self._tree)
        if state.verb.removes:
            # Only a final removal may rely on an earlier look-up.
            looked = state.verb is events.Verb.UNREGISTER
            known = found.get(instance_uuid) if looked else None
            talk = self._remove(dn, state, known)
            return (yield from self._answered("delete", dn, talk))
        talk = self._keep(dn, state)
        return (yield from self._answered("add", dn, talk))

    def _answered(
        self, operation: str, dn: str, talk: pipeline.Conversation
    ) -> pipeline.Conversation:
        """Turn an error of the server into an outcome."""
        try:
            return (yield from talk)
        except _NOT_NOW as error:
            return base.Unavailable(
                f"{connection.describe_error(error)} ({dn})"
            )
        except ldap.INSUFFICIENT_ACCESS as error:
            return base.Rejected(
                "the directory refuses access to entries with owner mark"
                f" {self._owner!r}: {connection.describe_error(error)} ({dn}):"
                " check [nova_dirsvc] owner against the mark that the server's"
                " access rules admit (dirsvc-389ds deploy --owner), and the"
                " rights of [ldap] user",
                operation,
            )
        except ldap.LDAPError as error:
            reason = f"{connection.describe_error(error)} ({dn})"
            if any(
                isinstance(error, kind) and word in reason
                for kind, word in _NO_SCHEMA
            ):
                return base.Unavailable(
                    f"{reason}: check that the server has the schema of this"
                    " release, examples/389ds/schema.ldif"
                )
            return base.Rejected(reason, operation)

    def _keep(self, dn: str, state: events.HostState) -> pipeline.Conversation:
        wanted = ldap_entry.attributes(state.record, self._owner, state.as_of)
        try:
            yield "add_ext", (dn, list(wanted.items()))
        except ldap.ALREADY_EXISTS:
            talk = self._correct(dn, state)
            return (yield from self._answered("modify", dn, talk))
        return base.Done("add")

    def _correct(
        self, dn: str, state: events.HostState
    ) -> pipeline.Conversation:
        """Update an existing entry.

        The time that was read is part of the modification: where another
        writer was faster, the server refuses it, and the entry is read again.
        """
        refused: ldap.LDAPError | None = None
        for _ in range(_ATTEMPTS):
            found = yield _read(dn, [*ldap_entry.MANAGED, "*"])
            if not self._is_ours(found):
                return self._foreign(dn, found, "modify")
            replace = ldap_entry.update(
                found, state.record, self._owner, state.as_of
            )
            if not replace:
                return base.Done("")
            if refused and not found.get(ldap_entry.AS_OF):
                # It was not for somebody else's time that it was refused.
                raise refused
            try:
                modified = _modifications(found, replace)
                yield from _write(dn, "modify_ext", modified)
            except ldap.NO_SUCH_ATTRIBUTE:
                continue
            except _SECOND_VALUE as error:
                if found.get(ldap_entry.AS_OF):
                    raise
                refused = error
                continue
            return base.Done("modify")
        return base.Unavailable(f"the entry is being changed by others ({dn})")

    def _remove(
        self,
        dn: str,
        state: events.HostState,
        found: ldap_entry.Attributes | None,
    ) -> pipeline.Conversation:
        with contextlib.suppress(ldap.NO_SUCH_OBJECT):
            if found is None:
                # Gone, or not readable: only NO_SUCH_OBJECT means gone.
                found = yield _read(dn, _TO_REMOVE)
            if not self._is_ours(found):
                return self._foreign(dn, found, "delete")
            if (
                state.verb is events.Verb.UNREGISTER
                or ldap_entry.stored_as_of(found) <= state.as_of
            ):
                yield from _write(dn, "delete_ext")
                return base.Done("delete")
        return base.Done("")

    def _is_ours(self, found: ldap_entry.Attributes) -> bool:
        marks = found.get(ldap_entry.OWNER_MARK, [])
        return [mark.decode() for mark in marks] == [self._owner]

    def _foreign(
        self, dn: str, found: ldap_entry.Attributes, operation: str
    ) -> base.Rejected:
        marks = found.get(ldap_entry.OWNER_MARK)
        if not marks:
            return base.Rejected(
                "the entry has no owner mark, or its mark may not be read:"
                f" check the rights of [ldap] user ({dn})",
                operation,
            )
        theirs = ", ".join(mark.decode(errors="replace") for mark in marks)
        return base.Foreign(
            f"the entry carries another owner mark, {theirs!r}, than ours,"
            f" {self._owner!r} ({dn})",
            operation,
        )


def _modifications(
    found: ldap_entry.Attributes, replace: ldap_entry.Attributes
) -> list[tuple[int, str, list[bytes] | None]]:
    """Replace attributes, if the entry is still as of the time we read."""
    made: list[tuple[int, str, list[bytes] | None]] = []
    for name, values in replace.items():
        if name == ldap_entry.AS_OF:
            if found.get(name):
                made.append((ldap.MOD_DELETE, name, list(found[name])))
            made.append((ldap.MOD_ADD, name, list(values)))
        else:
            made.append((ldap.MOD_REPLACE, name, list(values) or None))
    return made


def _read(dn: str, names: Sequence[str]) -> pipeline.Request:
    return (
        "search_ext",
        (dn, ldap.SCOPE_BASE, "(objectClass=*)", list(names)),
    )


def _write(dn: str, method: str, *arguments: Any) -> _Step:
    """Change or remove an entry that was read before.

    Where somebody has removed it since, 389 DS answers insufficient access
    if the right to it depends on its content.

    :raises ldap.NO_SUCH_OBJECT: it is gone
    """
    try:
        yield method, (dn, *arguments)
    except ldap.INSUFFICIENT_ACCESS:
        yield _read(dn, _TO_REMOVE)
        raise
