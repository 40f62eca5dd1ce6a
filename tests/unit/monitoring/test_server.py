# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The server, with real clients, of which some mean no good."""

import contextlib
import http.client
import socket
import threading
import time

from nova_dirsvc_plugin.monitoring import facts, server, web
from tests import ports, waiting
from tests.unit import base


def collect():
    """Return facts of an outbox that cannot be read, without a daemon."""
    return facts.Facts(1000.0, "1", "/x", "no disk", None, (), (), None)


class ServerTest(base.TestCase):
    limit = 5.0

    def setUp(self):
        super().setUp()
        self.useFixture(
            base.fixtures.MonkeyPatch(f"{server.__name__}.LIMIT", self.limit)
        )
        self.collect = collect
        self.port = ports.free_port()
        self.server = server.Server(
            ("127.0.0.1", self.port), web.Application(lambda: self.collect())
        )
        thread = threading.Thread(
            target=self.server.serve_forever, args=(0.01,)
        )
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)

    def ask(self, path="/healthz", method="GET"):
        """Return status, headers and content of an answer."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(client):
            client.request(method, path)
            answer = client.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def connect(self, said=b""):
        client = socket.create_connection(("127.0.0.1", self.port), 20)
        self.addCleanup(client.close)
        client.sendall(said)
        return client


class AnswerTest(ServerTest):
    def test_reasons_are_lines_of_a_503(self):
        status, _, content = self.ask("/readyz")
        self.assertEqual(503, status)
        self.assertEqual(
            b"not ready\nnova-dirsvc-sync does not answer\nno disk\n", content
        )

    def test_only_get_and_head_are_answered(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"):
            status, headers, _ = self.ask("/metrics", method)
            self.assertEqual(405, status, method)
            self.assertEqual("GET, HEAD", headers["Allow"])

    def test_head_is_get_without_its_content(self):
        _, of_get, content = self.ask("/metrics")
        status, of_head, nothing = self.ask("/metrics", "HEAD")
        self.assertEqual((200, b""), (status, nothing))
        self.assertEqual(str(len(content)), of_get["Content-Length"])
        self.assertEqual(of_get["Content-Type"], of_head["Content-Type"])

    def test_no_path_reaches_a_file(self):
        for path in (
            "/etc/passwd",
            "//etc/passwd",
            "/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/metrics/../../etc/passwd",
            "/healthz/",
            "/healthz%00",
            "*",
            "file:///etc/passwd",
        ):
            status, _, content = self.ask(path)
            self.assertEqual(404, status, path)
            self.assertNotIn(b"root:", content)

    def test_nothing_is_kept_loaded_or_framed(self):
        for path in ("/metrics", "/nothing"):
            _, headers, _ = self.ask(path)
            self.assertEqual("no-store", headers["Cache-Control"])
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertEqual("nosniff", headers["X-Content-Type-Options"])

    def test_a_fault_is_in_the_log_and_not_in_the_answer(self):
        def fail():
            raise RuntimeError("the cause")

        self.collect = fail
        status, _, content = self.ask()
        self.assertEqual(500, status)
        self.assertNotIn(b"cause", content)
        waiting.until(
            lambda: "RuntimeError: the cause" in self.log.output, "the log"
        )
        self.collect = collect
        self.assertEqual(503, self.ask()[0])

    def test_nonsense_is_no_harm(self):
        for said in (
            b"\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /healthz HTTP/1.0\r\n" + b"a: b\r\n" * 500 + b"\r\n",
        ):
            with contextlib.suppress(ConnectionError):
                self.connect(said).recv(100)
        self.assertEqual(503, self.ask()[0])
        self.assertNotIn("ERROR", self.log.output)

    def test_more_than_there_is_room_for_are_turned_away(self):
        many = [self.connect(b"GET /healthz") for _ in range(server.MOST)]
        waiting.until(
            lambda: not self.server._room._value, "all places to be taken"
        )
        self.assertIn(b"503", self.connect().recv(100))
        for client in many:
            self.assertEqual(b"", client.recv(1))
        waiting.until(
            lambda: b"not alive" in self.ask()[2], "room for another"
        )


class SlowTest(ServerTest):
    limit = 0.5

    def test_who_is_slow_holds_nobody_up_and_does_not_stay(self):
        slow = [self.connect(b"GET /healthz") for _ in range(server.MOST - 1)]
        self.assertEqual(503, self.ask()[0])
        for client in slow:
            self.assertEqual(b"", client.recv(1))

    def test_a_request_in_drops_has_no_more_time_than_another(self):
        client = self.connect()
        began = time.monotonic()
        with self.assertRaises(OSError):
            while time.monotonic() < began + waiting.LIMIT:
                client.sendall(b"G")
                threading.Event().wait(0.05)
        self.assertLess(time.monotonic() - began, 10 * self.limit)

    def test_a_head_without_end_is_not_read_on(self):
        client = self.connect()
        with self.assertRaises(OSError):
            for _ in range(100_000):
                client.sendall(b"a: b\r\n" * 100)

    def test_an_answer_that_nobody_takes_is_given_up(self):
        content = "x" * 50_000_000
        self.collect = lambda: facts.Facts(
            1.0, "1", "/x", content, None, (), (), None
        )
        self.connect(b"GET /readyz HTTP/1.0\r\n\r\n")
        waiting.until(
            lambda: self.server._room._value == server.MOST - 1,
            "the request to be read",
        )
        waiting.until(
            lambda: self.server._room._value == server.MOST,
            "the answer to be given up",
        )
