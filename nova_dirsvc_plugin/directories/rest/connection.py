# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Connections of requests whose sockets somebody else can get at."""

import http.client
import socket
from collections.abc import Callable
from typing import Any

import urllib3
from requests import adapters

LetGo = Callable[[], None]

#: Told of each socket as it is connected; gives what lets go of it.
Hold = Callable[[socket.socket], LetGo]

_Pools = dict[str, type[urllib3.HTTPConnectionPool]]


class HoldingAdapter(adapters.HTTPAdapter):
    """Makes connections that can be held.

    :param hold: told of each socket, gives what lets go of it
    """

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._let_hold(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        known = set(self.proxy_manager.values())
        manager = super().proxy_manager_for(*args, **kwargs)
        if manager not in known:
            self._let_hold(manager)
        return manager

    def _let_hold(self, manager: Any) -> None:
        """Have a manager, of whatever kind of proxy, make such ones."""
        pools: _Pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {
            scheme: type(
                f"Held{pool.__name__}",
                (pool,),
                {"ConnectionCls": _held(pool.ConnectionCls, self._hold)},
            )
            for scheme, pool in pools.items()
        }


class _Response(http.client.HTTPResponse):
    """One that cannot be told to read without end."""

    def _safe_read(self, amt: int) -> bytes:
        # A chunk of a negative size would be all that comes.
        if amt < 0:
            raise http.client.IncompleteRead(b"")
        read: bytes = super()._safe_read(amt)  # type: ignore[misc]
        return read


def _held(kind: Any, hold: Hold) -> type:
    class Held(kind):  # type: ignore[misc]
        """A connection that says which socket it has."""

        response_class = _Response
        _let_go: LetGo | None = None

        def _new_conn(self) -> socket.socket:
            line: socket.socket = super()._new_conn()
            self._let_go = hold(line)
            return line

        def close(self) -> None:
            let_go, self._let_go = self._let_go, None
            if let_go is not None:
                let_go()
            super().close()

    return Held
