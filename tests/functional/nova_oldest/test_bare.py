# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The bare package in the Python of the oldest Nova that is supported.

tox installs it there with that release's constraints, so that this module
runs at all says that they allow it. The hook itself is tried in the same
place by modules of ``tests.functional.nova_in_process``.
"""

import pathlib
import subprocess
import sys
import unittest
from importlib import metadata

from packaging import requirements, utils

CONSTRAINTS = pathlib.Path(__file__).with_name("constraints.txt")


def pins() -> dict[str, str]:
    """Return each package's release by its name, as the file says."""
    lines = CONSTRAINTS.read_text().splitlines()
    found = {}
    for line in lines:
        if not line.startswith("#"):
            name, _, release = line.partition("==")
            found[utils.canonicalize_name(name)] = release
    return found


class BareTest(unittest.TestCase):
    def test_nova_stands_on_the_libraries_of_its_own_time(self) -> None:
        installed = {
            utils.canonicalize_name(found.name): found.version
            for found in metadata.distributions()
        }
        del installed["nova-dirsvc-plugin"]
        self.assertIn("nova", installed)
        self.assertLessEqual(installed.items(), pins().items())

    def test_it_requires_what_nova_itself_requires(self) -> None:
        needed = set()
        waiting = ["nova"]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += required(name)
        self.assertLessEqual(required("nova-dirsvc-plugin"), needed)

    def test_the_programs_say_that_their_libraries_are_missing(self) -> None:
        for name in ("nova-dirsvc-sync", "nova-dirsvc-manage"):
            ended = subprocess.run(
                [pathlib.Path(sys.executable).with_name(name), "--version"],
                capture_output=True,
                text=True,
                check=False,
            )
            self.assertEqual((2, ""), (ended.returncode, ended.stdout))
            self.assertRegex(
                ended.stderr, rf"\A{name}: .*nova-dirsvc-plugin\[sync\].*\n\Z"
            )


def required(distribution: str) -> set[str]:
    """Return the names of what a distribution requires here, by no extra."""
    found = set()
    for line in metadata.requires(distribution) or ():
        wanted = requirements.Requirement(line)
        if not wanted.marker or wanted.marker.evaluate({"extra": ""}):
            found.add(utils.canonicalize_name(wanted.name))
    return found
