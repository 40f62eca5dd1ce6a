# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A file that a command writes is there as a whole, or not at all."""

import os
import stat

from nova_dirsvc_plugin.cmd.manage import base as commands
from nova_dirsvc_plugin.cmd.manage import result_file
from tests.unit import base


class ResultFileTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "plan"

    def refused(self):
        self.assertRaises(
            commands.NotPossible, result_file.write, self.path, ["a"]
        )

    def test_a_file_is_replaced_and_private(self):
        self.path.write_text("before")
        self.path.chmod(0o644)
        result_file.write(self.path, ["a\n", "b\n"])
        self.assertEqual("a\nb\n", self.path.read_text())
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))

    def test_what_is_no_file_stays(self):
        """Or root would make a file of /dev/null, or of /dev/stdout."""
        os.mkfifo(self.path)
        self.refused()
        self.assertTrue(self.path.is_fifo())
        self.path.unlink()
        (self.folder / "target").write_text("before")
        self.path.symlink_to("target")
        self.refused()
        self.assertTrue(self.path.is_symlink())
        self.assertEqual("before", self.path.read_text())

    def test_nothing_is_left_of_what_cannot_be_written(self):
        def lines():
            yield "a\n"
            raise OSError(28, "No space left on device")

        self.path.write_text("before")
        self.assertRaises(
            commands.NotPossible, result_file.write, self.path, lines()
        )
        self.assertEqual([self.path], list(self.folder.iterdir()))
        self.assertEqual("before", self.path.read_text())
