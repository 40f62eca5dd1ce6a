# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Ansible's programs, on this machine and with nothing of its user's."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

from tests.zuul import layout

BIN = pathlib.Path(sys.executable).parent
LIMIT = 300  # seconds


def run(
    *command: str, home: pathlib.Path, path: str = os.defpath
) -> subprocess.CompletedProcess[str]:
    """Run a program from the folder of this Python.

    :param home: a folder of the test's own
    :param path: where programs find programs
    """
    configuration = home / "ansible.cfg"
    configuration.touch()
    return subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=layout.ROOT,
        env={
            "ANSIBLE_CONFIG": str(configuration),
            # facts take seconds, and none is asked for
            "ANSIBLE_GATHERING": "explicit",
            "ANSIBLE_HOME": str(home),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_ROLES_PATH": "roles",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{BIN}:{path}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def play(
    playbook: str, variables: dict[str, Any], home: pathlib.Path, path: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook of ours on this machine, as whoever runs the test."""
    given = {
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        **variables,
    }
    return run(
        "ansible-playbook",
        *("--inventory", "localhost,", "--connection", "local"),
        *("--extra-vars", json.dumps(given)),
        playbook,
        home=home,
        path=path,
    )
