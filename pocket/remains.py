# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What remains when a cloud is down, and how to remove it."""

import pathlib
import shlex
import subprocess
import sys

from pocket.home import CHECKOUT


def described(home):
    """Return one line for the user of the demo."""
    tools = pathlib.Path(sys.prefix)
    by_make = home.path == CHECKOUT / ".pocket"
    folders = [home.path]
    if by_make and tools == CHECKOUT / ".venv":
        folders.append(tools)
    stay = " and ".join(f"{_size(folder)} in {folder}" for folder in folders)
    remove = (
        "`make clean`"
        if by_make
        else f"`python3 -m pocket down --purge --home"
        f" {shlex.quote(str(home.path))}`"
    )
    line = f"What remains: {stay}, which {remove} removes"
    if packages := _packages():
        line += (
            "; and Debian packages, which root removes by `apt-get purge"
            f" --auto-remove {packages}`"
        )
    return f"{line}."


def _size(folder):
    done = subprocess.run(
        ["du", "-sk", folder], capture_output=True, text=True, check=True
    )
    kibibytes = int(done.stdout.split()[0])
    return f"{max(1, round(kibibytes / 1024))} MB"


def _packages():
    """Return the Debian packages that make has installed and remain."""
    return subprocess.run(
        [CHECKOUT / "tools" / "install-packages", "--installed"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
