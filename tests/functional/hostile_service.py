# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An HTTP service that misbehaves as it is told to, byte by byte."""

import contextlib
import dataclasses
import socket
import ssl
import threading
from collections.abc import Callable

import fixtures

from tests import ports


@dataclasses.dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[socket.socket, Request], bool]


class HostileService(fixtures.Fixture):
    """Listens on loopback; each request is met as :attr:`behaviour` says.

    :ivar url: of the collection
    :ivar requests: what came in, whole ones only
    :ivar behaviour: answers, and tells whether the connection stays
    :ivar connections: how many have been made
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._context = context
        self.behaviour: Behaviour = answers(204)
        self.requests: list[Request] = []
        self.connections = 0
        self.over = threading.Event()

    def _setUp(self) -> None:
        self._listener = socket.create_server(
            ("127.0.0.1", ports.free_port()), backlog=64
        )
        self.port = self._listener.getsockname()[1]
        scheme = "https" if self._context else "http"
        self.url = f"{scheme}://127.0.0.1:{self.port}/v1/instances"
        self._lines: set[socket.socket] = set()
        self.addCleanup(self.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Be there no longer; may be called again."""
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in list(self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self.connections += 1
                self._lines.add(line)
                threading.Thread(
                    target=self._serve, args=(line,), daemon=True
                ).start()

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), line:
            if self._context:
                line = self._context.wrap_socket(line, server_side=True)
            stays = True
            with line:
                while stays and (request := _read(line)):
                    self.requests.append(request)
                    stays = self.behaviour(line, request)
        self._lines.discard(line)


def _read(line: socket.socket) -> Request | None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = line.recv(1)
        if not byte:
            return None
        head += byte
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (one.partition(":") for one in rest if one)
    }
    body = b""
    while len(body) < int(headers.get("content-length", 0)):
        piece = line.recv(65536)
        if not piece:
            return None
        body += piece
    return Request(method, target, headers, body)


def answers(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer properly."""
    text = f"HTTP/1.1 {status} Whatever\r\n"
    if status != 204:
        text += f"Content-Length: {len(body)}\r\n"
    for name, value in headers.items():
        text += f"{name.replace('_', '-')}: {value}\r\n"
    whole = f"{text}\r\n".encode() + body

    def behave(line: socket.socket, request: Request) -> bool:
        line.sendall(whole)
        return True

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Meet each request as the next says; the last says it for all more."""
    left = list(behaviours)

    def behave(line: socket.socket, request: Request) -> bool:
        now = left.pop(0) if len(left) > 1 else left[0]
        return now(line, request)

    return behave


def never_answers(service: HostileService) -> Behaviour:
    def behave(line: socket.socket, request: Request) -> bool:
        service.over.wait()
        return False

    return behave


def trickles(service: HostileService, text: bytes) -> Behaviour:
    """Send a text a byte each quarter of a second, and again, and again."""

    def behave(line: socket.socket, request: Request) -> bool:
        place = 0
        while not service.over.wait(0.25):
            line.sendall(text[place % len(text) :][:1])
            place += 1
        return False

    return behave


def sends_and_closes(text: bytes) -> Behaviour:
    """Send raw bytes, and close the connection."""

    def behave(line: socket.socket, request: Request) -> bool:
        line.sendall(text)
        return False

    return behave


def floods(size: int) -> Behaviour:
    """Answer 200 with so many bytes."""

    def behave(line: socket.socket, request: Request) -> bool:
        line.sendall(
            f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
        )
        piece = b"x" * 65536
        for _ in range(size // len(piece)):
            line.sendall(piece)
        line.sendall(piece[: size % len(piece)])
        return True

    return behave
