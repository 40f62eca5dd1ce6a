# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import json

from nova_dirsvc_plugin.directories import conformance
from tests.unit.cmd.manage.base import ManageTestCase


class CheckDirectoryTest(ManageTestCase):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "options.conf"
        self.log_file = self.folder / "nova_dirsvc_plugin.log"
        self.file.write_text(f"[log]\npath = {self.log_file}\n")

    def check(self, *arguments):
        return self.manage(
            "check-directory",
            *arguments,
            options=("--config-file", str(self.file)),
        )

    def refused(self, status, *arguments):
        """See that it says in one line why it cannot be; give the line."""
        got, out, err = self.check(*arguments)
        self.assertEqual((status, ""), (got, out))
        return err.splitlines()[-1]

    def test_each_check_has_a_line_with_what_was_seen(self):
        status, out, err = self.check("memory", "-f", "json")
        self.assertEqual((0, ""), (status, err))
        lines = json.loads(out)
        self.assertEqual(24, len(lines))
        seen = {line["Check"]: line["Detail"] for line in lines}
        # Two drivers of a directory in memory have nothing in common.
        self.assertIn(
            "was not refused", seen["entries of other owners are not changed"]
        )
        self.assertEqual("", seen["an instance is registered"])
        needed = {
            line["Required for"] for line in lines if line["Result"] == "NO"
        }
        self.assertEqual({str(conformance.Need.OWNERS)}, needed)

    def test_what_should_hold_must_where_one_says_so(self):
        self.assertEqual(0, self.check("memory")[0])
        self.assertEqual(1, self.check("memory", "--all")[0])

    def test_a_log_has_no_line_of_instances_that_never_were(self):
        self.log_file.write_text("a line\n")
        self.assertEqual(0, self.check("log")[0])
        self.assertEqual("a line\n", self.log_file.read_text())
        self.assertEqual(
            {self.file, self.log_file}, set(self.folder.iterdir())
        )

    def test_one_out_of_reach_is_not_possible(self):
        self.file.write_text("[log]\npath = /nowhere/nova_dirsvc_plugin.log\n")
        line = self.refused(1, "log")
        self.assertIn("/nowhere/", line)

    def test_wrong_words_are_named(self):
        for arguments, word in (
            (("nope",), "installed are"),
            (("log", "--url", "http://x/"), "no option url"),
            (("rest", "--url", "ftp://x/"), "ftp://x/"),
        ):
            self.assertIn(word, self.refused(2, *arguments))

    def test_a_value_that_cannot_be_is_named(self):
        self.file.write_text("[rest]\nconnections = many\n")
        self.assertIn("connections", self.refused(2, "rest"))
