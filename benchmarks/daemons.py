# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon, as a process of its own."""

import pathlib
import subprocess
import sys

from tests import waiting

PROGRAM = pathlib.Path(sys.executable).with_name("nova-dirsvc-sync")

#: Seconds until it must deliver; an outbox may be full.
LIMIT = 600.0


def start(
    folder: pathlib.Path, options: str, *conf_files: pathlib.Path
) -> "subprocess.Popen[bytes]":
    """Start the daemon, and wait until it delivers.

    :param folder: of its log and its own file, ``sync.conf``
    :param options: of that file, which comes last
    """
    own = folder / "sync.conf"
    own.write_text(options)
    log = folder / "sync.log"
    with log.open("wb") as said:
        daemon = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "TERM", "--"),
                PROGRAM,
                *(f"--config-file={one}" for one in (*conf_files, own)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    waiting.until(lambda: "Delivering" in log.read_text(), "the daemon", LIMIT)
    return daemon
