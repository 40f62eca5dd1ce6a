# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP with a limit to everything: how long, how much, and where to.

No redirect is followed.

requests' own time limit is one for each piece of an answer: a service that
sends a byte a second keeps it waiting for ever. Here another thread ends the
connection when a request's time is up.
"""

import contextlib
import re
import socket
import threading
import time
import urllib.parse
from typing import Any

import requests
import urllib3

from nova_dirsvc_plugin.directories.rest import connection, urls
from nova_dirsvc_plugin.directories.rest import response as rest_answers

#: Bytes of an answer that are read, unless said otherwise.
ANSWER_LIMIT = 64 * 1024

#: Headers of an answer that mean something to us, and how much of them.
_HEADERS = ("Content-Type", "Date", "Location", "Retry-After")
_HEADER_LIMIT = 2000

#: What becomes of a connection, or of what is said on it.
_TROUBLE = (requests.RequestException, urllib3.exceptions.HTTPError)

#: The user and password of a proxy, say.
_USERINFO = re.compile(r"//[^/@\s]*@")


class NoAnswer(Exception):
    """None that can be used; the message says why."""


class Caller:
    """One connection's worth of requests, for one thread at a time.

    :param options: the group ``[rest]``
    :ivar ends_at: when the time of the request under way is up,
        :func:`time.monotonic`
    """

    def __init__(self, options: Any) -> None:
        self._options = options
        self._session: requests.Session | None = None
        self._environments: dict[str, dict[str, Any]] = {}
        self._lines: set[socket.socket] = set()
        self._ended: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_warm = False
        self._is_cut = False
        self.ends_at = float("inf")

    def call(
        self,
        request: requests.PreparedRequest,
        limit: int = ANSWER_LIMIT,
    ) -> rest_answers.Answer:
        """Send a request; give what the service answers.

        :param limit: bytes of the answer's body to read
        :raises NoAnswer: none came, or not in time
        """
        with self._lock:
            self._is_cut = False
            self.ends_at = time.monotonic() + (
                self._options.connection_timeout
                + self._options.operation_timeout
            )
        try:
            return self._sent(request, limit)
        except _TROUBLE as error:
            self.close()
            raise NoAnswer(self._why(request, error)) from error
        except OSError as error:
            # Files of ours that requests looks for before it connects.
            raise NoAnswer(
                f"[rest] cafile, certfile or keyfile: {error}"
            ) from error
        finally:
            with self._lock:
                self.ends_at = float("inf")
                self._let_go_of_ended()

    def _sent(
        self, request: requests.PreparedRequest, limit: int
    ) -> rest_answers.Answer:
        """Send; once more where a connection that was kept proved closed."""
        was_kept = self._is_warm
        try:
            return self._send(request, limit)
        except _TROUBLE as error:
            if not was_kept or self._is_cut or _was_slow(error):
                raise
        self.close()
        return self._send(request, limit)

    def _send(
        self, request: requests.PreparedRequest, limit: int
    ) -> rest_answers.Answer:
        # Not by the session: it keeps cookies, and reads all of a redirect.
        adapter, environment = self._way(request.url or "")
        response = adapter.send(
            request,
            stream=True,
            timeout=(
                self._options.connection_timeout,
                self._options.operation_timeout,
            ),
            **environment,
        )
        body = _read(response, limit + 1)
        whole = len(body) <= limit
        if self._is_cut:
            # Where no length is said, the end that we made looks like one.
            raise requests.Timeout
        if response.status_code < 200:
            # What comes next is the answer; it is not for the next request.
            response.close()
            raise requests.RequestException(
                f"{response.status_code}, and then no answer that is one"
            )
        if not whole:
            response.close()
        self._is_warm = True
        headers = {
            name: response.headers[name][:_HEADER_LIMIT]
            for name in _HEADERS
            if name in response.headers
        }
        return rest_answers.Answer(
            response.status_code, headers, body[:limit], whole
        )

    def cut(self, ends_at: float) -> None:
        """End the connection, whatever it waits for; from another thread.

        :param ends_at: of the request that is meant, and not of the next
        """
        with self._lock:
            if self.ends_at != ends_at:
                return
            self._is_cut = True
            for line in self._lines:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection; the next call opens another."""
        session, self._session = self._session, None
        self._is_warm = False
        if session is not None:
            session.close()
        with self._lock:
            self._let_go_of_ended()

    def _way(self, url: str) -> tuple[Any, dict[str, Any]]:
        """Give what sends to an address, and how."""
        if self._session is None:
            self._session = requests.Session()
            self._environments = {}
            for scheme in ("http://", "https://"):
                self._session.mount(
                    scheme, connection.HoldingAdapter(self._hold)
                )
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._environments:
            self._environments[origin] = self._environment(self._session, url)
        return self._session.get_adapter(url), self._environments[origin]

    def _environment(
        self, session: requests.Session, url: str
    ) -> dict[str, Any]:
        """Say what to trust, and which proxy to use, as requests finds it."""
        options = self._options
        cert: Any = options.certfile or None
        if cert and options.keyfile:
            cert = (cert, options.keyfile)
        verify = not options.insecure and (options.cafile or True)
        found = dict(
            session.merge_environment_settings(url, {}, True, verify, cert)
        )
        found.pop("stream")
        if urls.is_this_host(urllib.parse.urlsplit(url).hostname or ""):
            # A proxy is on another, which is not told what is for this one.
            found["proxies"] = {}
        return found

    def _hold(self, line: socket.socket) -> connection.LetGo:
        """Keep a handle on a connection, to end it by.

        It is kept for as long as an answer may be read from it, even where
        the connection itself is closed already.

        :returns: lets go of it
        :raises TimeoutError: the request's time is up
        """
        with self._lock:
            if self._is_cut:
                line.close()
                raise TimeoutError
            handle = line.dup()
            self._lines.add(handle)

        def let_go() -> None:
            with self._lock:
                self._ended.append(handle)

        return let_go

    def _let_go_of_ended(self) -> None:
        """Call it with the lock."""
        for handle in self._ended:
            self._lines.discard(handle)
            handle.close()
        self._ended.clear()

    def _why(self, request: requests.PreparedRequest, error: Exception) -> str:
        where = f"{request.method} {request.url}"
        if self._is_cut or _was_slow(error):
            return f"{where}: no whole answer in time"
        said = _said(error)
        if isinstance(error, requests.exceptions.SSLError):
            said += ": is its certificate from [rest] cafile, for this name?"
        return f"{where}: {said}"


def _read(response: requests.Response, limit: int) -> bytes:
    """Read so many bytes at most; all of them, and the connection stays."""
    body = b""
    while len(body) < limit:
        # Not unpacked: we asked for it as it is.
        piece = response.raw.read(limit - len(body), decode_content=False)
        if not piece:
            break
        body += piece
    return body


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
    told = " ".join(f"{words or type(error).__name__}".split())
    return _USERINFO.sub("//***@", told)
