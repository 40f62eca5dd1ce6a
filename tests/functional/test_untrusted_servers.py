# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon among servers that send back what they were sent, and lines.

Every way that a server's words can take is walked: an LDAP server, a REST
service, Keystone, Nova and the message bus, with the log at level debug.
"""

import base64
import contextlib
import json
import pathlib
import re
import socket
import socketserver
import sys
import threading
import time

from nova_dirsvc_plugin import outbox
from tests import processes, recordings, waiting
from tests.functional import hostile_service, test_listener
from tests.unit import base

MANAGE = pathlib.Path(sys.executable).with_name("nova-dirsvc-manage")

#: Each is one of our secrets; none is anywhere by chance.
SECRETS = {
    name: f'CANARY{name}&"ö\\5'
    for name in ("ldap", "nova", "restpass", "resthmac")
}
#: What must be of ASCII.
HEADER = "CANARYheader5"
TOKEN = "CANARYtoken5"
BUS = "CANARYbus5"
BASIC = base64.b64encode(f"dirsvc:{SECRETS['restpass']}".encode()).decode()

CONTROLS = "\r\x1b[2J\x9b\u2028\u2029\u202e\u2066"
LINES = f"\nFORGED one{CONTROLS}\r\nFORGED two"
#: As a line begins that is a record of the log, or a part of one.
RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d+ [A-Z]+ ")


def der(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes(4, "big")
    return bytes((tag, 0x84)) + size + content


class TalkativeLdap(socketserver.BaseRequestHandler):
    """An LDAP server that refuses each bind and repeats the password."""

    def handle(self) -> None:
        # The first message of a client is short, and has the number 1.
        self.request.recv(65536)
        text = f"denied: {SECRETS['ldap']}{LINES}".encode()
        unwilling = der(0x0A, b"\x35") + der(0x04, b"") + der(0x04, text)
        with contextlib.suppress(OSError):
            self.request.sendall(
                der(0x30, b"\x02\x01\x01" + der(0x61, unwilling))
            )
            self.request.recv(65536)


def echo(status: int, **headers: str) -> hostile_service.Behaviour:
    """Return a behaviour that repeats the request, in JSON and as it is."""

    def behave(line: socket.socket, request: hostile_service.Request) -> bool:
        body = request.body.decode()
        said = f"{request.headers} {body} {base64_decoded(request)}{LINES}"
        text = json.dumps({"error": {"message": said, "code": status}})
        raw = f"{text}{said}" if "hosts" in request.target else text
        answer = hostile_service.answers(
            status, raw.encode(), Content_Type="application/json", **headers
        )
        return answer(line, request)

    return behave


def base64_decoded(request: hostile_service.Request) -> str:
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    return base64.b64decode(encoded).decode() if kind == "Basic" else ""


def grants_token(
    line: socket.socket, request: hostile_service.Request
) -> bool:
    """Answer as Keystone does to whom it knows."""
    token = {
        "methods": ["password"],
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "D"}},
        "project": {"id": "p", "name": "p", "domain": {"id": "d"}},
        "catalog": [],
        "roles": [],
    }
    answer = hostile_service.answers(
        201,
        json.dumps({"token": token}).encode(),
        X_Subject_Token=TOKEN,
        Content_Type="application/json",
    )
    return answer(line, request)


class UntrustedServersTest(test_listener.ListenerTestCase):
    def setUp(self):
        super().setUp()
        self.http = self.useFixture(hostile_service.HostileService())
        self.keystone = echo(400)
        self.http.behaviour = self.answered
        ldap = socketserver.ThreadingTCPServer(("127.0.0.1", 0), TalkativeLdap)
        ldap.daemon_threads = True
        threading.Thread(target=ldap.serve_forever, daemon=True).start()
        self.addCleanup(ldap.server_close)
        self.addCleanup(ldap.shutdown)
        self.ldap_url = f"ldap://127.0.0.1:{ldap.server_address[1]}"
        self.root = f"http://127.0.0.1:{self.http.port}"
        self.options |= {"directories": "ldap,rest", "late_after": "1"}

    def answered(self, line, request):
        """Answer as Keystone, Nova, or a REST service."""
        if request.target.endswith("/auth/tokens"):
            return self.keystone(line, request)
        return echo(400)(line, request)

    def bus_url(self):
        """Return the address of the bus for an account of this test."""
        user = self.topic
        self.broker.control("add_user", user, BUS)
        self.broker.control("set_permissions", user, ".*", ".*", ".*")
        return f"rabbit://{user}:{BUS}@{self.broker.host}/"

    def secret_file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    def write_options(self):
        return super().write_options(
            DEFAULT={
                "transport_url": self.bus_url(),
                "debug": "true",
                # It logs whole answers then.
                "default_log_levels": "keystoneauth=DEBUG",
            },
            ldap={
                "url": self.ldap_url,
                "user": "cn=daemon",
                "password_file": self.secret_file("l", SECRETS["ldap"]),
                "hosts_tree_dn": "ou=hosts",
                "use_tls": "false",
            },
            rest={
                "url": f"{self.root}/hosts",
                "auth": "basic",
                "user": "dirsvc",
                "password_file": self.secret_file("r", SECRETS["restpass"]),
                "hmac_key_file": self.secret_file("k", SECRETS["resthmac"]),
                "headers_file": self.secret_file("h", f"X-Key: {HEADER}"),
            },
            nova={
                "auth_type": "password",
                "auth_url": f"{self.root}/v3",
                "username": "daemon",
                "password": SECRETS["nova"],
                "project_name": "service",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
                "endpoint_override": f"{self.root}/compute",
            },
        )

    def wait_for_words(self, *words):
        for word in words:
            waiting.until(
                lambda word=word: word in self.said(self.earlier),
                f"the daemon to log {word!r}",
            )

    def run_daemon(self, *words):
        """Have each of them say something, until the log has the words."""
        daemon = self.listen()
        event = base.event(occurred_at=time.time())
        outbox.Outbox(self.outbox.path).put(event)
        ctxt, message = recordings.create_end()
        message["payload"]["nova_object.version"] = f"9{LINES}"
        self.publish([(ctxt, message)])
        self.wait_for_words(
            "Directory ldap: unavailable",
            f"POST {self.root}/hosts: 400 ",
            "cannot be understood",
            *words,
        )
        return daemon, event

    def check(self, place, text):
        for secret in (*SECRETS.values(), HEADER, TOKEN, BASIC, "CANARY"):
            self.assertNotIn(secret, text, place)

    def check_all(self, daemon, event):
        arguments = pathlib.Path(f"/proc/{daemon.pid}/cmdline").read_text()
        said = self.said(self.earlier)
        self.check("arguments", arguments)
        self.check("log", said)
        self.assertIn("***", said)
        for line in said.rstrip("\n").split("\n"):
            self.assertTrue(line.isprintable(), line)
            self.assertRegex(line, RECORD)
        for file in self.outbox.path.parent.glob("outbox.db*"):
            if file.is_socket():
                continue
            self.check(file.name, file.read_bytes().decode("latin-1"))
        for words in (
            ("outbox", "list"),
            ("history", event.instance_uuid),
        ):
            file = self.folder / "sync.conf"
            done = processes.run(MANAGE, *words, "--config-file", file)
            self.assertEqual(0, done.returncode, done.stderr)
            self.check(" ".join(words), done.stdout + done.stderr)
            for line in done.stdout.splitlines():
                self.assertFalse(line.startswith("FORGED"), line)

    def test_keystone_and_the_others_repeat_what_they_were_sent(self):
        self.check_all(*self.run_daemon("Nova cannot be asked: "))

    def test_nova_repeats_the_token(self):
        self.keystone = grants_token
        self.check_all(*self.run_daemon("Nova answers 400"))
