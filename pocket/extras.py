# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the scenarios want of a cloud beyond what the demo shows.

A second compute host, to migrate to and to lose, and a second Nova API that
deletes softly, in a region of its own, run beside the cloud for as long as
Tempest does; meanwhile the first one notes from where instances are asked
for.

python3 -m pocket.extras stop|start PART --home HOME: nova-compute of one
compute host, or the directory, as Tempest's own commands.
"""

import argparse
import contextlib
import dataclasses
import pathlib
import shlex
import sys

from pocket import directory
from pocket.home import CHECKOUT, Home
from pocket.processes import Processes
from pocket.services import services

#: Compute host -> the process that is its nova-compute.
HOSTS = {"pocket": "nova-compute", "pocket2": "nova-compute-2"}
SECOND = "pocket2"
DIRECTORY = "directory"
SOFT_API = "nova-api-soft"
SOFT_REGION = "SoftDelete"
START_SECONDS = 120

#: What doc/source/users.rst tells to put into api-paste.ini.
_FILTER = """
[filter:remote_address]
use = egg:nova-dirsvc-plugin#remote_address
"""


@contextlib.contextmanager
def running(cloud):
    """Have all of it beside a cloud that is up."""
    home, processes = cloud.home, cloud.processes
    api = _api(home)
    try:
        start(home, processes, SECOND)
        processes.stop(api.name)
        _start_api(processes, _noting(home, api))
        _start_api(processes, _soft(home, api))
        cloud.populate("more")
        yield
    finally:
        processes.stop(HOSTS[SECOND], SOFT_API, api.name)
        start(home, processes, "pocket")
        _start_api(processes, api)
        cloud.populate("less")


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


def _api(home):
    [api] = [service for service in services(home)["nova"] if service.port]
    return api


def _noting(home, api):
    """The API with the filter that notes addresses in its pipelines.

    It takes api-paste.ini from where nova.conf is (``nova.api.openstack.
    wsgi_app``), whatever its options say.
    """
    folder = home.etc / "noting"
    folder.mkdir(mode=0o700, exist_ok=True)
    paste = (home.etc / "api-paste.ini").read_text()
    paste = paste.replace(
        " keystonecontext ", " keystonecontext remote_address "
    )
    home.write(folder / "api-paste.ini", paste + _FILTER)
    home.write(folder / "nova.conf", (home.etc / "nova.conf").read_text())
    return _with(api, OS_NOVA_CONFIG_DIR=str(folder))


def _soft(home, api):
    """The API, on another port, as one that deletes softly."""
    soft = dataclasses.replace(
        api,
        name=SOFT_API,
        argv=(*api.argv[:-1], home.ports.nova_soft),
        port=home.ports.nova_soft,
    )
    return _with(soft, OS_DEFAULT__RECLAIM_INSTANCE_INTERVAL="3600")


def _with(service, **environment):
    return dataclasses.replace(
        service, environment={**service.environment, **environment}
    )


def _start_api(processes, api):
    processes.start(api.name, api.argv, api.environment)
    processes.wait(api.name, api.answers, START_SECONDS)


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
    parser.add_argument("verb", choices=["start", "stop"])
    parser.add_argument("part", choices=[*HOSTS, DIRECTORY])
    parser.add_argument("--home", type=pathlib.Path, required=True)
    args = parser.parse_args()
    home = Home(args.home)
    processes = Processes(home)
    if args.part == DIRECTORY:
        server = directory.of(home)
        verbs = {"start": server.start, "stop": server.stop}
        verbs[args.verb](home, processes)
    elif args.verb == "stop":
        processes.stop(HOSTS[args.part])
    else:
        start(home, processes, args.part)


if __name__ == "__main__":
    main()
