# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""389 DS, OpenLDAP, or any LDAP directory that has our schema.

One connection, many requests in flight. An entry is addressed by its DN, and
looked for by its uuid where there is none of that DN, or where many are to be
changed or removed.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ldap import dn as ldap_dn

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base, fault
from nova_dirsvc_plugin.directories.ldap import (
    connection,
    conversation,
    examination,
    look_up,
    pipeline,
    reading,
    refusals,
    request,
)
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.directories.ldap import options as ldap_options

#: Requests in flight; more gain nothing (389 DS is at its ceiling by 16).
_WINDOW = 32


class LdapDirectory(base.Directory):
    """Keeps an entry an instance below one container."""

    OPTS = ldap_options.OPTS
    # Its classes require the addresses.
    TAKING = (
        "objectclass",
        ldap_entry.RDN.lower(),
        ldap_entry.OWNER_MARK.lower(),
        "iphostnumber",
        "macaddress",
    )

    def __init__(self, options: Any, owner: str) -> None:
        self._options = options
        self._owner = owner
        self._tree = options.hosts_tree_dn
        if not self._tree or not ldap_dn.is_dn(self._tree):
            raise base.WrongOption(
                f"[ldap] hosts_tree_dn {self._tree!r} is not a DN"
            )
        if options.user and not options.password_file:
            raise base.WrongOption("[ldap] user requires password_file")
        self._connection = connection.Connection(options)
        self._reading = reading.Reading(self._connection, self._tree, owner)
        self._conversations = conversation.Conversations(owner, self._tree)
        self._look_ups = look_up.LookUps(self._connection, self._reading)

    # -- the contract ------------------------------------------------------

    def apply(self, states: Sequence[events.HostState]) -> list[base.Outcome]:
        return self.apply_overlapping(states, base.nothing)

    def apply_overlapping(
        self,
        states: Sequence[events.HostState],
        meanwhile: Callable[[], None],
    ) -> list[base.Outcome]:
        try:
            self._connection.begin_batch()
        except base.DirectoryUnavailable as error:
            return [base.Unavailable(str(error)) for _ in states]
        talks = self._conversations
        talks.no_writes = ""
        outcomes = self._outcomes(states, meanwhile)
        trouble = talks.no_writes or self._connection.failing
        if trouble and not any(
            isinstance(outcome, base.Done) and outcome.operation
            for outcome in outcomes
        ):
            self._connection.leave(trouble)
        return outcomes

    def look_ahead(self, states: Sequence[events.HostState]) -> None:
        self._look_ups.look_ahead(states)

    def entries(self) -> Iterator[base.Entry]:
        self._connection.open()
        yield from self._reading.ours()

    def find(self, uuids: Sequence[str]) -> Iterator[base.Entry]:
        self._connection.open()
        yield from self._reading.of(uuids)

    def differences(
        self, entry: base.Entry, state: events.HostState
    ) -> list[base.Difference]:
        found = ldap_entry.from_content(entry.content)
        replace = request.replacements(entry.name, found, state, self._owner)
        replace.pop(ldap_entry.AS_OF, None)
        new = ldap_entry.Content(replace)
        return [
            base.Difference(name, entry.content.get(name, []), new[name])
            for name in new
        ]

    def others(self) -> Iterator[base.Entry]:
        self._connection.open()
        yield from self._reading.others()

    def faults(self, thorough: bool = True) -> Iterator[fault.Fault]:
        return examination.faults(self._options, self._owner, thorough)

    def new_entry(self, state: events.HostState) -> base.Entry:
        made = ldap_entry.attributes(state.record, self._owner, state.as_of)
        dn = ldap_entry.dn(state.record.instance_uuid, self._tree)
        return reading.as_entry(dn, made, "")

    def measurements(self) -> Iterator[base.Measurement]:
        self._connection.open()
        yield refusals.measurement(self._connection, self._tree)

    def close(self) -> None:
        self._connection.close()

    # -- a batch -----------------------------------------------------------

    def _outcomes(
        self,
        states: Sequence[events.HostState],
        meanwhile: Callable[[], None],
    ) -> list[base.Outcome]:
        look = self._look_ups.begin(states)
        outcomes = self._run(
            [
                self._conversations.begin(
                    state, functools.partial(look.found, state)
                )
                for state in states
            ],
            meanwhile,
        )
        self._look_ups.end(look)
        missing = [
            index
            for index, outcome in enumerate(outcomes)
            if outcome is conversation.NOT_THERE
        ]
        if missing:
            again = self._look_elsewhere([states[index] for index in missing])
            for index, outcome in zip(missing, again, strict=True):
                outcomes[index] = outcome
        return outcomes

    def _run(
        self,
        conversations: Sequence[pipeline.Conversation],
        meanwhile: Callable[[], None] = base.nothing,
    ) -> list[base.Outcome]:
        return pipeline.Pipeline(
            self._connection.send,
            self._connection.receive,
            _WINDOW,
            self._connection.may_send,
            meanwhile,
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
            found = self._reading.by_uuid(
                [state.record.instance_uuid for state in states],
                request.WHOLE,
                reading.FIND_SIZE,
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
