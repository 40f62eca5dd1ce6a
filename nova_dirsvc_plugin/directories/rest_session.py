# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP with a limit to everything: how long, how much, and where to.

requests' own time limit is one for each piece of an answer: a service that
sends a byte a second keeps it waiting for ever. Here another thread ends the
connection when a request's time is up.
"""

import contextlib
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

import requests
import urllib3

from nova_dirsvc_plugin.directories import rest_answers, rest_connection

#: Bytes of an answer that are read, unless said otherwise.
ANSWER_LIMIT = 64 * 1024

#: Redirects within the service that are followed, with method and body.
_REDIRECTS = 3
_SAME_AGAIN = frozenset((307, 308))

#: Seconds from the end of a request's time to that of its connection.
_SLACK = 0.05

Result = TypeVar("Result")


class NoAnswer(Exception):
    """None that can be used; the message says why."""


class Caller:
    """One connection's worth of requests, for one thread at a time.

    :param options: the group ``[rest]``
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._session: requests.Session | None = None
        self._environments: dict[str, dict[str, Any]] = {}
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._warm = False
        self._cut = False
        self.ends_at = float("inf")

    def call(
        self,
        request: requests.PreparedRequest,
        auth: requests.auth.AuthBase,
        limit: int = ANSWER_LIMIT,
    ) -> rest_answers.Answer:
        """Send a request; give what the service answers.

        :param auth: signs it anew where it is sent on within the service
        :param limit: bytes of the answer's body to read
        :raises NoAnswer: none came, or not in time
        """
        for _ in range(_REDIRECTS):
            answer = self._call(request, limit)
            where = answer.headers.get("Location", "")
            if answer.status not in _SAME_AGAIN or not where:
                break
            there = urllib.parse.urljoin(request.url or "", where)
            if _origin(there) != _origin(request.url or ""):
                break
            request = _moved(request, there, auth)
        return answer

    def _call(
        self, request: requests.PreparedRequest, limit: int
    ) -> rest_answers.Answer:
        self._cut = False
        self.ends_at = time.monotonic() + (
            self._options.connection_timeout + self._options.operation_timeout
        )
        try:
            return self._send(request, limit)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as e:
            return self._once_more(request, limit, e)
        except (OSError, ValueError) as error:
            # Files of ours that requests looks for before it connects.
            raise NoAnswer(
                f"[rest] cafile, certfile or keyfile: {error}"
            ) from error
        finally:
            self.ends_at = float("inf")

    def _once_more(
        self, request: requests.PreparedRequest, limit: int, error: Exception
    ) -> rest_answers.Answer:
        """Try again where a connection that was kept turned out closed."""
        again = self._warm and not self._cut and not _was_slow(error)
        self.close()
        if not again:
            raise NoAnswer(self._why(request, error)) from error
        try:
            return self._send(request, limit)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as e:
            self.close()
            raise NoAnswer(self._why(request, e)) from e

    def _send(
        self, request: requests.PreparedRequest, limit: int
    ) -> rest_answers.Answer:
        url = request.url or ""
        session, environment = self._opened(url)
        response = session.send(
            request,
            stream=True,
            allow_redirects=False,
            timeout=(
                self._options.connection_timeout,
                self._options.operation_timeout,
            ),
            **environment,
        )
        body = _read(response, limit + 1)
        whole = len(body) <= limit
        if not whole:
            response.close()
        self._warm = True
        return rest_answers.Answer(
            response.status_code, response.headers, body[:limit], whole
        )

    def cut(self) -> None:
        """End the connection, whatever it waits for; from another thread."""
        self._cut = True
        with self._lock:
            for line in self._lines:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection; the next call opens another."""
        session, self._session = self._session, None
        self._warm = False
        if session is not None:
            session.close()

    def _opened(self, url: str) -> tuple[requests.Session, dict[str, Any]]:
        if self._session is None:
            self._session = session = requests.Session()
            self._environments = {}
            for scheme in ("http://", "https://"):
                session.mount(
                    scheme, rest_connection.HoldingAdapter(self._hold)
                )
        origin = _origin(url)
        if origin not in self._environments:
            options = self._options
            cert: Any = options.certfile or None
            if cert and options.keyfile:
                cert = (cert, options.keyfile)
            verify = not options.insecure and (options.cafile or True)
            # Proxies, and the system's CA, as requests finds them.
            self._environments[origin] = dict(
                self._session.merge_environment_settings(
                    url, {}, True, verify, cert
                )
            )
            self._environments[origin].pop("stream")
        return self._session, self._environments[origin]

    def _hold(self, line: socket.socket) -> rest_connection.LetGo:
        """Keep a handle on a connection, to end it by.

        :returns: lets go of it
        """
        handle = line.dup()
        with self._lock:
            self._lines.add(handle)

        def let_go() -> None:
            with self._lock:
                self._lines.discard(handle)
            handle.close()

        return let_go

    def _why(self, request: requests.PreparedRequest, error: Exception) -> str:
        where = f"{request.method} {request.url}"
        if self._cut or _was_slow(error):
            return f"{where}: no whole answer in time"
        said = _said(error)
        if isinstance(error, requests.exceptions.SSLError):
            said += ": is its certificate from [rest] cafile, for this name?"
        return f"{where}: {said}"


class Callers:
    """Several of them, side by side.

    :param count: connections
    """

    def __init__(self, options: Any, count: int) -> None:
        self._callers = [Caller(options) for _ in range(count)]
        self._pool: futures.ThreadPoolExecutor | None = None

    def run(
        self, work: Callable[[Caller], Result], wanted: int
    ) -> list[Result]:
        """Let some of them work at the same time, until all have ended.

        :param work: whatever it does takes no time but that of calls
        :param wanted: how many, if there are as many
        """
        if self._pool is None:
            self._pool = futures.ThreadPoolExecutor(
                len(self._callers), "nova-dirsvc-rest"
            )
        busy = self._callers[:wanted]
        tasks = [self._pool.submit(work, caller) for caller in busy]
        waiting: set[futures.Future[Result]] = set(tasks)
        while waiting:
            ends_at = min(caller.ends_at for caller in busy)
            now = time.monotonic()
            _, waiting = futures.wait(
                waiting, min(max(ends_at - now, 0.0) + _SLACK, 1.0)
            )
            now = time.monotonic()
            for caller in busy:
                if caller.ends_at < now:
                    caller.cut()
        return [task.result() for task in tasks]

    def close(self) -> None:
        """Let go of all connections and threads."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        for caller in self._callers:
            caller.close()


def _read(response: requests.Response, limit: int) -> bytes:
    """Read so many bytes at most; all of them, and the connection stays."""
    body = b""
    while len(body) < limit:
        piece = response.raw.read(limit - len(body), decode_content=True)
        if not piece:
            break
        body += piece
    return body


def _moved(
    request: requests.PreparedRequest, there: str, auth: requests.auth.AuthBase
) -> requests.PreparedRequest:
    """Make the same request for another address."""
    moved = request.copy()
    moved.prepare_url(there, None)
    moved.prepare_auth(auth)
    return moved


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _was_slow(error: Exception) -> bool:
    return isinstance(
        error, requests.Timeout | urllib3.exceptions.TimeoutError
    )


def _said(error: BaseException) -> str:
    """Put an error into words: its innermost cause, on one line.

    What requests says has pools and object addresses in it.
    """
    cause: BaseException | None = error
    while cause is not None:
        error = cause
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next(
                (one for one in error.args if isinstance(one, BaseException)),
                None,
            )
        cause = inner or error.__cause__ or error.__context__
    words = getattr(error, "strerror", None) or str(error)
    return " ".join(f"{words or type(error).__name__}".split())
