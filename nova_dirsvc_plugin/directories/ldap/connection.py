# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The connection to an LDAP server: made, used, and made again."""

import contextlib
import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import ldap

from nova_dirsvc_plugin.directories import base, credentials
from nova_dirsvc_plugin.directories.ldap import (
    entry,
    errors,
    opening,
    password,
    pipeline,
)

LOG = logging.getLogger(__name__)

#: Seconds before the end of a batch when nothing is sent any longer: a slow
#: server has this time to answer the requests that it was sent before.
_SEND_MARGIN = base.LONGEST_BATCH / 2

#: Seconds after which the first server is tried again.
_RETURN_AFTER = 300.0

#: Seconds between two reports that a server was left.
_REPORT_INTERVAL = 60.0

#: Of the errors that end a connection, those of a server that runs and may
#: accept the next bind.
_FAILING = (ldap.TIMEOUT, ldap.UNAVAILABLE)


#: A search that was sent: the number of the session, and its own there.
Ticket = tuple[int, int]


class TooMany(Exception):
    """The server gives fewer entries at a time than it was asked for."""


class Connection:
    """One connection, to the first of the servers that accepts the bind.

    A server that takes no writes is left for the next one.

    :ivar session: another number for each connection that is made
    :ivar failing: why the server has ended no request since the last batch
        began, if it has failed to
    :param options: the group ``[ldap]``
    :raises base.WrongOption: no server is named, or not as an LDAP URL
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._tree = options.hosts_tree_dn
        self._operation_timeout = float(options.operation_timeout)
        self._connection: Any = None
        self._ends_at = math.inf
        self._usable = True
        self._passwords = password.Passwords(
            options.user, options.password_file
        )
        #: The server that is in use, or is to be tried first.
        self._place = 0
        self._return_at = math.inf
        self._report_at = -math.inf
        self.session = 0
        self.failing = ""
        self._urls = options.url.replace(",", " ").split()
        if not self._urls:
            raise base.WrongOption("[ldap] url is empty")
        for url in self._urls:
            if not url.startswith(("ldap://", "ldaps://", "ldapi://")):
                raise base.WrongOption(
                    f"[ldap] url {url!r} is not ldap://, ldaps:// or ldapi://"
                )

    def begin_batch(self) -> None:
        """Start the time limit of a batch, and connect.

        :raises DirectoryUnavailable: no server accepts the bind
        """
        ends_at = time.monotonic() + base.LONGEST_BATCH
        self.failing = ""
        if time.monotonic() >= self._return_at:
            self._return_at = math.inf
            self._place = 0
            self.close()
        self.open()
        self._ends_at = ends_at

    def open(self) -> None:
        """Connect to the first server that accepts the bind.

        :raises DirectoryUnavailable: none does
        """
        self._ends_at = math.inf
        if self.is_open():
            return
        self.close()
        secret = self._passwords.read()
        reasons: list[str] = []
        cause: BaseException | None = None
        for _ in self._urls:
            url = self._urls[self._place]
            try:
                self._connection = opening.connect(
                    self._options, url, secret, self._passwords
                )
            except base.DirectoryUnavailable as error:
                reasons.append(str(error))
                cause = error.__cause__
                self._go_on()
                if isinstance(error, credentials.Refused):
                    # The next one is asked when it may be sent again.
                    self._return_at += credentials.REFUSED_FOR
                    break
            else:
                self._passwords.accepted(url, secret)
                self.session += 1
                return
        raise base.DirectoryUnavailable("; ".join(reasons)) from cause

    def leave(self, reason: str) -> None:
        """Use the next server, if there is one, as this takes no writes."""
        if len(self._urls) > 1:
            if time.monotonic() >= self._report_at:
                self._report_at = time.monotonic() + _REPORT_INTERVAL
                LOG.info(
                    "%s takes no writes, the next server of [ldap] url is"
                    " tried: %s",
                    self._urls[self._place],
                    reason,
                )
            self.close()
            self._go_on()

    def _go_on(self) -> None:
        self._place = (self._place + 1) % len(self._urls)
        self._return_at = math.inf
        if self._place:
            self._return_at = time.monotonic() + _RETURN_AFTER

    def is_open(self) -> bool:
        """Return whether it can be used; :meth:`open` sees to that."""
        return self._connection is not None and self._usable

    def close(self) -> None:
        """Close it; :meth:`open` makes another."""
        connection, self._connection = self._connection, None
        self._usable = True
        if connection is not None:
            connection.unbind_ext()

    def search(
        self,
        condition: str,
        names: Sequence[str],
        *controls: Any,
        seconds: int = -1,
        below: str = "",
    ) -> tuple[dict[str, entry.Attributes], list[Any]]:
        """Search below the container: ask, and wait for the answer.

        :param seconds: after which the server is to give up; -1: as it likes
        :returns: entries by their DN, and the answer's controls
        :raises TooMany: the server gives fewer entries at a time
        :raises DirectoryUnavailable: it cannot be searched
        """
        return self.answer(
            self.ask(condition, names, *controls, seconds=seconds, below=below)
        )

    def ask(
        self,
        condition: str,
        names: Sequence[str],
        *controls: Any,
        seconds: int = -1,
        below: str = "",
    ) -> Ticket:
        """Send a search below the container, or another entry.

        :raises DirectoryUnavailable: it cannot be sent
        """
        if not self.is_open():
            raise base.DirectoryUnavailable("the connection is closed")
        search = (
            below or self._tree,
            ldap.SCOPE_SUBTREE,
            condition,
            list(names),
            0,
            list(controls),
            None,
            seconds,
        )
        try:
            return self.session, self.send(("search_ext", search))
        except pipeline.Unsent as error:
            raise base.DirectoryUnavailable(str(error)) from error

    def answer(
        self, ticket: Ticket
    ) -> tuple[dict[str, entry.Attributes], list[Any]]:
        """Wait for the answer to a search; see :meth:`search`.

        :raises TooMany: the server gives fewer entries at a time
        :raises DirectoryUnavailable: it cannot be searched, or was asked
            over another connection
        """
        session, number = ticket
        if self._connection is None or session != self.session:
            raise base.DirectoryUnavailable("the connection is closed")
        try:
            _, found, _, answers = self._connection.result3(
                number, timeout=self._time_limit()
            )
        except ldap.SIZELIMIT_EXCEEDED as error:
            raise TooMany(errors.describe(error)) from error
        except ldap.LDAPError as error:
            if errors.ends_connection(error):
                self._end(error)
            raise base.DirectoryUnavailable(
                f"{errors.describe(error)} ({self._tree})"
            ) from error
        # An item without a DN is a referral to somewhere else.
        return {dn: attributes for dn, attributes in found if dn}, answers

    def abandon(self, ticket: Ticket) -> None:
        """Do without the answer to a search."""
        session, number = ticket
        if self.is_open() and session == self.session:
            with contextlib.suppress(ldap.LDAPError):
                self._connection.abandon_ext(number)

    def may_send(self) -> bool:
        """Return whether another request can be sent in this batch."""
        return self._usable and self._left() > _SEND_MARGIN

    def send(self, request: pipeline.Request) -> int:
        """Send a request, a method of python-ldap's and its arguments.

        :raises pipeline.Unsent: it could not be, for whatever reason
        """
        method, arguments = request
        try:
            ticket: int = getattr(self._connection, method)(*arguments)
        except (ldap.LDAPError, MemoryError) as error:
            # libldap also says BUSY and the like of its own, and may have
            # sent a part of it.
            self._usable = False
            raise pipeline.Unsent(
                f"not sent: {errors.describe(error)}"
            ) from error
        return ticket

    def receive(self, ticket: int) -> dict[str, list[bytes]]:
        """Wait for an answer; of a search, return the entry that it found.

        :raises pipeline.Broken: the connection cannot be used any longer
        :raises ldap.LDAPError: the server's own answer
        """
        try:
            _, found, _, _ = self._connection.result3(
                ticket, timeout=self._time_limit()
            )
        except ldap.LDAPError as error:
            if errors.ends_connection(error):
                self._end(error)
                raise pipeline.Broken(errors.describe(error)) from error
            raise
        for _, attributes in found or ():
            return dict(attributes)
        return {}

    def _end(self, error: ldap.LDAPError) -> None:
        self.close()
        if isinstance(error, _FAILING):
            self.failing = errors.describe(error)

    def _time_limit(self) -> float:
        """Return the seconds to wait for an answer; 0 would not wait."""
        left = max(self._left(), 0.01)
        return min(self._operation_timeout, left)

    def _left(self) -> float:
        """Return the seconds that are left of the batch."""
        return self._ends_at - time.monotonic()
