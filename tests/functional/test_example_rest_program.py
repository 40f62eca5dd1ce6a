# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The program dirsvc-rest: its tokens, its ends, TLS, and the sink."""

import contextlib
import json
import pathlib
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import uuid
from typing import Any

import requests
import testtools

from tests import ports, processes, waiting
from tests.functional import certificates
from tests.functional.rest_service import EXAMPLE, PROGRAM, RestService, body
from tests.functional.test_example_rest import OwnServiceTestCase


class TokenTest(OwnServiceTestCase):
    """Who may what."""

    def test_a_stranger_learns_nothing(self) -> None:
        for method in ("GET", "DELETE", "PATCH"):
            for path in ("", "/nothing", f"/{self.uuid}"):
                answer = requests.request(method, self.service.url + path)
                self.assert_problem(401, "token", answer)
                self.assertEqual("Bearer", answer.headers["WWW-Authenticate"])

    def test_a_wrong_token_is_refused(self) -> None:
        right = self.service.service_token_file.read_text()
        for token in ("", "x", right[:-1], right + "x", "\xe9", "a b"):
            header = f"Bearer {token}".encode("latin-1")
            answer = requests.get(
                self.service.url, headers={"Authorization": header}
            )
            self.assertEqual(401, answer.status_code)

    def test_the_reader_may_only_read(self) -> None:
        self.register()
        reader = self.session("reader")
        self.assertEqual(200, reader.get(self.one).status_code)
        self.assert_problem(403, "read", self.register(reader))
        self.assert_problem(403, "read", reader.delete(self.one))

    def test_the_health_is_everybodys(self) -> None:
        self.assertEqual({"status": "ok"}, self.service.health().json())

    def test_only_its_owner_may_read_the_folder(self) -> None:
        for path in (self.service.folder, *self.service.folder.iterdir()):
            self.assertEqual(0, stat.S_IMODE(path.stat().st_mode) & 0o077)

    def test_a_new_token_counts_after_a_hangup(self) -> None:
        old = self.session("reader")
        self.service.reader_token_file.write_text("a-token-of-our-own\n")
        self.service.reload()
        new = {"Authorization": "Bearer a-token-of-our-own"}
        waiting.until(
            lambda: self.status_for(new) == 200, "the new token to be known"
        )
        waiting.until(
            lambda: self.status_for(dict(old.headers)) == 401,
            "the old token to be forgotten",
        )

    def status_for(self, headers: dict[str, str]) -> int | None:
        """Ask; a process that is about to end may close without an answer."""
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(self.service.url, headers=headers).status_code
        return None

    def test_no_log_has_a_token_or_a_text_of_a_tenant(self) -> None:
        secret = "Zwiebelturm"
        self.register(user_name=secret)
        self.client.get(self.service.url, params={"user_name": secret})
        self.client.get(f"{self.service.url}/{secret}", headers={"A": secret})
        self.service.stop()
        said = self.service.said()
        self.assertNotIn(secret, said)
        self.assertNotIn(self.service.service_token_file.read_text(), said)


class DurabilityTest(OwnServiceTestCase):
    """What was answered is on disk."""

    def test_kill_9_loses_nothing_that_was_answered(self) -> None:
        answered: list[str] = []

        def write() -> None:
            with self.service.session() as session:
                while True:
                    each = str(uuid.uuid4())
                    try:
                        self.register(session, instance_uuid=each)
                    except requests.ConnectionError:
                        return
                    answered.append(each)

        writers = [threading.Thread(target=write) for _ in range(8)]
        for writer in writers:
            writer.start()
        waiting.until(lambda: len(answered) > 100, "a hundred answers")
        self.service.kill()
        for writer in writers:
            writer.join()
        self.service.start()
        listed = self.client.get(self.service.url).json()["instances"]
        found = {document["instance_uuid"] for document in listed}
        self.assertEqual(set(), set(answered) - found)

    def test_it_ends_within_seconds_while_a_client_is_connected(self) -> None:
        self.register()
        self.assertEqual(0, self.service.stop())

    def test_documents_and_tokens_outlive_it(self) -> None:
        self.register()
        before = self.stored()
        self.service.stop()
        self.service.start()
        self.assertEqual(before, self.stored())

    def test_a_frozen_service_answers_when_it_thaws(self) -> None:
        self.register()
        self.service.freeze()
        self.assertRaises(
            requests.Timeout, requests.get, self.one, timeout=0.2
        )
        self.service.thaw()
        self.assertEqual(self.uuid, self.stored()["instance_uuid"])


