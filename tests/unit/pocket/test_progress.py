# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import pathlib
import queue

import fixtures

from pocket import progress
from tests import waiting
from tests.unit import base


class ProgressTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.lines = queue.Queue()
        self.progress = progress.Progress(self.lines.put, quiet_seconds=0.05)

    def told(self):
        return self.lines.get(timeout=waiting.LIMIT)

    def told_of(self, name):
        """Pass over what was told before of other steps."""
        return waiting.until(
            lambda: line if name in (line := self.told()) else None,
            f"a line about {name}",
        )

    def test_a_line_has_the_time(self):
        self.progress.say("made")
        self.assertRegex(self.told(), r"^\[ +\d+\.\d s\] made$")

    def test_a_step_that_takes_long_is_told_of_again_and_again(self):
        with self.progress.step("install"):
            self.assertRegex(self.told(), r"\] … install \(\d+ s\)$")
            self.told()

    def test_the_last_line_of_its_log_is_told(self):
        log = pathlib.Path(self.useFixture(fixtures.TempDir()).join("log"))
        log.write_text("Resolved\n  Downloading nova\n\n")
        with self.progress.step("install", log):
            self.assertRegex(
                self.told(), r"install \(\d+ s\), Downloading nova$"
            )

    def test_all_that_is_under_way_is_told(self):
        with self.progress.step("install"), self.progress.step("deploy"):
            line = self.told_of("deploy")
            self.assertRegex(line, r"install \(\d+ s\), deploy \(\d+ s\)$")

    def test_nothing_is_told_when_no_step_is_under_way(self):
        for name in ("install", "deploy"):
            with self.progress.step(name):
                self.told_of(name)
        while not self.lines.empty():
            self.lines.get()
        self.assertRaises(queue.Empty, self.lines.get, timeout=0.3)
