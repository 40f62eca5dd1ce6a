# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Measure this project beside a reference, in one run on one machine.

Machines are noisy: quote the ratios and medians, not the single figures.
"""

import argparse
import importlib
import os
import platform
import sys

ROWS = (
    "hook",
    "path",
    "openldap",
    "latency",
    "listener",
    "outbox",
    "boots",
    "rest",
    "reconcile",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__
    )
    parser.add_argument(
        "row",
        nargs="*",
        help="hook: what notify() costs; path: from the outbox into the"
        " directory; openldap: the same, on OpenLDAP; latency: from Nova to"
        " ldapsearch, which needs the demo cloud up (make demo-up); listener:"
        " from RabbitMQ into the outbox; outbox: what it takes from writers,"
        " and what an outage costs; boots: boots with the directory healthy,"
        " frozen and absent, on the demo cloud; rest: from the outbox into the"
        " example REST service; reconcile: a comparison of Nova with a"
        " directory, and its repairs. Default: hook path",
    )
    parser.add_argument(
        "--events",
        type=int,
        default=10_000,
        help="events of hook, path, openldap, listener, rest and outbox's"
        " writers (%(default)s)",
    )
    parser.add_argument(
        "--boots",
        type=int,
        default=50,
        help="boots of latency, and of boots for each state (%(default)s)",
    )
    parser.add_argument(
        "--outage",
        type=int,
        default=100_000,
        help="events that outbox stores while the directory is down"
        " (%(default)s)",
    )
    parser.add_argument(
        "--instances",
        type=int,
        nargs="+",
        default=[1_000, 10_000],
        help="instances of the clouds of reconcile; 100000 takes half an hour"
        " (default: 1000 10000)",
    )
    arguments = parser.parse_args()
    chosen = arguments.row or ["hook", "path"]
    for unknown in set(chosen) - set(ROWS):
        parser.error(f"no row {unknown!r}; there are {', '.join(ROWS)}")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors,"
        f" load before: {load}"
    )
    for name in chosen:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
