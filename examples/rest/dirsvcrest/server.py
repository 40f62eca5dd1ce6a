# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""gunicorn, set up by the program instead of a file of its own."""

import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from dirsvcrest import app
from dirsvcrest.contract import Contract
from dirsvcrest.settings import Refused, Settings
from dirsvcrest.state import State
from dirsvcrest.store import Store

#: Seconds that a client may be quiet between two requests.
KEEP_ALIVE = 75
#: Seconds for the requests in progress when the service is to end.
GRACE = 5
BACKLOG = 512


def serve(settings: Settings, state: State, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ends the process.

    :param ready: called when the first request could be answered
    :raises Refused: the port or the certificate cannot be used
    """
    _check_certificate(settings)
    _Server(settings, state, _listen(settings), ready).run()


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(
        self,
        settings: Settings,
        state: State,
        descriptor: int,
        ready: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._state = state
        self._descriptor = descriptor
        self._ready = ready
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        chosen = {
            "bind": f"fd://{self._descriptor}",
            "backlog": BACKLOG,
            "worker_class": "gthread",
            "workers": settings.workers,
            "threads": settings.threads,
            "keepalive": KEEP_ALIVE,
            "graceful_timeout": GRACE,
            # A process that was frozen is not to be killed when it thaws.
            "timeout": 0,
            "proc_name": "dirsvc-rest",
            # Lower levels quote what a client sent.
            "loglevel": "error",
            "control_socket_disable": True,
            "limit_request_line": 8190,
            "post_worker_init": self._announce,
        }
        if settings.certificate:
            chosen["certfile"] = str(settings.certificate)
            chosen["keyfile"] = str(settings.key)
        if settings.client_ca:
            chosen["ca_certs"] = str(settings.client_ca)
            chosen["cert_reqs"] = ssl.CERT_REQUIRED
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Make the application, in each worker and at each SIGHUP."""
        return app.create(
            Contract(), Store(self._state.store), self._state.tokens()
        )

    def _announce(self, worker: Any) -> None:
        if worker.age == 1:
            self._ready()


def _listen(settings: Settings) -> int:
    """Take the port, and give the socket's file descriptor."""
    address = (settings.listen, settings.port)
    try:
        listener = socket.create_server(
            address, family=settings.family, backlog=BACKLOG
        )
    except OSError as error:
        raise Refused(
            f"cannot listen on {settings.listen} port {settings.port}: "
            f"{os.strerror(error.errno or 0)}"
        ) from error
    return listener.detach()


def _check_certificate(settings: Settings) -> None:
    if settings.certificate is None:
        return
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certificate, settings.key)
        if settings.client_ca:
            context.load_verify_locations(settings.client_ca)
    except OSError as error:  # ssl.SSLError is one
        raise Refused(f"cannot use the certificate: {error}") from error
