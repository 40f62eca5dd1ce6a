# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is shown under which path: a WSGI application that only reads."""

from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from nova_dirsvc_plugin.monitoring import facts, page, prometheus, wire

#: Nothing is loaded from anywhere, and nobody puts the page into a frame.
_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'",
    ),
)

#: Status, type of the content, content.
_Answer = tuple[str, str, bytes]
_View = Callable[[facts.Facts, WSGIEnvironment], _Answer]


class Application:
    """Answers GET and HEAD, from the facts of the moment.

    :param collect: collects them
    """

    def __init__(self, collect: Callable[[], facts.Facts]) -> None:
        self._collect = collect

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        view = _VIEWS.get(environ["PATH_INFO"])
        headers = list(_HEADERS)
        if method not in ("GET", "HEAD"):
            answer = _text("405 Method Not Allowed")
            headers.append(("Allow", "GET, HEAD"))
        elif view is None:
            answer = _text("404 Not Found", f"There are: {' '.join(_VIEWS)}")
        else:
            answer = view(self._collect(), environ)
        status, content_type, content = answer
        headers.append(("Content-Type", content_type))
        headers.append(("Content-Length", str(len(content))))
        start_response(status, headers)
        return [] if method == "HEAD" else [content]


def _metrics(found: facts.Facts, environ: WSGIEnvironment) -> _Answer:
    content_type, content = prometheus.exposition(
        found, environ.get("HTTP_ACCEPT", ""), process=True
    )
    return "200 OK", content_type, content


def _alive(found: facts.Facts, environ: WSGIEnvironment) -> _Answer:
    return _verdict("alive", found.why_not_alive())


def _ready(found: facts.Facts, environ: WSGIEnvironment) -> _Answer:
    return _verdict("ready", found.why_not_ready())


def _verdict(word: str, reasons: Iterable[str]) -> _Answer:
    said = "\n".join(reasons)
    if said:
        return _text("503 Service Unavailable", f"not {word}\n{said}")
    return _text("200 OK", word)


def _status(found: facts.Facts, environ: WSGIEnvironment) -> _Answer:
    return "200 OK", "application/json", wire.encode(found).encode()


def _text(status: str, content: str = "") -> _Answer:
    said = f"{content or status}\n".encode(errors="replace")
    return status, "text/plain; charset=utf-8", said


def _page(found: facts.Facts, environ: WSGIEnvironment) -> _Answer:
    content = page.html(found).encode(errors="replace")
    return "200 OK", "text/html; charset=utf-8", content


_VIEWS: dict[str, _View] = {
    "/": _page,
    "/healthz": _alive,
    "/metrics": _metrics,
    "/readyz": _ready,
    "/status.json": _status,
}
