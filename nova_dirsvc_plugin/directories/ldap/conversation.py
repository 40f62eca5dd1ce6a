# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is said to an LDAP server about one instance, request by request.

389 DS has no assertion control (RFC 4528), so an entry is read before it is
changed or removed. Only a new one is written without a look.
"""

from collections.abc import Callable, Mapping

import ldap

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.directories.ldap import errors, pipeline, request

#: Attempts to change an entry that others change at the same time.
_ATTEMPTS = 5

#: Bytes of an entry: 389 DS takes 2 MiB at most, OpenLDAP 4, and closes the
#: connection on more.
MAX_SIZE = 1_000_000

#: There is no entry where it was looked for.
NOT_THERE = base.Unavailable("the entry has been removed meanwhile")


#: The attributes of some entries, by their DN.
Found = Mapping[str, ldap_entry.Attributes]


class Conversations:
    """Makes the conversations of one cloud.

    :param owner: the owner mark
    :param tree: the DN of the container
    :ivar no_writes: the server's last answer that it takes no writes
    """

    def __init__(self, owner: str, tree: str) -> None:
        self._owner = owner
        self._tree = tree
        self.no_writes = ""

    def begin(
        self,
        state: events.HostState,
        look: Callable[[], Found | None],
    ) -> pipeline.Conversation:
        """Apply a state.

        :param look: returns the entries that have its uuid, by their DN; None
            where that is not known
        :returns: an outcome; :data:`NOT_THERE` where the entry is not at the
            DN that we give, and may be elsewhere
        """
        found = look()
        if found is not None:
            return (yield from self.wherever(state, found))
        dn = self._dn(state)
        if state.verb is events.Verb.REGISTER and not state.known:
            return (yield from self._add(dn, state))
        return (yield from self._change(dn, state))

    def wherever(
        self, state: events.HostState, found: Found
    ) -> pipeline.Conversation:
        """Apply a state to the entry that was found, wherever it is.

        :param found: the entries that have its uuid, by their DN
        :returns: as :meth:`begin`
        """
        ours = [dn for dn, one in found.items() if self.is_ours(one)]
        if len(ours) > 1:
            return base.Foreign(
                f"{len(ours)} entries have this uuid, delete all but one:"
                f" {'; '.join(ours)}"
            )
        at_our_dn = self._dn(state)
        # One that is not ours, and elsewhere, hinders no register.
        theirs = [
            dn
            for dn in found
            if state.verb is not events.Verb.REGISTER
            or dn.lower() == at_our_dn.lower()
        ]
        for dn in ours or theirs:
            return (yield from self._change(dn, state, found[dn]))
        if not state.verb.removes:
            return (yield from self._add(at_our_dn, state))
        # What may not be read is not found, either; its DN tells.
        outcome = yield from self._change(at_our_dn, state)
        return base.Done("") if outcome is NOT_THERE else outcome

    def is_ours(self, found: ldap_entry.Attributes) -> bool:
        """Return whether an entry carries our owner mark."""
        return ldap_entry.owner_of(found) == self._owner

    # -- steps -------------------------------------------------------------

    def _dn(self, state: events.HostState) -> str:
        return ldap_entry.dn(state.record.instance_uuid, self._tree)

    def _change(
        self,
        dn: str,
        state: events.HostState,
        known: ldap_entry.Attributes | None = None,
    ) -> pipeline.Conversation:
        """Correct or remove an entry; :data:`NOT_THERE` if it is not there.

        :param known: the entry as it was a moment ago, as far as it was read
        """
        if state.verb.removes:
            talk, operation = self._remove(dn, state, known), "delete"
        else:
            talk, operation = self._correct(dn, state, known), "modify"
        return (yield from self._answered(operation, dn, talk))

    def _add(self, dn: str, state: events.HostState) -> pipeline.Conversation:
        talk = self._keep(dn, state)
        return (yield from self._answered("add", dn, talk))

    def _answered(
        self, operation: str, dn: str, talk: pipeline.Conversation
    ) -> pipeline.Conversation:
        """Turn an error of the server into an outcome."""
        try:
            return (yield from talk)
        except errors.NOT_NOW as error:
            if isinstance(error, errors.NO_WRITES):
                self.no_writes = errors.describe(error)
            return base.Unavailable(f"{errors.describe(error)} ({dn})")
        except ldap.INSUFFICIENT_ACCESS as error:
            return base.Rejected(
                "the directory refuses access to entries with owner mark"
                f" {self._owner!r}: {errors.describe(error)} ({dn}):"
                " check [nova_dirsvc] owner against the mark that the server's"
                " access rules admit (dirsvc-389ds deploy --owner), and the"
                " rights of [ldap] user",
                operation,
            )
        except ldap.LDAPError as error:
            reason = f"{errors.describe(error)} ({dn})"
            if any(
                isinstance(error, kind) and word in reason
                for kind, word in errors.NO_SCHEMA
            ):
                return base.Unavailable(
                    f"{reason}: check that the server has the schema of this"
                    " release, examples/389ds/schema.ldif"
                )
            return base.Rejected(reason, operation)

    def _keep(self, dn: str, state: events.HostState) -> pipeline.Conversation:
        wanted = ldap_entry.attributes(state.record, self._owner, state.as_of)
        if ldap_entry.size(wanted) > MAX_SIZE:
            return _too_large(dn, wanted, "add")
        try:
            yield "add_ext", (dn, list(wanted.items()))
        except ldap.ALREADY_EXISTS:
            return (yield from self._change(dn, state))
        return base.Done("add")

    def _correct(
        self,
        dn: str,
        state: events.HostState,
        known: ldap_entry.Attributes | None,
    ) -> pipeline.Conversation:
        """Update an existing entry.

        The time that was read is part of the modification: where another
        writer was faster, the server refuses it, and the entry is read again.
        """
        refused: ldap.LDAPError | None = None
        for _ in range(_ATTEMPTS):
            try:
                found = known or (yield request.read(dn, request.NAMED))
            except ldap.NO_SUCH_OBJECT:
                return NOT_THERE
            known = None
            if not self.is_ours(found):
                return self._foreign(dn, found, "modify")
            replace = request.replacements(dn, found, state, self._owner)
            if not replace:
                return base.Done("")
            if ldap_entry.size(replace) > MAX_SIZE:
                return _too_large(dn, replace, "modify")
            if refused and not found.get(ldap_entry.AS_OF):
                # It was not for somebody else's time that it was refused.
                raise refused
            try:
                modified = request.modifications(found, replace)
                yield from request.write(dn, "modify_ext", modified)
            except ldap.NO_SUCH_ATTRIBUTE:
                continue
            except errors.SECOND_VALUE as error:
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
        known: ldap_entry.Attributes | None,
    ) -> pipeline.Conversation:
        """Remove an entry.

        If the time decides, it is read just before: no condition goes with a
        delete. If the entry is gone then, it may have got another name.
        """
        if not state.final:
            known = None
        try:
            found = known or (yield request.read(dn, request.TO_REMOVE))
            if not self.is_ours(found):
                return self._foreign(dn, found, "delete")
            if (
                not state.final
                and ldap_entry.stored_as_of(found) > state.as_of
            ):
                return base.Done("")
            yield from request.write(dn, "delete_ext")
        except ldap.NO_SUCH_OBJECT:
            return NOT_THERE
        return base.Done("delete")

    def _foreign(
        self, dn: str, found: ldap_entry.Attributes, operation: str
    ) -> base.Rejected:
        theirs = ldap_entry.owner_of(found)
        if not theirs:
            return base.Rejected(
                "the entry has no owner mark, or its mark may not be read:"
                f" check the rights of [ldap] user ({dn})",
                operation,
            )
        return base.Foreign(
            f"the entry carries another owner mark, {theirs!r}, than ours,"
            f" {self._owner!r} ({dn})",
            operation,
        )


def _too_large(
    dn: str, wanted: ldap_entry.Attributes, operation: str
) -> base.Rejected:
    return base.Rejected(
        f"{ldap_entry.size(wanted)} bytes are more than the {MAX_SIZE} that"
        f" an entry may have ({dn})",
        operation,
        certain=True,
    )
