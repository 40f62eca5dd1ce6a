# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The pocket cloud as something to live in, and to break."""

import contextlib
import json
import os
import pathlib
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import ldap
import openstack

from pocket import directory, stores
from pocket.home import CHECKOUT, Home
from pocket.processes import Processes
from pocket.services import services
from tests import processes, waiting
from tests.faults import fold, schedule
from tests.integration import pocket_cloud

#: Seconds after which a life that goes on no further is given up.
LIFE_LIMIT = 45.0

#: Seconds after which no life begins any more.
LIVES_LIMIT = 80.0

#: What the names of the instances begin with.
NAME = "fault"

#: As in the pocket cloud's own options.
OWNER = "pocket"

#: The address of all who ask the cloud's nova-api, which has the filter.
CLIENT = "127.0.0.1"


class Cloud:
    """A running pocket cloud, whose parts can be killed.

    :ivar outbox: the file that Nova and the daemon share
    :ivar logs: of the services that matter here
    """

    def __init__(self) -> None:
        path = os.environ.get("POCKET_HOME") or str(CHECKOUT / ".pocket")
        self.users = pocket_cloud.PocketCloud.ensure(path)
        self._home = Home(path)
        self._processes = Processes(self._home)
        self._emitted = self._home.path / "state" / "nova" / "emitted.jsonl"
        self.outbox = self._home.outbox
        self.logs = [
            self._home.log / f"{name}.log"
            for name in (
                directory.SYNC,
                *(f"nova-{name}" for name in ("api", "conductor", "compute")),
            )
        ]

    def sweep(self) -> None:
        """Delete what a run that was interrupted has left."""
        with contextlib.closing(self.users.connection("admin")) as nova:
            for server in nova.compute.servers(all_projects=True):
                if server.name.startswith(NAME):
                    nova.compute.delete_server(server, ignore_missing=True)

    # -- what Nova emits ---------------------------------------------------

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Let Nova's services write down what they emit."""
        self._emitted.write_text("")
        try:
            yield
        finally:
            self._emitted.unlink()

    def emitted(self) -> list[fold.Emitted]:
        """Return the versioned notifications that were emitted so far."""
        # A line that somebody is writing is not whole yet.
        *lines, _ = self._emitted.read_text().split("\n")
        return [
            fold.Emitted(one["ctxt"], one["message"], CLIENT)
            for one in map(json.loads, lines)
            if one["message"]["event_type"].startswith("instance.")
        ]

    # -- what the directory has --------------------------------------------

    def entries(self) -> dict[str, fold.Entry]:
        told = directory.settings(self._home)
        connection: Any = ldap.initialize(told["url"])
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, told["cacertfile"])
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, waiting.LIMIT)
        connection.start_tls_s()
        password = pathlib.Path(told["password_file"]).read_text().strip()
        connection.simple_bind_s(told["user"], password)
        try:
            found = connection.search_s(told["tree"], ldap.SCOPE_ONELEVEL)
        finally:
            connection.unbind_s()
        return fold.entries(found)

    # -- what breaks -------------------------------------------------------

    def kinds(self) -> dict[str, schedule.Kinds]:
        """Return what can be done to each part."""
        compute = next(
            service
            for service in services(self._home)["hosts"]
            if service.name == "nova-compute"
        )
        return {
            "daemon": {
                "daemon killed": schedule.Kind(
                    lambda: self._processes.kill(directory.SYNC),
                    self._start_daemon,
                    2.0,
                )
            },
            "directory": {
                "ns-slapd killed": schedule.Kind(
                    lambda: self._signal_directory(signal.SIGKILL),
                    self._start_directory,
                    3.0,
                ),
                "ns-slapd frozen": schedule.Kind(
                    self.freeze_directory, self.thaw_directory, 6.0
                ),
            },
            "compute": {
                "nova-compute killed": schedule.Kind(
                    lambda: self._processes.kill(compute.name),
                    lambda: self._processes.start(
                        compute.name, compute.argv, compute.environment
                    ),
                    2.0,
                )
            },
            "bus": {
                "RabbitMQ killed": schedule.Kind(
                    lambda: self._processes.kill("rabbitmq"),
                    lambda: stores.start_rabbitmq(self._home, self._processes),
                    2.0,
                )
            },
        }

    def _start_daemon(self) -> None:
        said = self.logs[0].stat().st_size
        directory.start_sync(self._home, self._processes)

        def delivers() -> bool:
            with self.logs[0].open() as log:
                log.seek(said)
                return "Delivering" in log.read()

        waiting.until(delivers, "the daemon to deliver")

    def freeze_directory(self) -> None:
        self._signal_directory(signal.SIGSTOP)

    def thaw_directory(self) -> None:
        self._signal_directory(signal.SIGCONT)

    def stop_directory(self) -> None:
        self._signal_directory(signal.SIGKILL)

    def _start_directory(self) -> None:
        directory.start(self._home, self._processes)

    def start_directory(self) -> None:
        self._start_directory()

    def _signal_directory(self, number: signal.Signals) -> None:
        [file] = (self._home.directory / "run").glob("slapd-*.pid")
        with processes.Process(
            int(file.read_text()),
            # What a server that was killed has left may be another's number.
            lambda pid: pid in self._processes.members(),
        ) as server:
            server.send(number)


