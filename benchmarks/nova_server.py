# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova's API with many instances, in a process of its own.

The text of each instance is made beforehand, so that an answer costs little.
"""

import contextlib
import dataclasses
import json
import multiprocessing
from collections.abc import Iterator, Mapping
from multiprocessing import connection
from typing import Any

from tests.functional import nova_service

#: Projects, and as many users: some of a cloud's.
PROJECTS = 200


@dataclasses.dataclass(frozen=True)
class Nova:
    """A server that runs.

    :ivar url: of the compute API
    :ivar options: of ``[nova]``
    """

    url: str
    options: Mapping[str, str]


@contextlib.contextmanager
def serve(count: int) -> Iterator[Nova]:
    """Serve that many instances, until the context ends."""
    spawning = multiprocessing.get_context("spawn")
    ours, its = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(count, its), daemon=True)
    process.start()
    its.close()
    try:
        yield Nova(*ours.recv())
    finally:
        ours.close()
        process.join()


def uuid_of(number: int) -> str:
    """Return the uuid of an instance, the same in each run."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def _serve(count: int, pipe: connection.Connection) -> None:
    with _Prepared(count) as nova, contextlib.suppress(EOFError):
        pipe.send((nova.url, nova.options()))
        pipe.recv()


class _Prepared(nova_service.NovaService):
    def __init__(self, count: int) -> None:
        super().__init__()
        for number in range(PROJECTS):
            self.projects[f"{number:032x}"] = f"project {number}"
            self.users[f"{number:032x}"] = f"user {number}"
        self._places = {uuid_of(number): number for number in range(count)}
        self._texts = [
            json.dumps(_server(instance_uuid, number)).encode()
            for instance_uuid, number in self._places.items()
        ]

    def answer(self, path: str, params: dict[str, str]) -> tuple[int, Any]:
        last = path.rpartition("/")[2]
        if path.endswith("/servers/detail"):
            marker = params.get("marker")
            first = self._places[marker] + 1 if marker else 0
            limit = min(int(params["limit"]), self.max_limit)
            page = b",".join(self._texts[first : first + limit])
            return 200, b'{"servers": [%b]}' % page
        if "/servers/" in path and last in self._places:
            text = self._texts[self._places[last]]
            return 200, b'{"server": %b}' % text
        return super().answer(path, params)


def _server(instance_uuid: str, number: int) -> dict[str, Any]:
    """Return all that Nova shows to an admin at microversion 2.90."""
    name = f"instance-{number}"
    href = f"http://controller:8774/v2.1/servers/{instance_uuid}"
    host = f"compute{number % 500}.cloud.example"
    more: dict[str, Any] = {
        "name": name,
        "tenant_id": f"{number % PROJECTS:032x}",
        "user_id": f"{number % PROJECTS:032x}",
        "addresses": {
            "private": [
                {
                    "version": 4,
                    "addr": f"10.{number >> 16 & 255}"
                    f".{number >> 8 & 255}.{number & 255}",
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e"
                    f":{number >> 16 & 255:02x}"
                    f":{number >> 8 & 255:02x}:{number & 255:02x}",
                }
            ]
        },
        "flavor": {
            "vcpus": 1,
            "ram": 512,
            "disk": 1,
            "ephemeral": 0,
            "swap": 0,
            "original_name": "m1.tiny",
            "extra_specs": {"hw:mem_page_size": "large"},
        },
        "OS-EXT-SRV-ATTR:host": host,
        "OS-EXT-SRV-ATTR:hostname": name,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{number:08x}",
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:reservation_id": f"r-{number:08x}",
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:user_data": "I2Nsb3VkLWNvbmZpZwpwYWNrYWdlczogW10K",
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-STS:power_state": 1,
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:vm_state": "active",
        "accessIPv4": "",
        "accessIPv6": "",
        "config_drive": "",
        "description": None,
        "hostId": f"{number % 500:056x}",
        "host_status": "UP",
        "key_name": "default",
        "links": [
            {"rel": "self", "href": href},
            {"rel": "bookmark", "href": href},
        ],
        "locked": False,
        "locked_reason": None,
        "metadata": {"role": "web"},
        "os-extended-volumes:volumes_attached": [],
        "progress": 0,
        "security_groups": [{"name": "default"}],
        "server_groups": [],
        "tags": [],
        "trusted_image_certificates": None,
    }
    return nova_service.server(instance_uuid, number, **more)
