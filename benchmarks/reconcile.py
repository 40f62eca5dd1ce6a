# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A reconciliation, beside plain readings of the same two services.

Nova's API is a server of its own process, the directory a real 389 DS. In
rounds, one after the other, each in a new process: Nova's list, read plainly;
the directory's entries, read plainly; a reconciliation that finds nothing;
and one after a hundredth of the entries has drifted, until all is repaired.
"""

import collections
import contextlib
import os
import pathlib
import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

import ldap

from benchmarks import daemons, nova_server, path, reconcile_jobs
from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.directories.ldap import entry
from tests.functional import directory389

ROUNDS = 5

#: Instances from which on there are fewer rounds.
MANY = 50_000
FEWER_ROUNDS = 3

#: One of so many entries is removed; so many are changed, and so many are of
#: instances that Nova does not have: together one of a hundred.
DRIFT = 300

#: Not the default: with that nothing is removed.
OWNER = "measured-cloud"

LIST = "Nova's list, plain"
READ = "directory, plain"
SAME = "without drift"
DRIFTED = "1 % drift"

Results = dict[str, list[reconcile_jobs.Figures]]


def run(arguments: Namespace) -> None:
    """Reconcile clouds of several sizes; print times and ratios."""
    with (
        directory389.Directory389() as server,
        tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder,
    ):
        manager: Any = server.connect_as_manager()
        _set_owner(manager, server.suffix)
        for count in sorted(arguments.instances):
            with _world(server, pathlib.Path(folder), count) as world:
                _measure(manager, world)


@contextlib.contextmanager
def _world(
    server: directory389.Directory389, folder: pathlib.Path, count: int
) -> Iterator[reconcile_jobs.World]:
    """Have a Nova of that many instances, and a daemon that delivers."""
    own = pathlib.Path(tempfile.mkdtemp(dir=folder))
    box = outbox.Outbox(own / "outbox.db")
    box.check_writable()
    with nova_server.serve(count) as nova:
        account = "\n".join(
            f"{key} = {value}" for key, value in nova.options.items()
        )
        daemon = daemons.start(
            own,
            f"[nova_dirsvc]\noutbox = {box.path}\nowner = {OWNER}\n"
            f"[nova]\n{account}\n",
            server.conf_file,
        )
        try:
            yield reconcile_jobs.World(
                count=count,
                conf_files=[str(server.conf_file), str(own / "sync.conf")],
                nova_url=nova.url,
                owner=OWNER,
                ldap_url=server.url,
                ca_file=str(server.ca_file),
                bind_dn=server.bind_dn,
                password=server.password,
                tree=server.hosts_tree_dn,
            )
        finally:
            daemon.terminate()
            daemon.wait(60)


def _measure(manager: Any, world: reconcile_jobs.World) -> None:
    first = reconcile_jobs.measure(reconcile_jobs.fill, world)
    print(
        f"{world.count} instances, {first.numbers['missing']:.0f} of them"
        f" without an entry: first comparison"
        f" {first.numbers['reading Nova'] + first.numbers['comparing']:.1f} s,"
        f" {first.peak:.0f} MiB"
    )
    results: Results = collections.defaultdict(list)
    rates = collections.defaultdict[str, list[float]](list)
    rounds = ROUNDS if world.count < MANY else FEWER_ROUNDS
    for number in range(rounds):
        _round(manager, world, number, results)
        for name, job in (
            ("proofs of removals", reconcile_jobs.prove),
            ("questions about late events", reconcile_jobs.ask_late),
        ):
            done = reconcile_jobs.measure(job, world)
            rates[name].append(done.numbers["rate"])
        load = os.getloadavg()[0]
        print(f"round {number + 1} of {rounds}, load {load:.1f}", flush=True)
    _report(world.count, results)
    for name, values in rates.items():
        print(
            f"{name}: median {statistics.median(values):.0f}/s"
            f"  (min {min(values):.0f}, max {max(values):.0f})"
        )


def _round(
    manager: Any, world: reconcile_jobs.World, number: int, results: Results
) -> None:
    """Measure each once, and see that it has found what there is."""
    listed = reconcile_jobs.measure(reconcile_jobs.list_plainly, world)
    read = reconcile_jobs.measure(reconcile_jobs.read_plainly, world)
    same = reconcile_jobs.measure(reconcile_jobs.reconcile, world)
    drift = _drift(manager, world, number)
    drifted = reconcile_jobs.measure(reconcile_jobs.reconcile, world)
    found = (
        listed.numbers["instances"],
        read.numbers["entries"],
        same.numbers["stored"],
        *(drifted.numbers[one] for one in ("missing", "differing", "removal")),
        drifted.numbers["stored"],
    )
    expected = (world.count, world.count, 0, *3 * (drift,), 3 * drift)
    if found != expected:
        raise RuntimeError(f"nothing was measured: {found}, not {expected}")
    results[LIST].append(listed)
    results[READ].append(read)
    results[SAME].append(same)
    results[DRIFTED].append(drifted)


def _report(count: int, results: Results) -> None:
    print(f"{'':20} {'wall, s':>24} {'CPU, s':>8} {'peak':>8}")
    for name, some in results.items():
        wall = [one.wall for one in some]
        print(
            f"{name:20} {statistics.median(wall):8.2f}"
            f" ({min(wall):6.2f} -{max(wall):6.2f})"
            f" {statistics.median(one.cpu for one in some):8.2f}"
            f" {max(one.peak for one in some):4.0f} MiB"
        )
    for name in (SAME, DRIFTED):
        trios = list(
            zip(results[name], results[LIST], results[READ], strict=True)
        )
        wall = statistics.median(
            mine.wall / (one.wall + other.wall) for mine, one, other in trios
        )
        cpu = statistics.median(
            mine.cpu / (one.cpu + other.cpu) for mine, one, other in trios
        )
        print(f"{name}: {wall:.2f} of both readings, {cpu:.2f} of their CPU")
        print(f"{name}: {_parts(results[name])}")
    for name in (SAME, DRIFTED):
        per_thousand = statistics.median(
            1000 * one.wall / count for one in results[name]
        )
        print(f"{name}: {per_thousand:.3f} s for 1000 instances")


def _parts(some: Sequence[reconcile_jobs.Figures]) -> str:
    return ", ".join(
        f"{part} {statistics.median(one.numbers[part] for one in some):.2f} s"
        for part in ("reading Nova", "comparing", "repairing")
    )


# -- the directory -----------------------------------------------------------


def _set_owner(manager: Any, suffix: str) -> None:
    """Let the account write the entries of another owner mark."""
    for dn, found in manager.search_s(
        suffix, ldap.SCOPE_SUBTREE, "(aci=*)", ["aci"]
    ):
        rules = [
            rule.replace(
                f"(novaOwnerMark={directory389.OWNER})".encode(),
                f"(novaOwnerMark={OWNER})".encode(),
            )
            for rule in found["aci"]
        ]
        manager.modify_s(dn, [(ldap.MOD_REPLACE, "aci", rules)])


def _drift(manager: Any, world: reconcile_jobs.World, number: int) -> int:
    """Remove, change and add some entries; return how many of each."""
    some = range(3 * number, world.count, DRIFT)
    for one in some:
        for offset, change in (
            (0, manager.delete_s),
            (1, lambda dn: manager.modify_s(dn, _ELSEWHERE)),
        ):
            place = (one + offset) % world.count
            change(entry.dn(nova_server.uuid_of(place), world.tree))
        ghost = path.record(one)
        manager.add_s(
            entry.dn(ghost.instance_uuid, world.tree),
            list(entry.attributes(ghost, OWNER, 0.0).items()),
        )
    return len(some)


_ELSEWHERE = [(ldap.MOD_REPLACE, "novaComputeHost", [b"elsewhere"])]
