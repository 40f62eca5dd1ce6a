# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An HTTP server for a few readers that nobody can keep busy.

It has so many threads and no more, and a request has so many seconds and
bytes and no more, however slowly it comes and its answer is taken.
"""

import io
import logging
import socket
import socketserver
import threading
import time
from typing import Any
from wsgiref import simple_server
from wsgiref.types import WSGIApplication

LOG = logging.getLogger(__name__)

#: Requests that are answered at a time; more are turned away.
MOST = 8

#: Seconds for a request to come, and for its answer to be taken.
LIMIT = 5.0

#: Bytes of a request's head; it has no body that anybody reads.
LONGEST = 8192

_END = b"\r\n\r\n"

_BUSY = (
    b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    """Answers requests, each in a thread.

    :param address: and port
    :raises OSError: it cannot listen there
    """

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], application: WSGIApplication
    ) -> None:
        self.address_family = _family(address[0])
        self._room = threading.BoundedSemaphore(MOST)
        super().__init__(address, _Handler)
        self.set_app(application)

    def server_bind(self) -> None:
        """Listen, without a look at the name of this host."""
        socketserver.TCPServer.server_bind(self)
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is one left."""
        request.settimeout(LIMIT)
        if not self._room.acquire(blocking=False):
            request.setblocking(False)
            try:
                request.send(_BUSY)
            except OSError as error:
                LOG.debug("A client was turned away unheard: %s", error)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._room.release()
            raise

    def process_request_thread(
        self, request: Any, client_address: Any
    ) -> None:
        """Make room again when it is answered."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in the log what went wrong; the client sees no more of it."""
        LOG.debug("A request was not answered", exc_info=True)


class _Handler(simple_server.WSGIRequestHandler):
    """Answers one request, and closes the connection."""

    def handle(self) -> None:
        """Read the head of a request within the limits, then answer it."""
        head = _head(self.connection)
        if head is None:
            return
        # What is sent is sent within the limit, too: see socket.sendall.
        self.connection.settimeout(LIMIT)
        self.rfile = io.BufferedReader(io.BytesIO(head))
        super().handle()

    def address_string(self) -> str:
        """Return the address, without a question to the DNS."""
        return str(self.client_address[0])

    def log_message(self, format: str, *args: Any) -> None:
        """Log requests where somebody looks for the cause of a fault."""
        LOG.debug("%s: %r", self.address_string(), format % args)

    def get_stderr(self) -> Any:
        """Have the traceback of a fault in the log."""
        return _Log()


class _Log(io.TextIOBase):
    """A file of text that is the log."""

    def write(self, text: str) -> int:
        for line in filter(None, text.splitlines()):
            LOG.error("A request was not answered: %s", line)
        return len(text)


def _head(connection: socket.socket) -> bytes | None:
    """Return the head of a request; None if it does not come, or is long."""
    deadline = time.monotonic() + LIMIT
    head = b""
    while _END not in head:
        left = deadline - time.monotonic()
        if left <= 0 or len(head) > LONGEST:
            return None
        connection.settimeout(left)
        try:
            more = connection.recv(LONGEST)
        except OSError:
            return None
        if not more:
            return None
        head += more
    return head if len(head) <= LONGEST else None


def _family(address: str) -> socket.AddressFamily:
    found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)
    return found[0][0]
