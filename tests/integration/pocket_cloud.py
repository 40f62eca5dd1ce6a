# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The pocket cloud as a test sees it: Nova as a user, entries as a reader."""

import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openstack

from pocket import directory, extras
from pocket.home import CHECKOUT, Home
from pocket.processes import Processes
from tests import waiting
from tests.integration import editors, readers


class PocketCloud:
    """A running pocket cloud.

    :param home: its state folder
    """

    def __init__(self, home: pathlib.Path) -> None:
        self._home = Home(home)

    @classmethod
    def ensure(
        cls,
        home: str | None = None,
        source: str = "hook",
        kind: str = "ldap",
    ) -> "PocketCloud":
        """Start the cloud, unless it runs; it stays when the tests end.

        :param home: by default what POCKET_HOME says, or the checkout's
        :param source: how events come to the outbox; changed if need be
        :param kind: of directory, which gets them; changed if need be
        :raises RuntimeError: with what `pocket up` says
        """
        path = pathlib.Path(home) if home else CHECKOUT / ".pocket"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pocket", "up"),
                *("--home", str(path), "--source", source),
                *("--directory", kind),
            ],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return cls(path)

    def connection(self, user: str) -> openstack.connection.Connection:
        """Connect as ``alice``, ``bob`` (both project demo) or ``admin``."""
        return openstack.connection.Connection(
            config=openstack.config.OpenStackConfig(
                config_files=[str(self._home.etc / "clouds.yaml")],
                load_envvars=False,
            ).get_one(cloud=user)
        )

    def entry(self, instance_uuid: str) -> readers.Entry | None:
        """Read an instance's entry from the directory.

        :returns: None when there is no entry
        """
        read = readers.KINDS[directory.kind(self._home)]
        return read(directory.settings(self._home), instance_uuid)

    def editor(self) -> editors.Editor:
        """Return what reads and changes all of the directory."""
        edits = editors.KINDS[directory.kind(self._home)]
        return edits(directory.of(self._home).scenario_options(self._home))

    def manage(self, verb: str, *words: str) -> tuple[int, Any, str]:
        """Run a verb of nova-dirsvc-manage on the directory.

        :returns: its exit status, its lines, what it said beside them
        """
        kind = directory.kind(self._home)
        argv = directory.manage(
            *(self._home, verb, "--directory", kind, "--format", "json"),
            *words,
        )
        done = subprocess.run(
            [str(word) for word in argv], capture_output=True, text=True
        )
        lines = json.loads(done.stdout) if done.stdout else None
        return done.returncode, lines, done.stderr

    @contextlib.contextmanager
    def events_lost(self) -> Iterator[None]:
        """Let no event come to the directory: none of this time ever does."""
        processes = Processes(self._home)
        directory.stop_sync(self._home, processes)
        try:
            yield
            extras.drop_events(self._home, processes)
        finally:
            directory.start_sync(self._home, processes)

    def wait_for_entry(self, instance_uuid: str) -> readers.Entry:
        found = waiting.until(
            lambda: self.entry(instance_uuid),
            f"the entry of instance {instance_uuid}",
        )
        assert found is not None
        return found

    def wait_for_no_entry(self, instance_uuid: str) -> None:
        waiting.until(
            lambda: self.entry(instance_uuid) is None,
            f"the removal of the entry of instance {instance_uuid}",
        )

    def logged(self, instance_uuid: str) -> list[tuple[str, dict[str, str]]]:
        """Read the log directory: (first word, dict) of each line."""
        text = (self._home.log / "nova_dirsvc_plugin.log").read_text()
        return [
            (line.split()[0], json.loads(line[line.index("{") :]))
            for line in text.splitlines()
            if instance_uuid in line
        ]

    def wait_for_lines(
        self, instance_uuid: str, number: int
    ) -> list[tuple[str, dict[str, str]]]:
        waiting.until(
            lambda: len(self.logged(instance_uuid)) >= number,
            f"{number} lines of instance {instance_uuid} in the log",
        )
        return self.logged(instance_uuid)
