# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An HTTP connection with limits: the time and the size of an answer.

requests has a time limit for each piece of an answer: a service that sends a
byte a second keeps it waiting for ever. Here another thread shuts down the
sockets when the time of a request is over. No redirect is followed.
"""

import contextlib
import http.client
import math
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import requests
import urllib3
from requests import adapters

from nova_dirsvc_plugin.directories.rest import response, urls

#: Bytes of an answer that are read by default.
ANSWER_LIMIT = 64 * 1024

_HTTP_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)


class NoAnswer(Exception):
    """No answer that can be used; the message says why."""


class Deadline:
    """Shuts down the sockets of a connection when a request takes too long.

    :ivar expired: whether the time of this request, or of the last, was over
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ends_at = math.inf
        # Duplicates: TLS detaches the socket itself, and an answer may be
        # read from a connection that is closed.
        self._sockets: dict[http.client.HTTPConnection, socket.socket] = {}
        self.expired = False

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Limit the time of what is done meanwhile."""
        with self._lock:
            self.expired = False
            self._ends_at = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:
                self._ends_at = math.inf
                self.forget_closed()

    def watch(
        self, connection: http.client.HTTPConnection, connected: socket.socket
    ) -> None:
        """Take the socket of a connection into care.

        :raises TimeoutError: the time is over
        """
        with self._lock:
            if self.expired:
                connected.close()
                raise TimeoutError
            self.forget_closed()
            self._sockets[connection] = connected.dup()

    def forget_closed(self) -> None:
        with self._lock:
            closed = [one for one in self._sockets if one.sock is None]
            for connection in closed:
                self._sockets.pop(connection).close()

    def enforce(self) -> float:
        """Shut down the sockets if the time is over; from another thread.

        :returns: seconds that are left; less than 0 if it is over
        """
        with self._lock:
            left = self._ends_at - time.monotonic()
            if left < 0:
                self.expired = True
                for watched in self._sockets.values():
                    with contextlib.suppress(OSError):
                        watched.shutdown(socket.SHUT_RDWR)
            return left


class Connection:
    """Sends requests, by one thread at a time; keeps the connection.

    :param options: the group ``[rest]``
    :ivar deadline: to be enforced by another thread
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self.deadline = Deadline()
        self._adapter = _Adapter(self.deadline.watch)
        self._environments: dict[str, dict[str, Any]] = {}
        self._is_kept = False

    def send(
        self, request: requests.PreparedRequest, limit: int = ANSWER_LIMIT
    ) -> response.Answer:
        """Send a request, and again if the kept connection was closed.

        :param limit: bytes of the answer's body to read
        :raises NoAnswer: no answer came, or not in time
        """
        seconds = (
            self._options.connection_timeout + self._options.operation_timeout
        )
        with self.deadline.within(seconds):
            while True:
                was_kept = self._is_kept
                try:
                    return self._exchange(request, limit)
                except (*_HTTP_ERRORS, OSError) as error:
                    self.close()
                    if not was_kept or self._timed_out(error):
                        raise NoAnswer(
                            f"{request.method} {request.url}:"
                            f" {self._reason(error)}"
                        ) from error

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._is_kept = False
        self._adapter.close()
        self.deadline.forget_closed()

    def _exchange(
        self, request: requests.PreparedRequest, limit: int
    ) -> response.Answer:
        # Without a session, which would keep cookies and read redirects.
        found = self._adapter.send(
            request,
            timeout=(
                self._options.connection_timeout,
                self._options.operation_timeout,
            ),
            **self._environment(request.url or ""),
        )
        body = _read(found, limit + 1)
        whole = len(body) <= limit
        if self.deadline.expired:
            # The end of a body without a length looks like that of a socket.
            raise requests.Timeout
        if found.status_code < 200:
            # The answer follows: the next request must not meet it.
            found.close()
            raise requests.RequestException(
                f"{found.status_code} is not a final answer"
            )
        if not whole:
            found.close()
        self._is_kept = True
        pause = response.retry_after(
            found.status_code,
            found.headers,
            time.time(),
            self._options.retry_after_max,
        )
        return response.Answer(
            found.status_code, found.headers, body[:limit], whole, pause
        )

    def _environment(self, url: str) -> dict[str, Any]:
        """Return certificates and proxies as requests finds them; cached."""
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._environments:
            options = self._options
            cert = options.certfile or None
            if options.keyfile:
                cert = (options.certfile, options.keyfile)
            verify = not options.insecure and (options.cafile or True)
            environment: Any = requests.Session().merge_environment_settings(
                url, {}, True, verify, cert
            )
            if urls.is_this_host(parts.hostname or ""):
                # A proxy is another host: it must not get what is for this.
                environment["proxies"] = {}
            self._environments[origin] = environment
        return self._environments[origin]

    def _timed_out(self, error: Exception) -> bool:
        return self.deadline.expired or isinstance(
            error, requests.Timeout | urllib3.exceptions.TimeoutError
        )

    def _reason(self, error: Exception) -> str:
        if self._timed_out(error):
            return "no whole answer in time"
        reason = describe_error(error)
        if isinstance(error, requests.exceptions.SSLError):
            reason += "; check [rest] cafile and the certificate's host name"
        elif not isinstance(error, _HTTP_ERRORS):
            # A file that requests looks for before it connects.
            return f"[rest] cafile, certfile or keyfile: {reason}"
        return reason


def _read(found: requests.Response, limit: int) -> bytes:
    """Read so many bytes at most; if that is all, the connection is kept."""
    # urllib3 1.26, which Nova 2025.2 has, does not see by itself that a body
    # is shorter than its length.
    found.raw.enforce_content_length = True
    body = b""
    while len(body) < limit:
        # Not decompressed: no compression was asked for.
        piece = found.raw.read(limit - len(body), decode_content=False)
        if not piece:
            break
        body += piece
    return body


def describe_error(error: BaseException) -> str:
    """Return the innermost cause of an error, on one line.

    The text of requests contains pools and object addresses.
    """
    cause: BaseException | None = error
    while cause is not None:
        error = cause
        inner = (getattr(error, "reason", None), *error.args)
        causes = (*inner, error.__cause__, error.__context__)
        cause = next((c for c in causes if isinstance(c, BaseException)), None)
    text = getattr(error, "strerror", None) or str(error)
    return " ".join((text or type(error).__name__).split())


# -- connections of urllib3 whose sockets are watched ------------------------

_Watch = Callable[[http.client.HTTPConnection, socket.socket], None]


class _Response(http.client.HTTPResponse):
    """A response that never reads without end."""

    def _safe_read(self, amt: int) -> bytes:
        # A chunk of a negative size would be all that comes.
        if amt < 0:
            raise http.client.IncompleteRead(b"")
        read: bytes = super()._safe_read(amt)  # type: ignore[misc]
        return read


class _Watched(urllib3.connection.HTTPConnection):
    """A connection whose socket is watched; to be mixed into the others."""

    response_class = _Response

    def __init__(self, *args: Any, watch: _Watch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch = watch

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self._watch(self, connected)
        return connected


class _Adapter(adapters.HTTPAdapter):
    """Makes connections whose sockets are watched."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        super().__init__(pool_connections=2, pool_maxsize=1, max_retries=0)

    def get_connection_with_tls_context(
        self, *args: Any, **kwargs: Any
    ) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        # A plain connection, or one of TLS, or of a SOCKS proxy.
        kind = pool.ConnectionCls
        if not issubclass(kind, _Watched):
            pool.ConnectionCls = type("_Watched", (_Watched, kind), {})
            pool.conn_kw["watch"] = self._watch
        return pool
