# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how long a client of an LDAP server has requests in flight."""

import time
from collections.abc import Callable
from typing import Any


class InFlight:
    """Watches a connection of python-ldap's.

    A request is in flight until its answer is read. The server may have
    answered before: the share of the time without one is a lower bound of
    the time in which the server had nothing to do.
    """

    def __init__(self, connection: Any) -> None:
        self._count = 0
        self._since = self._began = time.perf_counter()
        self._idle = 0.0
        for name in ("add_ext", "modify_ext", "delete_ext", "search_ext"):
            setattr(connection, name, self._sending(getattr(connection, name)))
        connection.result3 = self._receiving(connection.result3)
        connection.abandon_ext = self._receiving(connection.abandon_ext)

    def begin(self) -> None:
        """Begin to measure."""
        self._since = self._began = time.perf_counter()
        self._idle = 0.0

    def idle(self) -> float:
        """Return the share of the time in which nothing was in flight."""
        now = time.perf_counter()
        rest = 0.0 if self._count else now - self._since
        return (self._idle + rest) / (now - self._began)

    def _sending(self, send: Callable[..., int]) -> Callable[..., int]:
        def sending(*arguments: Any, **named: Any) -> int:
            ticket = send(*arguments, **named)
            if not self._count:
                self._idle += time.perf_counter() - self._since
            self._count += 1
            return ticket

        return sending

    def _receiving(self, receive: Callable[..., Any]) -> Callable[..., Any]:
        def receiving(*arguments: Any, **named: Any) -> Any:
            try:
                return receive(*arguments, **named)
            finally:
                self._count -= 1
                if not self._count:
                    self._since = time.perf_counter()

        return receiving
