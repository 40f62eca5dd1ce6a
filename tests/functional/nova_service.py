# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server in the wire format of Nova's and Keystone's APIs.

It answers as Nova does at microversion 2.90, from a list of servers that a
test changes at will, and fails where a test wants it to.
"""

import datetime
import http.server
import json
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import fixtures

#: Called with the path and the parameters of a request before it is answered;
#: what it returns, a status and a body, is the answer.
Fault = Callable[[str, Mapping[str, str]], tuple[int, Any] | None]

#: For a fault: no answer at all.
HANG_UP = (0, None)


class NovaService(fixtures.Fixture):
    """A cloud with an API and nothing behind it.

    :ivar servers: instance uuid -> the server, as the API shows it
    :ivar services: of ``os-services``
    :ivar projects: id -> name; so is users
    :ivar max_limit: instances on a page, as ``[api] max_limit``
    :ivar ahead: seconds that its clock is ahead of that here
    :ivar fault: answers instead of the cloud, where it wants to
    :ivar requests: path and parameters of each request
    """

    def __init__(self) -> None:
        super().__init__()
        self.servers: dict[str, dict[str, Any]] = {}
        self.services = [service("compute", "host1")]
        self.projects = {"p1": "demo", "p2": "other"}
        self.users = {"u1": "alice", "u2": "bob"}
        self.is_admin = True
        self.max_limit = 1000
        self.ahead = 0.0
        self.fault: Fault | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []

    def _setUp(self) -> None:
        service = self

        class Handler(_Handler):
            nova = service

        server = _Server(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{server.server_port}"
        self.url = f"{self.origin}/v2.1"

    def options(self) -> dict[str, str]:
        """Return the options of ``[nova]`` for an account of this cloud."""
        return {
            "auth_type": "v3password",
            "auth_url": f"{self.origin}/v3",
            "username": "nova-dirsvc",
            "user_domain_id": "default",
            "password": "no-secret",
            "project_name": "service",
            "project_domain_id": "default",
        }

    def boot(self, number: int = 1, **changes: Any) -> str:
        """Let there be one more instance; give its uuid."""
        instance_uuid = changes.pop("id", None) or str(uuid.uuid4())
        self.servers[instance_uuid] = server(instance_uuid, number, **changes)
        return instance_uuid

    def boot_many(self, count: int) -> list[str]:
        return [self.boot(number) for number in range(count)]

    def change(self, instance_uuid: str, **changes: Any) -> None:
        self.servers[instance_uuid] |= {"updated": now()} | changes

    def delete(self, instance_uuid: str) -> None:
        del self.servers[instance_uuid]

    # -- answers -----------------------------------------------------------

    def answer(self, path: str, params: dict[str, str]) -> tuple[int, Any]:
        self.requests.append((path, params))
        if self.fault and (answer := self.fault(path, params)):
            return answer
        if path in ("/v3", "/v3/"):
            return 200, {"version": self._keystone()}
        if path.startswith("/v3/"):
            return self._identity(path.removeprefix("/v3/"), params)
        place = path.removeprefix("/v2.1/")
        if place == "os-services":
            if not self.is_admin:
                return _forbidden()
            return 200, {"services": self.services}
        if place in ("servers", "servers/detail"):
            return self._list(params)
        if place.startswith("servers/"):
            return self._one(place.removeprefix("servers/"))
        return 404, {"itemNotFound": {"code": 404, "message": "no resource"}}

    def _one(self, instance_uuid: str) -> tuple[int, Any]:
        found = self.servers.get(instance_uuid)
        if not found:
            message = f"Instance {instance_uuid} could not be found."
            return 404, {"itemNotFound": {"code": 404, "message": message}}
        return 200, {"server": found}

    def _list(self, params: Mapping[str, str]) -> tuple[int, Any]:
        if "all_tenants" in params and not self.is_admin:
            return _forbidden()
        found = sorted(
            self.servers.values(),
            key=lambda one: (one["created"], one["id"]),
            reverse=params.get("sort_dir", "desc") == "desc",
        )
        if since := params.get("changes-since"):
            since = since.removesuffix("Z")[:19]
            found = [one for one in found if one["updated"][:19] >= since]
        else:
            found = [one for one in found if one["status"] != "DELETED"]
        if wanted := params.get("uuid"):
            found = [one for one in found if one["id"] == wanted]
        if marker := params.get("marker"):
            ids = [one["id"] for one in found]
            if marker not in ids:
                return 400, {"badRequest": {"message": "marker not found"}}
            found = found[ids.index(marker) + 1 :]
        limit = min(int(params.get("limit", self.max_limit)), self.max_limit)
        page, rest = found[:limit], found[limit:]
        body: dict[str, Any] = {"servers": page}
        if rest:
            query = urllib.parse.urlencode(
                {**params, "marker": page[-1]["id"]}
            )
            href = f"{self.url}/servers/detail?{query}"
            body["servers_links"] = [{"rel": "next", "href": href}]
        return 200, body

    # -- Keystone ----------------------------------------------------------

    def _keystone(self) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{self.origin}/v3/"}]
        return {"id": "v3.14", "status": "stable", "links": links}

    def _identity(
        self, place: str, params: Mapping[str, str]
    ) -> tuple[int, Any]:
        if place == "auth/tokens":
            return 201, {"token": self._token()}
        kind, _, one = place.partition("/")
        names = {"projects": self.projects, "users": self.users}.get(kind)
        if names is None:
            return 404, {"error": {"code": 404}}
        if one:
            if one not in names:
                return 404, {"error": {"code": 404}}
            return 200, {kind[:-1]: {"id": one, "name": names[one]}}
        return 200, {
            kind: [{"id": id_, "name": name} for id_, name in names.items()],
            "links": {"next": None, "self": "", "previous": None},
        }

    def _token(self) -> dict[str, Any]:
        def entry(kind: str, url: str) -> dict[str, Any]:
            endpoint = {
                "interface": "public",
                "region_id": "one",
                "region": "one",
                "url": url,
                "id": kind,
            }
            return {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [endpoint],
            }

        domain = {"id": "default", "name": "Default"}
        expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(1)
        return {
            "methods": ["password"],
            "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
            "issued_at": now().replace("Z", ".000000Z"),
            "user": {"id": "daemon", "name": "nova-dirsvc", "domain": domain},
            "project": {"id": "service", "name": "service", "domain": domain},
            "roles": [{"id": "admin", "name": "admin"}],
            "catalog": [
                entry("compute", self.url),
                entry("identity", f"{self.origin}/v3"),
            ],
        }


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    nova: NovaService
    protocol_version = "HTTP/1.1"
    # A body does not wait until the client has confirmed the headers.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        params = dict(urllib.parse.parse_qsl(url.query))
        self._send(*self.nova.answer(url.path, params))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(
            (timestamp or time.time()) + self.nova.ahead
        )

    def _send(self, status: int, body: Any) -> None:
        if not status:
            self.close_connection = True
            return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("OpenStack-API-Version", "compute 2.90")
        if self.path.endswith("/auth/tokens"):
            self.send_header("X-Subject-Token", "token-of-a-test")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def service(binary: str, host: str, **changes: Any) -> dict[str, Any]:
    """Return one of ``os-services``."""
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{binary}.{host}")),
        "binary": f"nova-{binary}",
        "host": host,
        "zone": "nova",
        "status": "enabled",
        "state": "up",
        "updated_at": "2026-11-22T10:27:53.000000",
        "disabled_reason": None,
        "forced_down": False,
    } | changes


def server(instance_uuid: str, number: int, **changes: Any) -> dict[str, Any]:
    """Return a server as Nova shows it to an admin, shortened."""
    return {
        "id": instance_uuid,
        "name": f"web-{number}",
        "status": "ACTIVE",
        "tenant_id": "p1",
        "user_id": "u1",
        "image": {"id": "5a1d32c6-2595-461c-bbd9-c94d0a4da72c", "links": []},
        "flavor": {"vcpus": 1, "original_name": "m1.tiny"},
        "created": "2026-11-22T10:27:53Z",
        "updated": "2026-11-22T10:27:55Z",
        "OS-SRV-USG:launched_at": "2026-11-22T10:27:55.000000",
        "OS-SRV-USG:terminated_at": None,
        "OS-EXT-AZ:availability_zone": "nova",
        "OS-EXT-SRV-ATTR:host": "host1",
        "OS-EXT-SRV-ATTR:hostname": f"web-{number}",
        "addresses": {"private": [address(number)]},
    } | changes


def address(number: int) -> dict[str, Any]:
    """Return an address of a server."""
    high, low = divmod(number, 250)
    return {
        "version": 4,
        "addr": f"10.77.{high}.{low + 1}",
        "OS-EXT-IPS:type": "fixed",
        "OS-EXT-IPS-MAC:mac_addr": f"fa:16:3e:00:{high:02x}:{low:02x}",
    }


def _forbidden() -> tuple[int, Any]:
    message = "Policy doesn't allow this to be performed."
    return 403, {"forbidden": {"code": 403, "message": message}}
