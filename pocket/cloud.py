# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Take the cloud up and down: the order of things."""

import concurrent.futures
import fcntl
import json
import shutil

from pocket import checks, configuration, directory, install, stores
from pocket.errors import PocketError
from pocket.home import CHECKOUT, digest
from pocket.processes import Processes
from pocket.progress import Progress
from pocket.services import services


class Cloud:
    """One pocket cloud.

    :param say: called with each line of progress
    :param source: how notifications come to the outbox, one of
        :data:`configuration.SOURCES`; for :meth:`up`
    :param kind: what they are delivered to, one of
        :data:`directory.KINDS`; for :meth:`up`
    """

    def __init__(self, home, say, source="hook", kind="ldap"):
        self.home = home
        self._source = source
        self._kind = kind
        progress = Progress(say)
        self.say = progress.say
        self.processes = Processes(home, progress.step)

    def up(self):
        """Make it run; quick when it does already."""
        self.home.make()
        if self.home.is_elsewhere():
            self._change_ports()
        if self.is_up():
            if self._is_as_asked():
                self.say("the cloud is already running")
                return
            self.say(f"changing to the {self._source} and {self._kind}")
        checks.check(self.home, self.processes, self._kind)
        try:
            self._stop_what_changes()
            if not install.is_installed(self.home):
                self.say(f"installing OpenStack into {self.home.venv}")
                install.install(self.home, self.processes)
                self.say("the venv is ready")
            configuration.write_all(self.home, self._source, self._kind)
            self._start()
            self.home.set_done("source", self._source)
        except BaseException:
            self.processes.stop_all()
            raise

    def is_up(self):
        return (
            self.home.is_done("cloud", self._schema())
            and all(map(self.processes.is_running, self._names()))
            and directory.is_running(self.home)
        )

    def down(self, purge=False):
        """End every process of this home; *purge*: forget it."""
        if self.home.exists():
            self.processes.stop_all()
            for kind in directory.KINDS.values():
                kind.forget(self.home)
            if self.home.sockets != self.home.run:
                shutil.rmtree(self.home.sockets, ignore_errors=True)
        if purge and self.home.exists():
            shutil.rmtree(self.home.path)

    def _is_as_asked(self):
        return (
            self.home.is_done("source", self._source)
            and directory.kind(self.home) == self._kind
        )

    def _change_ports(self):
        if self.processes.members():
            raise PocketError(
                f"the cloud in {self.home.path} runs on ports from"
                f" {self.home.port_base}; first take it down: make demo-down"
            )
        self.home.make_anew()
        self.say(
            f"the cloud is made anew for ports from {self.home.port_base}"
        )

    def _stop_what_changes(self):
        if not self.home.is_done("source", self._source):
            self.processes.stop(directory.SYNC, *self._nova())
        directory.choose(self.home, self.processes, self._kind)

    def _names(self):
        return [
            "mariadb",
            "epmd",
            "rabbitmq",
            directory.SYNC,
            *(
                service.name
                for chain in services(self.home).values()
                for service in chain
            ),
        ]

    def _nova(self):
        chains = services(self.home)
        return [
            service.name
            for name in ("nova", "hosts")
            for service in chains[name]
        ]

    def _start(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            broker = pool.submit(
                stores.start_rabbitmq, self.home, self.processes
            )
            stores.start_mariadb(self.home, self.processes)
            self.say("MariaDB answers")
            chains = services(self.home)
            hosts = chains.pop("hosts")
            running = {
                name: pool.submit(self._chain, chain, broker)
                for name, chain in chains.items()
            }
            identity = pool.submit(
                self._fill, "identity", [running["keystone"]]
            )
            resources = pool.submit(
                self._fill,
                "resources",
                [
                    identity,
                    *(running[name] for name in ("glance", "neutron", "nova")),
                ],
            )
            nova = pool.submit(
                self._chain,
                hosts,
                broker,
                [identity, running["placement"], running["nova"]],
            )
            jobs = [
                broker,
                *running.values(),
                identity,
                resources,
                nova,
                pool.submit(self._directory),
            ]
            try:
                for job in concurrent.futures.as_completed(jobs):
                    job.result()
            except BaseException:
                self.processes.stop_all()  # ends what the others wait for
                raise
        self.populate("ready", self._names())
        self.say("nova answers on the message bus")
        self.home.set_done("cloud", self._schema())

    def _chain(self, chain, broker, after=()):
        """Prepare and start services one after another."""
        for job in after:
            job.result()
        for service in chain:
            self._prepare(service)
        broker.result()
        for service in chain:
            self.processes.start(
                service.name, service.argv, service.environment
            )
        for service in chain:
            if service.port:
                self.processes.wait(service.name, service.answers)
            self.say(
                f"{service.name} {'answers' if service.port else 'started'}"
            )

    def _directory(self):
        self.say(f"starting {directory.of(self.home).NAME}")
        directory.start(self.home, self.processes)
        self.say(f"{directory.of(self.home).NAME} answers")
        directory.start_sync(self.home, self.processes)

    def _prepare(self, service):
        if self.home.is_done(service.name, self._schema()):
            return
        if service.databases:
            self.say(f"making databases: {', '.join(service.databases)}")
            stores.make_databases(self.home, self.processes, service.databases)
        for argv in service.prepare:
            self.processes.call(
                service.name,
                argv,
                {
                    **service.environment,
                    "OS_BOOTSTRAP_PASSWORD": self.home.passwords.admin,
                },
            )
        self.home.set_done(service.name, self._schema())

    def _fill(self, stage, after):
        for job in after:
            job.result()
        if not self.home.is_done(stage, self._schema()):
            self.populate(stage)
            self.home.set_done(stage, self._schema())
            self.say(f"{stage} made")

    def populate(self, stage, watch=()):
        """Fill the cloud: a stage of pocket_inside.populate."""
        self.processes.call(
            "populate",
            [
                self.home.bin / "python",
                "-P",
                "-m",
                "pocket_inside.populate",
                stage,
            ],
            {"OS_CLIENT_CONFIG_FILE": str(self.home.etc / "clouds.yaml")},
            text=json.dumps(
                {
                    "ports": vars(self.home.ports),
                    "passwords": vars(self.home.passwords),
                    "nova_conf": str(self.home.etc / "nova.conf"),
                }
            ),
            watch=watch,
        )

    @staticmethod
    def _schema():
        """The databases fit these versions."""
        return digest(CHECKOUT / "constraints.txt")


class Lock:
    """One command at a time works on a home."""

    def __init__(self, home):
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = (home.path / "lock").open("w")

    def __enter__(self):
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PocketError(
                "another pocket command works on this home; "
                "wait for it or end it"
            ) from None

    def __exit__(self, *exc):
        self._file.close()
