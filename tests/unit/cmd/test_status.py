# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``nova-dirsvc-status upgrade check`` on an outbox of the test's own."""

import contextlib
import io
import sqlite3

import fixtures

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd import status
from tests.unit import base


class UpgradeCheckTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.file = self.folder / "sync.conf"
        self.write("")

    def write(self, more):
        self.file.write_text(
            f"[nova_dirsvc]\noutbox = {self.path}\ndirectories = memory\n"
            + more
        )

    def check(self):
        """Run it; give the exit status and what it printed."""
        words = ["x", "--config-file", str(self.file), "upgrade", "check"]
        out = io.StringIO()
        with (
            fixtures.MonkeyPatch("sys.argv", words),
            contextlib.redirect_stdout(out),
        ):
            return status.main(), out.getvalue()

    def set_version(self, version):
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            database.execute(f"PRAGMA user_version = {version}")

    def test_an_installation_that_is_ready_is_said_to_be(self):
        entries = outbox.Outbox(self.path)
        entries.check_writable()
        entries.close()
        code, out = self.check()
        self.assertEqual(0, code, out)
        for name in ("Options", "Outbox", "Directories"):
            self.assertIn(f"Check: {name}", out)

    def test_an_outbox_of_an_older_release_is_a_warning(self):
        self.set_version(1)
        code, out = self.check()
        self.assertEqual(1, code, out)
        self.assertIn("stop nova-dirsvc-sync", " ".join(out.split()))

    def test_an_outbox_of_a_newer_release_is_a_failure(self):
        self.set_version(99)
        code, out = self.check()
        self.assertEqual(2, code, out)

    def test_an_option_that_is_no_more_is_a_failure(self):
        self.write("gone = 1\n")
        code, out = self.check()
        self.assertEqual(2, code, out)
        self.assertIn("gone", out)
