# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the row reconcile measures, each time in a process of its own."""

import collections
import dataclasses
import io
import multiprocessing
import pathlib
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

import ldap
import requests
from ldap.controls import SimplePagedResultsControl

from benchmarks import figures, nova_server
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.cmd.manage import config, progress
from nova_dirsvc_plugin.cmd.manage import work as works
from nova_dirsvc_plugin.delivery import nova_check
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.nova_api import listing
from nova_dirsvc_plugin.reconcile import apply, proof
from nova_dirsvc_plugin.reconcile import plan as plans

#: The name of the directory, which its driver has, too.
LDAP = "ldap"

#: Entries of a page, as many as the driver reads.
PAGE = 1000

#: States that the driver gets at a time, as from a dispatcher.
BATCH = 128

#: Seconds for the daemon to deliver anything.
PATIENCE = 60.0

#: Instances that Nova is asked about, one by one.
QUESTIONS = 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class World:
    """A Nova and a directory.

    :ivar count: instances
    :ivar conf_files: the daemon's
    :ivar ldap_url: with StartTLS, as the account ``bind_dn``
    """

    count: int
    conf_files: Sequence[str]
    nova_url: str
    owner: str
    ldap_url: str
    ca_file: str
    bind_dn: str
    password: str
    tree: str


@dataclasses.dataclass(frozen=True)
class Figures:
    """What a job took.

    :ivar cpu: seconds of its process, with all threads
    :ivar peak: MiB of its process
    :ivar numbers: whatever the job counts or measures itself
    """

    wall: float
    cpu: float
    peak: float
    numbers: Mapping[str, float]


Job = Callable[[World], Mapping[str, float]]


def measure(job: Job, world: World) -> Figures:
    """Do a job in a new process, and measure it without its imports."""
    spawning = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(1, mp_context=spawning) as pool:
        return pool.submit(_measured, job, world).result()


def _measured(job: Job, world: World) -> Figures:
    wall, cpu = time.perf_counter(), time.process_time()
    numbers = job(world)
    return Figures(
        time.perf_counter() - wall,
        time.process_time() - cpu,
        figures.peak_mebibytes(),
        numbers,
    )


# -- the references ----------------------------------------------------------


def list_plainly(world: World) -> Mapping[str, float]:
    """Read Nova's list: GET, page by page, and JSON."""
    count = 0
    query = {"all_tenants": "1", "soft_deleted": "1"}
    query["limit"] = str(listing.PAGE)
    headers = {"OpenStack-API-Version": "compute 2.90"}
    with requests.Session() as session:
        while servers := session.get(
            f"{world.nova_url}/servers/detail", params=query, headers=headers
        ).json()["servers"]:
            count += len(servers)
            query["marker"] = servers[-1]["id"]
    return {"instances": count}


def read_plainly(world: World) -> Mapping[str, float]:
    """Read the directory's entries, page by page, with python-ldap."""
    connection: Any = ldap.initialize(world.ldap_url)
    connection.set_option(ldap.OPT_X_TLS_CACERTFILE, world.ca_file)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    connection.start_tls_s()
    connection.simple_bind_s(world.bind_dn, world.password)
    page = SimplePagedResultsControl(True, PAGE, "")
    count = 0
    while True:
        _, found, _, (page,) = connection.result3(
            connection.search_ext(
                world.tree,
                ldap.SCOPE_SUBTREE,
                f"(&(objectClass=novaInstance)(novaOwnerMark={world.owner}))",
                serverctrls=[
                    SimplePagedResultsControl(True, PAGE, page.cookie)
                ],
            )
        )
        count += len(found)
        if not page.cookie:
            return {"entries": count}


# -- this project ------------------------------------------------------------


def reconcile(world: World) -> Mapping[str, float]:
    """Compare, prove, ask the guard, store, and wait for the daemon."""
    work = _work(world)
    watch = _Watch()
    plan = _plan(work, watch)
    applier = work.applier(PATIENCE)
    stops = applier.check(plan)
    if stops:
        raise RuntimeError(f"nothing was measured: {stops}")
    applied = applier.apply(plan, "reconcile")
    if applied.left or applied.waiting:
        raise RuntimeError(f"nothing was measured: {applied}")
    watch.note("repairing")
    kinds = {str(kind): plan.counts[kind] for kind in plans.Kind}
    return watch.seconds | kinds | {"stored": applied.stored}


def fill(world: World) -> Mapping[str, float]:
    """Add what is missing, without an outbox: that is what row path is."""
    work = _work(world)
    watch = _Watch()
    plan = _plan(work, watch)
    states = (item.state for item in plan.writes() if item.state)
    for some in apply.portions(states, BATCH):
        for outcome in work.directories[LDAP].apply(some):
            if not isinstance(outcome, base.Done):
                raise RuntimeError(f"nothing was measured: {outcome}")
    watch.note("adding")
    kinds = {str(kind): plan.counts[kind] for kind in plans.Kind}
    return watch.seconds | kinds


def prove(world: World) -> Mapping[str, float]:
    """Ask Nova about instances that it does not have, as for removals."""
    gone = range(world.count, world.count + QUESTIONS)
    return _ask(world, gone, proof.AT_A_TIME, lambda state: state.final)


def ask_late(world: World) -> Mapping[str, float]:
    """Ask Nova about instances that live, as for late events."""
    there = range(min(world.count, QUESTIONS))
    return _ask(
        world, there, nova_check.BATCH, lambda state: not state.verb.removes
    )


def _ask(
    world: World,
    numbers: Sequence[int],
    at_a_time: int,
    is_right: Callable[[events.HostState], bool],
) -> Mapping[str, float]:
    nova = _work(world).nova
    started = time.perf_counter()
    for some in apply.portions(map(nova_server.uuid_of, numbers), at_a_time):
        for answer in nova.ask(some).values():
            if not isinstance(answer, events.HostState) or not is_right(
                answer
            ):
                raise RuntimeError(f"nothing was measured: {answer}")
    seconds = time.perf_counter() - started
    return {"rate": len(numbers) / seconds}


def _work(world: World) -> works.Work:
    given = Namespace(config_file=world.conf_files, config_dir=[])
    conf = config.configured(given)
    path = pathlib.Path(conf.nova_dirsvc.outbox)
    return works.load(conf, [LDAP], path, progress.Progress(io.StringIO()))


def _plan(work: works.Work, watch: "_Watch") -> plans.Plan:
    reading = work.reconciler.read(keep=False)
    watch.note("reading Nova")
    if not reading.summary.whole:
        raise RuntimeError(f"nothing was measured: {reading.summary}")
    plan = work.reconciler.plan(
        LDAP, work.directories[LDAP], reading, plans.Policy.SYNC
    )
    watch.note("comparing")
    return plan


class _Watch:
    """Seconds of parts that follow each other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = collections.defaultdict(float)
        self._noted_at = time.perf_counter()

    def note(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] += now - self._noted_at
        self._noted_at = now
