# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""389 DS, OpenLDAP, or any LDAP directory that has our schema.

One connection, many requests in flight. An entry is addressed by its DN, and
looked for by its uuid only where there is none of that DN.
"""

import collections
from collections.abc import Iterator, Sequence
from typing import Any

from ldap import dn as ldap_dn
from ldap import filter as ldap_filter
from ldap.controls import SimplePagedResultsControl

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import (
    connection,
    conversation,
    pipeline,
    request,
)
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.directories.ldap import options as ldap_options

#: Requests in flight; more gain nothing (389 DS is at its ceiling by 16).
_WINDOW = 32

_PAGE_SIZE = 1000

#: Entries that are looked up by one search, at most.
_LOOK_UP_SIZE = 128

_Found = dict[str, dict[str, ldap_entry.Attributes]]


class LdapDirectory(base.Directory):
    """Keeps an entry an instance below one container."""

    OPTS = ldap_options.OPTS

    def __init__(self, options: Any, owner: str) -> None:
        self._owner = owner
        self._tree = options.hosts_tree_dn
        if not self._tree or not ldap_dn.is_dn(self._tree):
            raise base.WrongOption(
                f"[ldap] hosts_tree_dn {self._tree!r} is not a DN"
            )
        if options.user and not options.password_file:
            raise base.WrongOption("[ldap] user requires password_file")
        self._connection = connection.Connection(options)
        self._conversations = conversation.Conversations(owner, self._tree)

    # -- the contract ------------------------------------------------------

    def apply(self, states: Sequence[events.HostState]) -> list[base.Outcome]:
        try:
            self._connection.begin_batch()
        except base.DirectoryUnavailable as error:
            return [base.Unavailable(str(error)) for _ in states]
        talks = self._conversations
        talks.no_writes = ""
        outcomes = self._run([talks.at_its_dn(state) for state in states])
        missing = [
            index
            for index, outcome in enumerate(outcomes)
            if outcome is conversation.NOT_THERE
        ]
        if missing:
            again = self._look_elsewhere([states[index] for index in missing])
            for index, outcome in zip(missing, again, strict=True):
                outcomes[index] = outcome
        trouble = talks.no_writes or self._connection.failing
        if trouble and not any(
            isinstance(outcome, base.Done) and outcome.operation
            for outcome in outcomes
        ):
            self._connection.leave(trouble)
        return outcomes

    def entries(self) -> Iterator[events.HostRecord]:
        self._connection.open()
        condition = ldap_filter.filter_format(
            f"(&(objectClass=novaInstance)({ldap_entry.OWNER_MARK}=%s))",
            [self._owner],
        )
        page = SimplePagedResultsControl(True, _PAGE_SIZE, "")
        while True:
            found, answers = self._connection.search(
                condition, ldap_entry.MANAGED, page
            )
            for entry in found.values():
                # The filter takes any case for ours.
                if self._conversations.is_ours(entry):
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

    # -- a batch -----------------------------------------------------------

    def _run(
        self, conversations: Sequence[pipeline.Conversation]
    ) -> list[base.Outcome]:
        return pipeline.Pipeline(
            self._connection.send,
            self._connection.receive,
            _WINDOW,
            self._connection.may_send,
        ).run(conversations)

    def _look_elsewhere(
        self, states: Sequence[events.HostState]
    ) -> list[base.Outcome]:
        """Apply states whose entries do not have the DN that we give.

        There is none, or an administrator has renamed it.
        """
        if not (self._connection.is_open() and self._connection.may_send()):
            return [base.NotSent() for _ in states]
        try:
            found = self._found(
                [state.record.instance_uuid for state in states]
            )
        except base.DirectoryUnavailable as error:
            return [base.Unavailable(str(error)) for _ in states]
        return self._run(
            [
                self._conversations.wherever(
                    state, found.get(state.record.instance_uuid, {})
                )
                for state in states
            ]
        )

    def _found(
        self, uuids: Sequence[str], at_a_time: int = _LOOK_UP_SIZE
    ) -> _Found:
        """Look entries up by their uuids; many at a time, if the server may.

        :returns: uuid -> DN -> what is read to remove it
        :raises DirectoryUnavailable: they cannot be read now
        """
        found: _Found = collections.defaultdict(dict)
        for start in range(0, len(uuids), at_a_time):
            some = uuids[start : start + at_a_time]
            condition = ldap_filter.filter_format(
                f"(|{f'({ldap_entry.RDN}=%s)' * len(some)})", some
            )
            try:
                entries, _ = self._connection.search(
                    condition, request.TO_REMOVE
                )
            except connection.TooMany as error:
                if len(some) == 1:
                    raise base.DirectoryUnavailable(str(error)) from error
                found |= self._found(some, (len(some) + 1) // 2)
                continue
            for dn, entry in entries.items():
                if ldap_entry.RDN not in entry:
                    raise base.DirectoryUnavailable(
                        f"{ldap_entry.RDN} may be searched for and not be"
                        f" read: check the rights of [ldap] user ({dn})"
                    )
                uuid = entry[ldap_entry.RDN][0].decode().lower()
                found[uuid][dn] = entry
        return found