class Lives:
    """Boots and deletes of a user, some at a time.

    :ivar servers: uuids of all that Nova has accepted
    :ivar notes: uuid -> what became of it, when that is not as it should be
    """

    def __init__(
        self, cloud: Cloud, rng: random.Random, say: Callable[[str], None]
    ) -> None:
        self._cloud = cloud
        self._rng = rng
        self._say = say
        self._lock = threading.Lock()
        self._next = 0
        self.servers: list[str] = []
        self.notes: dict[str, str] = {}

    def live(self, number: int, clients: int, every: int) -> None:
        """Boot and delete so many instances; some stay.

        :param every: one in so many stays
        """
        stays = {i for i in range(number) if i % every == 0}
        threads = [
            threading.Thread(
                target=self._client, args=(number, stays), daemon=True
            )
            for _ in range(clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def known_to_nova(self) -> dict[str, str]:
        """Return what Nova says of those lives: uuid -> status."""
        with contextlib.closing(self._cloud.users.connection("admin")) as nova:
            return {
                server.id: server.status
                for server in nova.compute.servers(all_projects=True)
                if server.id in self.servers
            }

    def clear(self) -> None:
        """Delete what is left of them, and wait until it is gone."""
        with contextlib.closing(self._cloud.users.connection("admin")) as nova:
            for instance in self.known_to_nova():
                nova.compute.delete_server(instance, ignore_missing=True)
            with contextlib.suppress(TimeoutError):
                waiting.until(
                    lambda: not self.known_to_nova(), "all to be deleted"
                )

    def _client(self, number: int, stays: set[int]) -> None:
        nova = self._cloud.users.connection("alice")
        with contextlib.closing(nova):
            wanted = {
                "image_id": nova.image.find_image("blank").id,
                "flavor_id": nova.compute.find_flavor("tiny").id,
                "networks": [
                    {"uuid": nova.network.find_network("private").id}
                ],
            }
            deadline = time.monotonic() + LIVES_LIMIT
            while (mine := self._take()) < number:
                if time.monotonic() > deadline:
                    return
                try:
                    self._life(nova.compute, wanted, mine in stays)
                except Exception as error:
                    self._say(f"life {mine}: {type(error).__name__}: {error}")

    def _take(self) -> int:
        with self._lock:
            self._next += 1
            return self._next - 1

    def _life(self, nova: Any, wanted: dict[str, Any], stays: bool) -> None:
        name = f"{NAME}-{uuid.uuid4().hex[:8]}"
        server = nova.create_server(name=name, **wanted)
        self.servers.append(server.id)
        status = self._until(nova, server, ("ACTIVE", "ERROR"))
        if status != "ACTIVE":
            self.notes[server.id] = f"did not become ACTIVE: {status}"
            nova.delete_server(server, ignore_missing=True)
            return
        if stays:
            nova.update_server(server, name=f"{name}-renamed")
            return
        nova.delete_server(server, ignore_missing=True)
        status = self._until(nova, server, ("gone",))
        if status != "gone":
            self.notes[server.id] = f"was not deleted: {status}"

    def _until(self, nova: Any, server: Any, ends: tuple[str, ...]) -> str:
        """Wait for a status; give what it is in the end."""
        deadline = time.monotonic() + LIFE_LIMIT
        status = "unknown"
        while status not in ends and time.monotonic() < deadline:
            time.sleep(0.3)
            try:
                status = nova.get_server(server.id).status
            except openstack.exceptions.NotFoundException:
                status = "gone"
            except openstack.exceptions.SDKException as error:
                status = f"unknown, {error}"
        return status
