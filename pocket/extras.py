# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the scenarios want of a cloud beyond what the demo shows.

A second compute host, to migrate to and to lose, and a second Nova API that
deletes softly, in a region of its own, run beside the cloud for as long as
Tempest does.

python3 -m pocket.extras stop|start PART --home HOME: nova-compute of one
compute host, the directory or the daemon, as Tempest's own commands; drop
events: those that wait for the daemon.
"""

import argparse
import contextlib
import dataclasses
import functools
import pathlib
import shlex
import sys

from pocket import configuration, directory, stores
from pocket.home import CHECKOUT, Home
from pocket.processes import Processes
from pocket.services import services

#: Compute host -> the process that is its nova-compute.
HOSTS = {"pocket": "nova-compute", "pocket2": "nova-compute-2"}
SECOND = "pocket2"
DIRECTORY = "directory"
DAEMON = "daemon"
EVENTS = "events"
DROP = CHECKOUT / "devstack" / "drop_events.py"
SOFT_API = "nova-api-soft"
SOFT_REGION = "SoftDelete"


@contextlib.contextmanager
def running(cloud):
    """Have all of it beside a cloud that is up."""
    home, processes = cloud.home, cloud.processes
    try:
        start(home, processes, SECOND)
        _start_soft_api(home, processes)
        cloud.populate("more")
        yield
    finally:
        # Nova's API asks a compute host that it disables, and waits a minute
        # for one that has just stopped.
        for host in HOSTS:
            start(home, processes, host)
        cloud.populate("less")
        processes.stop(HOSTS[SECOND], SOFT_API)
        directory.start_sync(home, processes)


def start(home, processes, host):
    """Start nova-compute of a host, unless it runs."""
    name = HOSTS[host]
    [first] = [
        service
        for service in services(home)["hosts"]
        if service.name == HOSTS["pocket"]
    ]
    environment = dict(first.environment)
    if host == SECOND:
        state = home.path / "state" / SECOND
        state.mkdir(mode=0o700, exist_ok=True)
        # oslo.config reads it: OS_<group>__<option>
        environment["OS_DEFAULT__HOST"] = host
        environment["OS_DEFAULT__STATE_PATH"] = str(state)
    processes.start(name, first.argv, environment)


def stop(_home, processes, host):
    """Stop nova-compute of a host."""
    processes.stop(HOSTS[host])


def _start_soft_api(home, processes):
    """Start Nova's API, on another port, as one that deletes softly."""
    [api] = [service for service in services(home)["nova"] if service.port]
    soft = dataclasses.replace(
        api,
        name=SOFT_API,
        argv=(*api.argv[:-1], home.ports.nova_soft),
        environment={
            **api.environment,
            "OS_DEFAULT__RECLAIM_INSTANCE_INTERVAL": "3600",
        },
        port=home.ports.nova_soft,
    )
    processes.start(soft.name, soft.argv, soft.environment)
    processes.wait(soft.name, soft.answers)


def drop_events(home, processes):
    """Drop what waits for the daemon, which does not run."""
    if home.done_with("source") == "listener":
        stores.empty_queue(
            home,
            processes,
            configuration.VIRTUAL_HOST,
            f"{configuration.TOPIC}.info",
        )
    else:
        processes.call("events", [sys.executable, DROP, home.outbox])


def command(home, verb, part="{host}"):
    """A command line for Tempest, which puts a host for ``{host}``."""
    words = [
        "env",
        f"PYTHONPATH={CHECKOUT}",
        sys.executable,
        "-m",
        "pocket.extras",
        verb,
        "--home",
        str(home.path),
    ]
    return f"{shlex.join(words)} {part}"


def main():
    parser = argparse.ArgumentParser(prog="python3 -m pocket.extras")
    parser.add_argument("verb", choices=["start", "stop", "drop"])
    parser.add_argument("part", choices=[*HOSTS, DIRECTORY, DAEMON, EVENTS])
    parser.add_argument("--home", type=pathlib.Path, required=True)
    args = parser.parse_args()
    home = Home(args.home)
    try:
        act = _actions(home)[args.verb, args.part]
    except KeyError:
        parser.error(f"there is no {args.verb} of {args.part}")
    act(home, Processes(home))


def _actions(home):
    """What can be done: verb and part -> function of home and processes."""
    server = directory.of(home)
    return {
        ("start", DIRECTORY): server.start,
        ("stop", DIRECTORY): server.stop,
        ("start", DAEMON): directory.start_sync,
        ("stop", DAEMON): directory.stop_sync,
        ("drop", EVENTS): drop_events,
        **{
            (verb, host): functools.partial(function, host=host)
            for verb, function in (("start", start), ("stop", stop))
            for host in HOSTS
        },
    }


if __name__ == "__main__":
    main()
