# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A real cloud and a directory that has drifted: one reconcile mends it.

RECONCILE_INSTANCES says how many instances there are (12). After a large
number, a smaller one wants a cloud of its own: a reading with less than half
of the instances is not whole.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import threading
import unittest
from collections.abc import Mapping, Sequence
from typing import Any

from tests import waiting
from tests.integration import instances, pocket_cloud

COUNT = int(os.environ.get("RECONCILE_INSTANCES", "12"))

#: Instances of each kind of drift.
PART = COUNT // 6

#: Who boot and delete at the same time.
CLIENTS = 2

#: Of the pocket cloud's own options.
OWNER = "pocket"

#: Exit statuses of audit and reconcile.
NOTHING, DRIFT, REPAIRED = 0, 3, 4


@dataclasses.dataclass(frozen=True)
class Drift:
    """What was done while no event came.

    :ivar found: instance -> what an audit has to find of it
    :ivar foreign: the entries that are of nobody here, whole
    """

    found: Mapping[str, str]
    foreign: Mapping[str, Any]


class TestReconcile(unittest.TestCase):
    """The directory is a 389 DS."""

    kind = "ldap"
    cloud: pocket_cloud.PocketCloud
    instances: instances.Instances

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.cloud = pocket_cloud.PocketCloud.ensure(
            os.environ.get("POCKET_HOME"), kind=cls.kind
        )
        cls.editor = cls.cloud.editor()
        cls.instances = instances.Instances(cls.cloud)
        cls.addClassCleanup(cls.instances.close)
        cls.addClassCleanup(cls.instances.clear)
        cls.instances.clear()
        cls.instances.allow_any_number()
        for key in cls.instances.boot(COUNT):
            cls.cloud.wait_for_entry(key)
        # What tests that killed parts of the cloud may have left.
        status, _, said = cls.cloud.manage("reconcile", "--policy", "sync")
        if status not in (NOTHING, REPAIRED):
            raise AssertionError(f"reconcile ended with {status}: {said}")

    def run_verb(self, status: int, verb: str, *words: str) -> Any:
        """Run a verb; see how it ends, and give its lines."""
        ended, lines, said = self.cloud.manage(verb, *words)
        self.assertEqual(status, ended, f"{said}\n{lines}")
        return lines

    def reconcile(self, status: int) -> Any:
        [line] = self.run_verb(status, "reconcile", "--policy", "sync")
        return line

    def audit(self, status: int) -> dict[str, str]:
        """Return instance -> what was found."""
        return {
            line["Instance"]: line["Found"]
            for line in self.run_verb(status, "audit")
        }

    def drift(self) -> Drift:
        """Let Nova, Neutron and directory part, and no event tell it."""
        kept = [server.id for server in self.instances.servers()]
        taken, *gone = [kept.pop() for _ in range(PART + 1)]
        lost, changed, moved = (
            kept[part * PART : (part + 1) * PART] for part in range(3)
        )
        with self.cloud.events_lost():
            booted = self.instances.boot(PART + 1)
            self.instances.delete([taken, *gone])
            self.instances.move(moved)
            self.editor.give(taken, "another")
            self.editor.remove(*map(self.editor.key, lost))
            for key in changed:
                self.editor.change(key)
            foreign = [
                self.editor.key(taken),
                self.editor.add_unmarked(),
                self.editor.add_unmarked(),
                *(self.editor.copy(key, "second") for key in moved),
            ]
            self.addCleanup(self.editor.remove, *foreign)
        return Drift(
            dict.fromkeys(gone, "removal")
            | dict.fromkeys([*lost, *booted], "missing")
            | dict.fromkeys([*changed, *moved], "differing"),
            self.of(foreign),
        )

    def of(self, keys: Sequence[str]) -> dict[str, Any]:
        """Read the whole entries of some keys."""
        everything = self.editor.everything()
        return {key: everything[key] for key in keys}

    def differences(self) -> dict[str, Any]:
        """Return what is not as Nova says: instance -> (wanted, found)."""
        wanted: dict[str, Any] = self.instances.wanted()
        owned = {
            key for key, one in self.editor.owners().items() if one == OWNER
        }
        told = dict.fromkeys(owned - wanted.keys(), (None, "an entry"))
        for key, entry in wanted.items():
            found = self.cloud.entry(key) or {}
            found = {name: found.get(name) for name in entry}
            if found != entry:
                told[key] = (entry, found)
        return told

    def assert_found(self, drift: Drift) -> None:
        """All that has drifted is seen, and nothing else."""
        self.assertEqual({*drift.found}, {*self.differences()})
        self.assertEqual(drift.found, self.audit(DRIFT))

    def assert_mended(self, drift: Drift) -> None:
        """All is as Nova says, nothing foreign was touched, no more to do."""
        self.assertEqual({}, self.differences())
        self.assertEqual({}, self.audit(NOTHING))
        self.assertEqual(drift.foreign, self.of([*drift.foreign]))
        before = self.editor.everything()
        self.assertEqual(0, self.reconcile(NOTHING)["Stored"])
        self.assertEqual(before, self.editor.everything())

    def test_one_reconcile_mends_all_and_touches_nothing_else(self) -> None:
        drift = self.drift()
        self.assert_found(drift)
        line = self.reconcile(REPAIRED)
        self.assertEqual(
            [len(drift.found), 0, 0],
            [line[name] for name in ("Stored", "Left", "Waiting")],
        )
        self.assert_mended(drift)

    def test_so_it_does_while_instances_are_booted_and_deleted(self) -> None:
        drift = self.drift()
        self.assert_found(drift)
        ends = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self.live, ends) for _ in range(CLIENTS)]
            try:
                self.reconcile(REPAIRED)
            finally:
                ends.set()
        for client in clients:
            self.assertGreater(client.result(), 0)
        waiting.until(
            lambda: not self.differences(), "what was booted and deleted"
        )
        self.assert_mended(drift)

    def live(self, ends: threading.Event) -> int:
        """Boot two and delete one of them, again and again.

        :param ends: when this is enough
        :returns: how often
        """
        own, lives = instances.Instances(self.cloud), 0
        with contextlib.closing(own):
            while not ends.is_set():
                own.delete(own.boot(2)[:1])
                lives += 1
        return lives


# The name of this comes first, so that the cloud is left as it is by default.


class TestInARestService(TestReconcile):
    """The directory is the service of examples/rest."""

    kind = "rest"
