# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Identifies clients by their bearer token (RFC 6750)."""

import enum
import hmac


class Role(enum.StrEnum):
    """Whose token it is.

    The service (the daemon) reads and writes, the reader reads, the manager
    also writes entries of any owner mark.
    """

    SERVICE = "service"
    READER = "reader"
    MANAGER = "manager"

    @property
    def may_write(self) -> bool:
        return self is not Role.READER


class Tokens:
    """Knows the tokens, and tells none of them.

    :param tokens: one for each role; None when nobody is asked for one:
        then everybody is the service
    """

    def __init__(self, tokens: dict[Role, str] | None) -> None:
        self._tokens = tokens and {
            role: token.encode() for role, token in tokens.items()
        }

    def role(self, authorization: str) -> Role | None:
        """Tell whose token is in a header.

        :param authorization: the value of the header, empty without one
        :returns: None when it has no token, or one that nobody has
        """
        if self._tokens is None:
            return Role.SERVICE
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        given = token.strip().encode("utf-8", "replace")
        # Each is compared, in the same time however much of it is right.
        matching = [
            role
            for role, known in self._tokens.items()
            if hmac.compare_digest(given, known)
        ]
        return matching[0] if matching else None
