# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Connections of requests whose sockets somebody else can get at."""

import socket
from collections.abc import Callable
from typing import Any

import urllib3
from requests import adapters
from urllib3 import connection

LetGo = Callable[[], None]

#: Told of each socket as it is connected; gives what lets go of it.
Hold = Callable[[socket.socket], LetGo]


class HoldingAdapter(adapters.HTTPAdapter):
    """Makes connections that can be held.

    :param hold: told of each socket, gives what lets go of it
    """

    def __init__(self, hold: Hold) -> None:
        self._classes = _pool_classes(hold)
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._classes
        return manager


def _pool_classes(
    hold: Hold,
) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class Held:
        """A connection that says which socket it has."""

        _let_go: LetGo | None = None

        def _new_conn(self) -> socket.socket:
            line: socket.socket = super()._new_conn()  # type: ignore[misc]
            self._let_go = hold(line)
            return line

        def close(self) -> None:
            let_go, self._let_go = self._let_go, None
            if let_go is not None:
                let_go()
            super().close()  # type: ignore[misc]

    class Http(Held, connection.HTTPConnection):
        pass

    class Https(Held, connection.HTTPSConnection):
        pass

    class HttpPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Https

    return {"http": HttpPool, "https": HttpsPool}
