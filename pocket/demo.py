# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An instance's life, seen in Nova and in the directory: real output only."""

import json
import re
import subprocess
import time

from pocket import directory
from pocket.errors import PocketError

LIMIT_SECONDS = 30
#: What the log says of an instance that is registered.
KEYS = {
    "image_uuid",
    "instance_uuid",
    "mac_address",
    "project_name",
    "user_name",
    "user_remote_address",
}


def run(home, processes, say):
    """Boot, look, delete, look.

    :raises PocketError: the entry is missing, or stays, or says too little
    """

    def show(command):
        say(f"\n$ {command}")
        with processes.step("that command"):
            done = _shell(home, processes, command)
        say(done.stdout.rstrip())
        if done.returncode:
            raise PocketError(
                f"`{command}` ended with {done.returncode}: "
                f"{done.stderr.strip()}"
            )
        return done.stdout

    say(f"\n$ . {home.openrc}")
    made = show(
        "openstack server create --wait --image blank --flavor tiny "
        "--network private demo -c id -c name -c status -c addresses"
    )
    uuid = re.search(r"\| id +\| (\S+)", made)[1]
    reader = directory.of(home)
    search = reader.search_command(home, uuid)

    def appears():
        return reader.shows_entry(_search(home, processes, search))

    _wait(appears, f"the entry of instance {uuid} is not in the directory")
    show(search)
    show(f"openstack server delete --wait {uuid}")
    _wait(
        lambda: not appears(),
        f"the entry of instance {uuid} is still in the directory",
    )
    if not show(search):
        say("(no entry)")
    log = home.log / "nova_dirsvc_plugin.log"
    _wait(
        lambda: log.exists() and log.read_text().count(uuid) > 1,
        f"{log} does not have both lines of instance {uuid}",
    )
    check_keys(show(f"grep {uuid} {log}").splitlines()[0])


def check_keys(line):
    """Look whether the line of a new instance has the six keys, all filled.

    :raises PocketError: one is missing, empty or none of them
    """
    entry = json.loads(line[line.index("{") :])
    for key in sorted(KEYS | entry.keys()):
        if key not in KEYS:
            raise PocketError(f"the log's line has a key too many: {key}")
        if not entry.get(key):
            raise PocketError(f"the log's line has nothing for {key}")


def _search(home, processes, command):
    done = _shell(home, processes, command)
    if done.returncode:
        raise PocketError(
            f"`{command}` ended with {done.returncode}: {done.stderr.strip()}"
        )
    return done.stdout


def _shell(home, processes, command):
    """Run a command as alice would in her shell."""
    return subprocess.run(
        ["sh", "-c", f'. "$0"; {command}', home.openrc],
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=processes.environment(),
    )


def _wait(is_so, complaint):
    end = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise PocketError(f"{complaint} after {LIMIT_SECONDS} s")
        time.sleep(0.1)
