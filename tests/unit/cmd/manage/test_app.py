# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import csv
import io
import json

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.cmd.manage import formatting
from nova_dirsvc_plugin.outbox import admin
from tests import outboxes
from tests.unit import base
from tests.unit.cmd.manage.base import ManageTestCase

COMMANDS = (
    ("outbox", "list"),
    ("outbox", "show", "1"),
    ("outbox", "retry", "--all"),
    ("outbox", "drop", "--all-buried", "--yes"),
    ("outbox", "status"),
    ("history", "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"),
)


class OpenTest(ManageTestCase):
    def refused(self, word):
        """See that each command says in one line why it cannot be."""
        for command in COMMANDS:
            status, out, err = self.manage(*command)
            self.assertEqual((1, "", 1), (status, out, err.count("\n")), err)
            self.assertIn(str(self.path), err)
            self.assertIn(word, err)

    def test_an_outbox_that_is_not_there_is_not_made(self):
        self.refused("there is no outbox")
        self.assertFalse(self.path.exists())

    def test_a_folder_that_is_not_there_is_not_made(self):
        self.path = self.folder / "nowhere" / "outbox.db"
        self.refused("there is no outbox")
        self.assertFalse(self.path.parent.exists())

    def test_a_folder_in_its_place_is_said(self):
        self.path.mkdir()
        self.refused("is not a regular file")

    def test_a_file_that_is_no_database_is_left_alone(self):
        text = "not a database, and long enough to be one " * 99
        self.path.write_text(text)
        self.refused("not a database")
        self.assertEqual(text, self.path.read_text())

    def test_a_database_of_somebody_else_is_left_alone(self):
        outboxes.run_sql(self.path, "CREATE TABLE entry (a)")
        self.refused("not an outbox")

    def test_an_outbox_of_an_older_release_is_not_brought_up_to_date(self):
        outboxes.make_older(self.path, 1)
        self.refused("nova-dirsvc-sync of this release")
        self.assertEqual(
            [(1,)], outboxes.run_sql(self.path, "PRAGMA user_version")
        )

    def test_an_outbox_of_a_newer_release_asks_for_an_upgrade(self):
        self.put(base.event())
        outboxes.run_sql(self.path, "PRAGMA user_version = 99")
        self.refused("upgrade")

    def test_one_that_another_process_holds_says_to_try_again(self):
        self.put(base.event())
        self.settle()
        with outboxes.locked(self.path):
            box = admin.OutboxAdmin(self.path, busy_timeout=0.0)
            error = self.assertRaises(
                outbox.OutboxError, box.reparse, 1, lambda *_: None
            )
            self.assertIn("try again", str(error))
            self.assertEqual([(1, "log", "delivered")], self.listed("--all"))

    def test_a_path_with_any_letters_is_itself(self):
        self.outbox.close()
        self.put(base.event())
        self.outbox.close()
        self.path = self.path.rename(self.folder / "a?b#c%41 d.db")
        self.assertEqual([(1, "ldap", "waiting")], self.listed())


class FormatsTest(ManageTestCase):
    def test_each_command_that_shows_something_writes_csv(self):
        self.put(base.event())
        self.settle(outbox.State.BURIED, reason="no, \"never\"")
        for command in (
            ("outbox", "list"),
            ("outbox", "show", "1"),
            ("outbox", "status"),
            ("history", "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"),
        ):
            _, out, err = self.manage(*command, "-f", "csv")
            if command[0] == "history":
                self.assertIn("has no event", err)
                continue
            names, *rows = csv.reader(io.StringIO(out))
            self.assertEqual([len(names)], [len(row) for row in rows])
        shown = dict(zip(names, rows[0], strict=True)) if rows else {}
        self.assertEqual(str(self.path), shown["outbox"])
        self.assertEqual(1, json.loads(shown["directories"])["log"]["buried"])


class OptionsTest(ManageTestCase):
    def write(self, text):
        path = self.folder / "sync.conf"
        path.write_text(text)
        return ("--config-file", str(path))

    def test_the_outbox_and_the_directories_are_those_of_the_daemon(self):
        self.put(base.event())
        options = self.write(
            f"[nova_dirsvc]\noutbox = {self.path}\ndirectories = log,rest\n"
        )
        lines = self.told("outbox", "list", options=options)
        self.assertEqual(
            ["log", "rest"], [line["Directory"] for line in lines]
        )

    def test_a_folder_of_files_is_read(self):
        self.put(base.event())
        self.write(f"[nova_dirsvc]\noutbox = {self.path}\n")
        options = ("--config-dir", str(self.folder))
        self.assertEqual(1, len(self.told("outbox", "list", options=options)))

    def test_a_wrong_value_is_named(self):
        options = self.write("[nova_dirsvc]\nrecord_users = perhaps\n")
        status, _, err = self.manage("outbox", "list", options=options)
        self.assertEqual(2, status)
        self.assertIn("record_users", err)

    def test_a_file_that_is_not_there_is_named(self):
        status, _, err = self.manage(
            "outbox", "list", options=("--config-file", "/nowhere.conf")
        )
        self.assertEqual(2, status)
        self.assertIn("/nowhere.conf", err)

    def test_no_command_is_a_wrong_use(self):
        status, _, err = self.manage()
        self.assertEqual(2, status)
        self.assertIn("--help", err)

    def test_an_unknown_command_or_option_or_column_is_a_wrong_use(self):
        self.put(base.event())
        for arguments in (
            ("outbox", "paint"),
            ("outbox", "list", "--paint"),
            ("outbox", "list", "-c", "paint"),
            ("outbox", "list", "--limit", "-1"),
            ("outbox", "list", "--state", "paint"),
        ):
            status, _, _ = self.manage(*arguments)
            self.assertEqual(2, status, arguments)

    def test_help_needs_no_outbox_and_no_options(self):
        for arguments in (
            ("--help",),
            ("help",),
            ("outbox", "list", "--help"),
            ("help", "history"),
            ("complete",),
        ):
            status, out, _ = self.manage(
                *arguments, options=("--config-file", "/nowhere.conf")
            )
            self.assertEqual(0, status, arguments)
            self.assertIn("nova-dirsvc-manage", out)


class WordsTest(base.TestCase):
    def test_a_time_that_cannot_be_is_shown_as_it_is(self):
        self.assertEqual("1e+300", formatting.stamp(1e300))
        self.assertEqual("yesterday", formatting.stamp("yesterday"))
        self.assertEqual("", formatting.stamp(None))

    def test_how_long_is_said_in_two_units(self):
        for seconds, text in (
            (0.4, "0 s"),
            (59, "59 s"),
            (3700, "1 h 1 min"),
            (90061, "1 d 1 h"),
            (-5, "0 s"),
        ):
            self.assertEqual(text, formatting.span(seconds))