class TlsTest(testtools.TestCase):
    """Tokens go over TLS only, and clients may need a certificate, too."""

    def setUp(self) -> None:
        super().setUp()
        self.made = self.useFixture(certificates.Certificates())

    def serve(self, *options: str, **more: Any) -> RestService:
        certificate, key = self.made.of("127.0.0.1")
        return self.useFixture(
            RestService(
                "--certificate", certificate, "--key", key, *options,
                verify=self.made.ca,
                **more,
            )
        )  # fmt: skip

    def test_a_certificate_makes_it_https(self) -> None:
        service = self.serve()
        answer = service.session().post(
            service.url, json=body(str(uuid.uuid4()))
        )
        self.assertEqual(201, answer.status_code)
        self.assertIn(f"url = {service.url}", service.conf_file.read_text())
        self.assertTrue(service.url.startswith("https://"))

    def test_old_versions_of_tls_are_refused(self) -> None:
        service = self.serve()
        context = ssl.create_default_context(cafile=self.made.ca)
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", service.port)) as plain:
            self.assertRaises(
                (ssl.SSLError, ConnectionError),
                context.wrap_socket, plain, server_hostname="127.0.0.1",
            )  # fmt: skip

    def test_a_client_without_a_certificate_is_let_in_nowhere(self) -> None:
        service = self.serve(
            "--client-ca", self.made.ca, client=self.made.of("client")
        )
        session = service.session()
        self.assertTrue(session.get(service.url).ok)
        session.cert = None
        session.close()
        self.assertRaises(requests.ConnectionError, session.get, service.url)


class RefusalTest(testtools.TestCase):
    """What the operator must change is said in one line."""

    def assert_one_line(self, expected: str, *options: str) -> None:
        done = processes.run(sys.executable, PROGRAM, "serve", *options)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertRegex(
            done.stderr, rf"\Adirsvc-rest: error: .*{expected}.*\n\Z"
        )

    def new_folder(self) -> pathlib.Path:
        folder = tempfile.TemporaryDirectory(prefix="dirsvc-rest-")
        self.addCleanup(folder.cleanup)
        return pathlib.Path(folder.name)

    def test_a_port_in_use_is_told(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = str(other.getsockname()[1])
            self.assert_one_line(
                f"port {port}: Address already in use",
                "--state-dir", str(self.new_folder()), "--port", port,
            )  # fmt: skip

    def test_a_folder_of_somebody_else_is_left_alone(self) -> None:
        folder = self.new_folder()
        (folder / "precious").touch()
        self.assert_one_line("not made by", "--state-dir", str(folder))
        self.assertEqual([folder / "precious"], list(folder.iterdir()))

    def test_a_folder_that_others_may_write_to_is_left_alone(self) -> None:
        folder = self.new_folder()
        folder.chmod(0o1777)
        self.assert_one_line("other accounts", "--state-dir", str(folder))
        self.assertEqual([], list(folder.iterdir()))
        self.assertEqual(0o1777, stat.S_IMODE(folder.stat().st_mode))

    def test_tokens_do_not_go_over_a_network_in_clear_text(self) -> None:
        folder = str(self.new_folder())
        anywhere = ("--state-dir", folder, "--listen", "0.0.0.0")
        self.assert_one_line("clear text", *anywhere)
        self.assert_one_line("loopback only", *anywhere, "--no-auth")

    def test_a_certificate_that_is_none_is_told(self) -> None:
        folder = self.new_folder()
        nothing = folder / "nothing.pem"
        nothing.touch()
        self.assert_one_line(
            "certificate",
            "--state-dir", str(folder / "state"),
            "--certificate", str(nothing), "--key", str(nothing),
        )  # fmt: skip

    def test_an_empty_token_file_is_told(self) -> None:
        folder = self.new_folder()
        (folder / "service.token").touch()
        self.assert_one_line(
            "service.token must hold", "--state-dir", str(folder)
        )


class NoAuthTest(testtools.TestCase):
    """--no-auth asks nobody for a token."""

    def test_everybody_reads_and_writes(self) -> None:
        service = self.useFixture(RestService("--no-auth"))
        answer = requests.post(service.url, json=body(str(uuid.uuid4())))
        self.assertEqual(201, answer.status_code)
        self.assertNotIn("token", service.conf_file.read_text())


class SinkTest(testtools.TestCase):
    """sink.py takes each POST, and has it on disk before it says so."""

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="sink-")
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name, "lines")
        port = ports.free_port()
        self.process = subprocess.Popen(
            [
                sys.executable, str(EXAMPLE / "sink.py"),
                "--port", str(port), "--file", str(self.file),
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.url = f"http://127.0.0.1:{port}"
        self.client = requests.Session()
        self.client.trust_env = False
        self.addCleanup(self.client.close)

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return self.client.get(self.url).status_code == 501
            return False

        waiting.until(answers, "the sink to answer")

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.file.open()]

    def test_register_and_unregister_are_lines(self) -> None:
        each = str(uuid.uuid4())
        for path, document in (
            ("/register", body(each)),
            ("/unregister", {"instance_uuid": each}),
        ):
            answer = self.client.post(self.url + path, json=document)
            self.assertEqual(204, answer.status_code)
        self.process.send_signal(signal.SIGKILL)
        self.assertEqual(
            [("/register", each), ("/unregister", each)],
            [(line["path"], line["instance_uuid"]) for line in self.lines()],
        )

    def test_what_is_bad_is_refused_and_is_no_line(self) -> None:
        large = b" " * (64 * 1024 + 1)
        for path, data, status in (
            ("/register", b"{", 400),
            ("/register", b"[]", 400),
            ("/register", b"\xff", 400),
            ("/register", b"[" * 60000, 400),
            ("/elsewhere", b"{}", 404),
            ("/register", large, 413),
            ("/register", iter([b"{}"]), 411),
        ):
            answer = self.client.post(self.url + path, data=data)
            self.assertEqual(status, answer.status_code)
        self.assertEqual([], self.lines())
