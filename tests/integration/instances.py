# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Many instances of a user, and what Nova and Neutron say of them."""

import itertools
import uuid
from collections.abc import Collection, Iterator
from typing import Any

from tests import waiting
from tests.integration import pocket_cloud, readers

#: What the names of the instances begin with.
NAME = "drift"

#: From which microversion on Nova tells of the actions of deleted instances,
#: and of the events of an action.
_ACTIONS = "2.62"

#: Action -> its last part, with which Nova's last event has been emitted.
_LAST_PARTS = {
    "create": "compute__do_build_and_run_instance",
    "delete": "compute_terminate_instance",
}


class Instances:
    """The instances of alice in a pocket cloud whose names begin with NAME.

    One of these is for one thread.
    """

    def __init__(self, cloud: pocket_cloud.PocketCloud) -> None:
        self._alice = cloud.connection("alice")
        self._admin = cloud.connection("admin")
        self._free = (
            f"10.10.{third}.{fourth}"
            for third in range(200, 250)
            for fourth in range(1, 255)
        )

    def close(self) -> None:
        self._alice.close()
        self._admin.close()

    def allow_any_number(self) -> None:
        """Let the project have more instances than Nova's quota allows."""
        self._admin.set_compute_quotas("demo", instances=-1, cores=-1, ram=-1)

    def clear(self) -> None:
        """Delete all of them, and let the project have as many as before."""
        self.delete([server.id for server in self.servers()])
        self._admin.delete_compute_quotas("demo")

    def servers(self) -> list[Any]:
        """Return what Nova says of them."""
        return [one for one in self._all() if one.name.startswith(NAME)]

    def _all(self) -> Iterator[Any]:
        return self._admin.compute.servers(all_projects=True)

    def boot(self, count: int) -> list[str]:
        """Boot some in one request; wait until Nova has said so.

        :returns: their uuids
        """
        alice, name = self._alice, f"{NAME}-{uuid.uuid4().hex[:8]}"
        alice.compute.create_server(
            name=name,
            image_id=alice.image.find_image("blank").id,
            flavor_id=alice.compute.find_flavor("tiny").id,
            networks=[{"uuid": alice.network.find_network("private").id}],
            min_count=count,
            max_count=count,
        )
        booted = [
            server.id
            for server in self.servers()
            if server.name.startswith(name)
        ]
        for key in booted:
            self._wait_for_action(key, "create")
        return booted

    def delete(self, instances: Collection[str]) -> None:
        """Delete some; wait until Nova has said so."""
        for key in instances:
            self._alice.compute.delete_server(key)
        for key in instances:
            self._wait_for_action(key, "delete")

    def move(self, instances: Collection[str]) -> None:
        """Change the addresses of ports in Neutron; wait until Nova knows."""
        network = self._admin.network
        moved = dict(zip(instances, self._free, strict=False))
        for key, address in moved.items():
            [port] = network.ports(device_id=key)
            network.update_port(port, fixed_ips=[{"ip_address": address}])
        waiting.until(
            lambda: all(
                addresses(server) == [moved[server.id]]
                for server in self.servers()
                if server.id in moved
            ),
            "Nova to show the new addresses of ports",
        )

    def wanted(self) -> dict[str, readers.Entry]:
        """Return the entries that the cloud should have, by what Nova says.

        Without the address of the user, which Nova does not say.
        """
        identity = self._admin.identity
        projects = {one.id: one.name for one in identity.projects()}
        users = {one.id: one.name for one in identity.users()}
        return {
            server.id: {
                "host_name": [server.hostname],
                "display_name": [server.name],
                "ip": addresses(server),
                "mac": [
                    port["OS-EXT-IPS-MAC:mac_addr"] for port in _ports(server)
                ],
                "image_uuid": [server.image.id],
                "project_id": [server.project_id],
                "project_name": [projects[server.project_id]],
                "user_id": [server.user_id],
                "user_name": [users[server.user_id]],
            }
            for server in self._all()
            if server.launched_at
        }

    def _wait_for_action(self, instance_uuid: str, name: str) -> None:
        """Wait until Nova has finished the last part of an action."""
        base = f"/servers/{instance_uuid}/os-instance-actions"

        def has_finished() -> bool:
            return any(
                event["event"] == _LAST_PARTS[name] and event["finish_time"]
                for action in self._ask(base)["instanceActions"]
                if action["action"] == name
                for event in self._ask(f"{base}/{action['request_id']}")[
                    "instanceAction"
                ]["events"]
            )

        waiting.until(has_finished, f"the {name} of instance {instance_uuid}")

    def _ask(self, path: str) -> Any:
        answer = self._admin.compute.get(path, microversion=_ACTIONS)
        answer.raise_for_status()
        return answer.json()


def addresses(server: Any) -> list[str]:
    return [port["addr"] for port in _ports(server)]


def _ports(server: Any) -> Iterator[Any]:
    return itertools.chain(*server.addresses.values())
