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

    def line(self):
        return self.lines.get(timeout=waiting.LIMIT)

    def line_about(self, name):
        """Return the next line about a step; skip those about others."""
        return waiting.until(
            lambda: line if name in (line := self.line()) else None,
            f"a line about {name}",
        )

    def test_a_line_has_the_time(self):
        self.progress.say("made")
        self.assertRegex(self.line(), r"^\[ +\d+\.\d s\] made$")

    def test_a_long_step_is_reported_again_and_again(self):
        with self.progress.step("install"):
            self.assertRegex(self.line(), r"\] … install \(\d+ s\)$")
            self.line()

    def test_the_last_line_of_its_log_is_reported(self):
        log = pathlib.Path(self.useFixture(fixtures.TempDir()).join("log"))
        log.write_text("Resolved\n  Downloading nova\n\n")
        with self.progress.step("install", log):
            self.assertRegex(
                self.line(), r"install \(\d+ s\), Downloading nova$"
            )

    def test_all_steps_in_progress_are_reported(self):
        with self.progress.step("install"), self.progress.step("deploy"):
            line = self.line_about("deploy")
            self.assertRegex(line, r"install \(\d+ s\), deploy \(\d+ s\)$")

    def test_nothing_is_reported_without_a_step_in_progress(self):
        for name in ("install", "deploy"):
            with self.progress.step(name):
                self.line_about(name)
        while not self.lines.empty():
            self.lines.get()
        self.assertRaises(queue.Empty, self.lines.get, timeout=0.3)
