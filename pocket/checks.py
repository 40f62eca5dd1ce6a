# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is looked at before anything is made: one clear line, not a crash."""

import os
import pathlib
import shutil

from pocket import directory, install, rabbitmq, stores
from pocket.errors import PocketError
from pocket.home import PORT_NAMES
from pocket.processes import program

GIB = 1 << 30
DISK_FIRST, DISK_LATER = 2 * GIB, GIB // 2
MEMORY = 2 * GIB


def check(home, processes, kind):
    """:raises PocketError: for what would fail later and less clearly"""
    _check_packages(kind)
    strangers = [
        str(port)
        for name in PORT_NAMES
        if stores.listens(port := getattr(home.ports, name))
    ]
    if strangers and not processes.members():
        raise PocketError(
            f"port {', '.join(strangers)} of 127.0.0.1 is in use; free it, "
            f"or choose others: make demo PORT_BASE={home.port_base + 1000}, "
            "or --port-base"
        )
    needed = DISK_LATER if install.is_installed(home) else DISK_FIRST
    free = shutil.disk_usage(home.path).free
    if free < needed:
        raise PocketError(
            f"{home.path} has {free / GIB:.1f} GiB free, "
            f"{needed / GIB:.1f} are needed; choose another --home"
        )
    memory = _available_memory()
    if memory < MEMORY and not processes.members():
        raise PocketError(
            f"{memory / GIB:.1f} GiB of memory are "
            f"available, {MEMORY / GIB:.0f} are needed"
        )


def _check_packages(kind):
    """:raises PocketError: naming the Debian packages that are missing"""
    needed = {
        "mariadb-client-core": program("mariadb"),
        "mariadb-server-core": stores.MARIADB.exists(),
        "rabbitmq-server": rabbitmq.PROGRAMS.exists(),
        **directory.KINDS[kind].packages(),
    }
    if missing := [name for name, found in needed.items() if not found]:
        raise PocketError(
            "missing Debian packages; run: apt-get install "
            "--no-install-recommends " + " ".join(missing)
        )


def _available_memory():
    """Bytes that can be had without swapping (proc(5), meminfo)."""
    with pathlib.Path("/proc/meminfo").open() as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
