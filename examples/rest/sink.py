#!/usr/bin/env python3
# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A receiver of POSTs that appends each to a file, as one line.

A webhook for nova-dirsvc-sync has to do no more: answer 2xx if, and only if,
the event is stored durably. Set register_url to /register, unregister_url to
/unregister, and unregister_method to POST.
"""

import argparse
import errno
import http.server
import io
import json
import os
import threading
from pathlib import Path

PATHS = ("/register", "/unregister")
LARGEST_BODY = 64 * 1024


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # or each event costs a connection
    timeout = 75  # seconds that a client may be idle
    disable_nagle_algorithm = True
    lines: "Lines"

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal():
            self._refuse(411, "Content-Length is missing")
        elif len(size) > 9 or int(size) > LARGEST_BODY:
            self._refuse(413, "the body is larger than 64 KiB")
        else:
            self._take(self.rfile.read(int(size)))

    def _take(self, body: bytes) -> None:
        try:
            event = json.loads(body.decode())
            line = {"path": self.path, **event}
        except (ValueError, TypeError, RecursionError):
            return self._answer(400, "the body is not a JSON object in UTF-8")
        if self.path not in PATHS:
            return self._answer(404, f"the paths are {' and '.join(PATHS)}")
        line["idempotency_key"] = self.headers.get("Idempotency-Key", "")
        try:
            self.lines.append(json.dumps(line))
        except OSError as error:
            return self._answer(503, os.strerror(error.errno or 0))
        return self._answer(204, "")

    def _refuse(self, status: int, why: str) -> None:
        """Answer, and close the connection, as its body has not been read."""
        self.close_connection = True
        self._answer(status, why)

    def _answer(self, status: int, why: str) -> None:
        self.send_response(status)
        if self.close_connection:
            self.send_header("Connection", "close")
        if why:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(why) + 1))
        self.end_headers()
        self.wfile.write(f"{why}\n".encode() if why else b"")

    def log_message(self, *_: object) -> None:
        """Log nothing: a request line can contain data of tenants."""


class Lines:
    """A file to which a line is appended wholly and durably, or not at all."""

    def __init__(self, path: Path) -> None:
        # Its lines name users; others may be able to put a link there.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        self._file = io.FileIO(os.open(path, flags, 0o640), "ab")
        self._lock = threading.Lock()

    def append(self, text: str) -> None:
        with self._lock:
            end = self._file.seek(0, os.SEEK_END)
            line = f"{text}\n".encode()
            try:
                if self._file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, "the disk is full")
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(end)
                raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--listen", default="127.0.0.1",
        help="address to listen on (default: %(default)s)")  # fmt: skip
    add("--port", type=int, default=8043,
        help="port to listen on (default: %(default)s)")  # fmt: skip
    add("--file", type=Path, required=True, help="file to append to")
    arguments = parser.parse_args()
    address = (arguments.listen, arguments.port)
    try:
        Handler.lines = Lines(arguments.file)
        server = http.server.ThreadingHTTPServer(address, Handler)
    except (OSError, OverflowError) as error:
        raise SystemExit(f"sink: error: {error}") from error
    print(f"sink: http://{arguments.listen}:{arguments.port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
