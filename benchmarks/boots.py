# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the directory's state costs a boot: it should be nothing.

On the running pocket cloud, one boot after the other, from the request to
ACTIVE, with the directory healthy, frozen (SIGSTOP) and absent (kill -9), in
turn, so that whatever else the machine does falls on all three.
"""

import contextlib
import random
import statistics
import time
import uuid
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from tests.faults import cloud

#: Seconds between two looks at a server that boots.
LOOK = 0.05

LIMIT = 120.0


def run(arguments: Namespace) -> None:
    """Time boots in each state, and print medians and spreads."""
    broken = cloud.Cloud()
    nova = broken.users.connection("alice")
    wanted = {
        "image_id": nova.image.find_image("blank").id,
        "flavor_id": nova.compute.find_flavor("tiny").id,
        "networks": [{"uuid": nova.network.find_network("private").id}],
    }
    seconds: dict[str, list[float]] = {
        state: [] for state in ("healthy", "frozen", "absent")
    }
    _boot(nova.compute, wanted)  # so that no state has the first
    for number in range(arguments.boots):
        for state in random.sample(list(seconds), len(seconds)):
            with _directory(broken, state):
                seconds[state].append(_boot(nova.compute, wanted))
        if (number + 1) % 5 == 0:
            print(f"{number + 1} boots of each are done", flush=True)
    for state, values in seconds.items():
        quarters = statistics.quantiles(values, n=4)
        print(
            f"directory {state:8} create to ACTIVE: median"
            f" {statistics.median(values):.2f} s, quartiles"
            f" {quarters[0]:.2f} to {quarters[2]:.2f} s,"
            f" min {min(values):.2f}, max {max(values):.2f}"
        )
    healthy = seconds.pop("healthy")
    for state, values in seconds.items():
        pairs = zip(values, healthy, strict=True)
        ratio = statistics.median(mine / its for mine, its in pairs)
        print(f"{state} to healthy, median of the ratios: {ratio:.2f}")
    print(f"{arguments.boots} boots each, in turn, one after the other")


@contextlib.contextmanager
def _directory(broken: cloud.Cloud, state: str) -> Iterator[None]:
    """Have the directory in a state for a while."""
    begin, end = {
        "healthy": (lambda: None, lambda: None),
        "frozen": (broken.freeze_directory, broken.thaw_directory),
        "absent": (broken.stop_directory, broken.start_directory),
    }[state]
    begin()
    try:
        yield
    finally:
        end()


def _boot(compute: Any, wanted: dict[str, Any]) -> float:
    """Boot a server and delete it again; give the seconds to ACTIVE."""
    started = time.perf_counter()
    server = compute.create_server(
        name=f"boots-{uuid.uuid4().hex[:8]}", **wanted
    )
    while (status := compute.get_server(server.id).status) != "ACTIVE":
        if status == "ERROR" or time.perf_counter() - started > LIMIT:
            raise SystemExit(f"{server.id} is {status}, not ACTIVE")
        time.sleep(LOOK)
    seconds = time.perf_counter() - started
    compute.delete_server(server.id)
    compute.wait_for_delete(server, wait=LIMIT)
    return seconds
