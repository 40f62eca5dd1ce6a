# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A real HTTP directory service for tests: examples/rest, as a process."""

import contextlib
import pathlib
import signal
import sys
import tempfile
from typing import Any

import requests
import testtools

from tests import ports
from tests.functional import server

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples/rest"
PROGRAM = EXAMPLE / "dirsvc-rest"


class RestService(server.Server):
    """One service with a folder and a port of its own, started.

    :param options: more words for ``dirsvc-rest serve``
    :param verify: CA of the service's certificate, when the options name one
    :param client: certificate and key of who asks
    :ivar url: of the collection of instances
    :ivar folder: its state folder
    :ivar conf_file: for ``nova-dirsvc-sync --config-file``
    :ivar service_token_file: of who reads and writes; so are the next two
    """

    NAME = "dirsvc-rest"

    def __init__(
        self,
        *options: str,
        verify: str | None = None,
        client: tuple[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._options = options
        self._verify = verify
        self._client = client

    def _setUp(self) -> None:
        root = tempfile.TemporaryDirectory(prefix="dirsvc-rest-")
        self.addCleanup(root.cleanup)
        self.folder = pathlib.Path(root.name, "state")
        self.conf_file = self.folder / "directory.conf"
        self.service_token_file = self.folder / "service.token"
        self.reader_token_file = self.folder / "reader.token"
        self.manager_token_file = self.folder / "manager.token"
        self.keep_output(pathlib.Path(root.name, "output"))
        self.port = ports.free_port()
        scheme = "https" if self._verify else "http"
        self.origin = f"{scheme}://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/v1/instances"
        self.addCleanup(self.kill)
        self.start()

    def command(self) -> list[str]:
        return [
            sys.executable, str(PROGRAM), "serve",
            "--state-dir", str(self.folder),
            "--port", str(self.port),
            *self._options,
        ]  # fmt: skip

    def answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            return self.health().ok
        return False

    def reload(self) -> None:
        """Let it read the tokens again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def health(self) -> requests.Response:
        return requests.get(
            f"{self.origin}/healthz",
            timeout=5,
            verify=self._verify,
            cert=self._client,
        )

    def session(self, role: str = "service") -> requests.Session:
        """Return a client that keeps one connection, with a role's token.

        :param role: service, reader or manager
        """
        session = requests.Session()
        session.trust_env = False
        session.verify = self._verify
        session.cert = self._client
        token = (self.folder / f"{role}.token").read_text()
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def clear(self) -> None:
        """Delete all instances, for a test that shares this."""
        with self.session("manager") as session:
            while found := session.get(self.url).json()["instances"]:
                for document in found:
                    session.delete(f"{self.url}/{document['instance_uuid']}")


class SharedServiceTestCase(testtools.TestCase):
    """Shares one service per process, and shows what it says."""

    service: RestService

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.service = server.of_this_process(RestService)

    def setUp(self) -> None:
        super().setUp()
        self.use_service()

    def use_service(self) -> None:
        for name, content in self.service.getDetails().items():
            self.addDetail(name, content)


def body(instance_uuid: str, **changed: Any) -> dict[str, str]:
    """Return the least that can be registered."""
    return {
        "image_uuid": "1f3f0a68-7f3c-4f0f-a0ae-8f7f6ecb7e6b",
        "instance_uuid": instance_uuid,
        "mac_address": "fa:16:3e:51:8e:ab",
        "project_name": "demo",
        "user_name": "alice",
        "user_remote_address": "198.51.100.7",
    } | changed
