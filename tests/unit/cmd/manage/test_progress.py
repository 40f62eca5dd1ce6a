# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import io

from nova_dirsvc_plugin.cmd.manage import exits, progress
from tests.unit import base


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 0.0

    def show(self, stream, *steps):
        """Show steps, a second between each."""
        shown = progress.Progress(stream, lambda: self.now)
        for step in steps:
            shown(*step)
            self.now += 1
        return shown

    def test_a_bar_is_drawn_on_a_terminal_and_removed(self):
        terminal = Terminal()
        shown = self.show(terminal, ("reading", 5, 10), ("reading", 10, 10))
        self.assertIn("] reading: 5 of 10 (50 %)", terminal.getvalue())
        self.assertIn("] reading: 10 of 10 (100 %)", terminal.getvalue())
        self.assertNotIn("\n", terminal.getvalue())
        shown.clear()
        self.assertTrue(terminal.getvalue().endswith(" \r"))

    def test_more_than_was_expected_is_no_more_than_all(self):
        terminal = Terminal()
        self.show(terminal, ("reading", 12, 10))
        self.assertIn("10 of 10", terminal.getvalue())

    def test_a_log_has_few_lines_and_none_of_what_is_short(self):
        log = io.StringIO()
        self.show(log, *(("reading", count, None) for count in range(5)))
        self.assertEqual("", log.getvalue())
        self.show(log, *(("reading", count, 25) for count in range(25)))
        self.assertEqual(
            ["reading: 10 of 25 (40 %)", "reading: 20 of 25 (80 %)"],
            log.getvalue().splitlines(),
        )


class ExitsTest(base.TestCase):
    def test_of_several_statuses_the_most_urgent_counts(self):
        order = [127, 1, 5, 6, 3, 4, 0]
        self.assertEqual(order, [status.value for status in exits.Exit])
        noted = {exits.Exit.REPAIRED, exits.Exit.GUARD, exits.Exit.NOT_WHOLE}
        self.assertEqual(5, exits.first(noted))
        self.assertEqual(0, exits.first(()))
