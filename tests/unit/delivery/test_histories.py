# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to ten thousand instances, all end as Nova says."""

import logging
import os
import pathlib
import random
import shutil
import tempfile

import fixtures

from nova_dirsvc_plugin import outbox
from tests.unit import base
from tests.unit.delivery import histories

#: Instances of one world, whose events are delivered side by side.
TOGETHER = 100

COUNT = int(os.environ.get("HISTORIES_COUNT", "10000"))
SEED = os.environ.get("HISTORIES_SEED", "1")


class HistoriesTest(base.TestCase):
    def setUp(self):
        super().setUp()
        # More than a test's report can carry.
        self.useFixture(fixtures.FakeLogger(level=logging.CRITICAL))
        self.template = self.folder / "empty.db"
        empty = outbox.Outbox(self.template)
        empty.check_writable()
        empty.close()

    def test_all_end_as_nova_says(self):
        self.repairs = 0
        for first in range(0, COUNT, TOGETHER):
            self.assertEqual(
                {},
                self.play(f"{SEED}/{first}", min(TOGETHER, COUNT - first)),
                f"HISTORIES_SEED={SEED}, of the histories {first} and on",
            )
        self.assertGreater(self.repairs, COUNT // 10)

    def play(self, seed, count):
        """Play one world; return what is wrong in the end."""
        with tempfile.TemporaryDirectory(dir=histories.fast_folder()) as name:
            folder = pathlib.Path(name)
            for box in ("0.db", "1.db"):
                shutil.copy(self.template, folder / box)
            world = histories.World(random.Random(seed), folder, count)
            try:
                world.play()
                self.repairs += world.repairing.stored
                return world.wrong()
            finally:
                world.close()
