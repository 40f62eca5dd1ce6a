# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Each of the folder's group can put something in the place of a file."""

import itertools
import logging
import os
import pathlib
import stat
from unittest import mock

from nova_dirsvc_plugin import files, outbox
from nova_dirsvc_plugin.outbox import admin, reports
from tests.unit import base

PLACES = ("", "-journal", "-wal", "-shm")
SECRET = "bind password\n"


def symbolic_link(place, secret):
    place.symlink_to(secret)


def dangling_link(place, secret):
    place.symlink_to(secret.with_name("made"))


def link_to_nothing_in_it(place, secret):
    """Plant a link to a database that SQLite would fill."""
    secret.with_name("empty").touch(0o600)
    place.symlink_to(secret.with_name("empty"))


def hard_link(place, secret):
    place.hardlink_to(secret)


def pipe(place, secret):
    os.mkfifo(place)


def folder(place, secret):
    place.mkdir()


PLANTED = (
    symbolic_link,
    dangling_link,
    link_to_nothing_in_it,
    hard_link,
    pipe,
    folder,
)


class HostileFolderTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        self.path = self.shared / "outbox.db"
        self.elsewhere = self.folder / "etc"
        self.elsewhere.mkdir()
        self.secret = self.elsewhere / "password"
        self.secret.write_text(SECRET)
        self.secret.chmod(0o600)

    def seen_elsewhere(self):
        return {
            file.name: (
                stat.S_IMODE(file.lstat().st_mode),
                file.read_text(),
            )
            for file in self.elsewhere.iterdir()
        }

    def clear(self):
        for file in (*self.shared.iterdir(), *self.elsewhere.iterdir()):
            if file.is_dir() and not file.is_symlink():
                file.rmdir()
            elif file != self.secret:
                file.unlink()

    def make(self):
        box = outbox.Outbox(self.path)
        box.put(base.event())
        box.close()

    def read(self):
        with admin.OutboxAdmin(self.path).snapshot():
            pass

    def test_nothing_is_made_or_changed_through_what_was_planted(self):
        for suffix, plant, is_new in itertools.product(
            PLACES, PLANTED, (True, False)
        ):
            self.clear()
            if not is_new:
                self.make()
            place = self.shared / f"outbox.db{suffix}"
            place.unlink(missing_ok=True)
            plant(place, self.secret)
            before = self.seen_elsewhere()
            for use in (outbox.Outbox(self.path).check_writable, self.make):
                self.check_refused(use, place)
            if suffix == "" or not is_new:
                self.check_refused(self.read, place)
            self.assertEqual(
                before, self.seen_elsewhere(), f"{suffix} {plant.__name__}"
            )

    def check_refused(self, use, place):
        why = str(self.assertRaises(outbox.OutboxError, use))
        self.assertIn(f"outbox {self.path}: {place}: is ", why)
        self.assertIn("remove", why)
        self.assertEqual(1, len(why.splitlines()))

    def test_a_link_that_comes_after_the_check_is_not_written_through(self):
        target = self.elsewhere / "empty"
        target.touch()

        def exchange(path):
            if path == self.path:
                path.unlink(missing_ok=True)
                path.symlink_to(target)

        with mock.patch.object(files, "check", exchange):
            why = str(self.assertRaises(outbox.OutboxError, self.make))
        self.assertIn("was replaced by a link", why)
        self.assertEqual(b"", target.read_bytes())

    def test_a_running_process_follows_no_link_either(self):
        box = outbox.Outbox(self.path)
        box.put(base.event())
        self.path.rename(self.elsewhere / "moved.db")
        self.path.symlink_to(self.elsewhere / "moved.db")
        self.check_refused(lambda: box.put(base.event()), self.path)
        self.path.unlink()
        # After what was taken over of the file that was moved.
        self.assertEqual(2, box.put(base.event()))

    def test_a_folder_that_is_there_keeps_its_mode(self):
        self.shared.chmod(0o700)
        self.make()
        self.assertEqual(0o700, stat.S_IMODE(self.shared.stat().st_mode))

    def test_no_folder_is_made_through_a_link(self):
        self.shared.rmdir()
        self.shared.symlink_to(self.elsewhere / "made")
        self.assertRaises(outbox.OutboxError, self.make)
        self.assertEqual([self.secret], list(self.elsewhere.iterdir()))

    def test_no_name_in_it_forges_a_line_of_the_log(self):
        outbox.Outbox(self.path).put(base.event())
        planted = self.shared / "outbox.db.broken-\nCRITICAL forged"
        planted.symlink_to(self.secret)
        planted.with_name(f"{planted.name}.not-taken").touch()
        error = self.assertRaises(
            outbox.OutboxError, outbox.Outbox(self.path).put, base.event()
        )
        self.assertIn("broken- CRITICAL forged: is a symbolic", str(error))
        reports.error(logging.getLogger(), "%s %d", "a\nFORGED", 1)
        self.assertEqual("ERROR a FORGED 1\n", self.log.output)

    def test_a_folder_may_have_two_names(self):
        """Only who may write above the folder can have made a link there."""
        self.make()
        other = self.folder / "other"
        other.symlink_to(self.shared)
        box = outbox.Outbox(other / "outbox.db")
        self.assertEqual(2, box.put(base.event()))
        for odd in (f"/{self.path}", f"{self.shared}/../shared/outbox.db"):
            self.assertEqual(2, outbox.Outbox(odd).pending("d"))

    def test_to_look_at_an_outbox_leaves_the_locks_on_it(self):
        box = outbox.Outbox(self.path)
        box.put(base.event())
        before = locks_of_this_process()
        self.read()
        self.assertEqual(before, locks_of_this_process())


def locks_of_this_process():
    found = pathlib.Path("/proc/locks").read_text().splitlines()
    return [
        line.split()[1:]
        for line in found
        if line.split()[4] == str(os.getpid())
    ]
