# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the administrator's guide says about the file, word by word."""

import multiprocessing
import pathlib
import random
import re
import shlex
import sqlite3
import subprocess

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import memory
from tests import waiting
from tests.unit import base

GUIDE = (
    pathlib.Path(__file__).parents[2] / "doc/source/admin/outbox_file.rst"
).read_text()


def commands(section):
    """Give the commands of a section of the guide."""
    _, _, rest = GUIDE.partition(f".. _{section}:")
    text = rest.partition("\n.. _")[0]
    return re.findall(r"^  (sqlite3 .*)$", text, re.MULTILINE)


class OutboxFileTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path, busy_timeout=60)
        self.addCleanup(self.outbox.close)
        self.directory = memory.MemoryDirectory(None, "nova")

    def put(self, count):
        events = [base.event() for _ in range(count)]
        self.outbox.put_all(events)
        return {event.instance_uuid for event in events}

    def deliver(self):
        """Deliver all, as the daemon does: it tries again."""
        worker = dispatcher.Dispatcher(
            "d", self.directory, self.outbox, retry.Settings()
        )
        for _ in range(100):
            try:
                if not worker.step():
                    return
            except outbox.OutboxError:
                continue

    def run_guide(self, section):
        for command in commands(section):
            subprocess.run(
                shlex.split(command),
                cwd=self.folder,
                check=True,
                timeout=60,
            )


class CopyTest(OutboxFileTestCase):
    def test_a_copy_is_made_while_writers_never_pause(self):
        stored = self.put(2000)
        context = multiprocessing.get_context("fork")
        end = context.Event()
        writers = [
            context.Process(target=put_until, args=(self.path, end))
            for _ in range(2)
        ]
        self.addCleanup(lambda: [writer.join() for writer in writers])
        self.addCleanup(end.set)
        for writer in writers:
            writer.start()
        waiting.until(
            lambda: self.outbox.pending("d") > 2100, "the writers to write"
        )
        before = self.outbox.pending("d")
        self.run_guide("copying")
        copy = outbox.Outbox(self.folder / "copy.db")
        self.assertGreaterEqual(copy.pending("d"), before)
        kept = {
            entry.event.instance_uuid
            for entry in copy.claim("d", 4000).entries
        }
        self.assertLessEqual(stored, kept)
        self.assertTrue(all(writer.is_alive() for writer in writers))


def put_until(path, end):
    box = outbox.Outbox(path, busy_timeout=60)
    while not end.is_set():
        box.put(base.event())


class DamagedPagesTest(OutboxFileTestCase):
    def damage(self, first, count):
        """Overwrite pages of the closed file; they count from 1."""
        self.outbox.close()
        with self.path.open("r+b") as file:
            file.seek((first - 1) * 4096)
            file.write(random.Random(1).randbytes(4096 * count))

    def root(self, name):
        with sqlite3.connect(self.path) as database:
            (page,) = database.execute(
                "SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)
            ).fetchone()
        database.close()
        return page

    def test_what_can_be_read_is_delivered_and_what_comes_later(self):
        stored = self.put(400)
        self.outbox.close()
        pages = self.path.stat().st_size // 4096
        self.damage(pages // 2, 6)
        self.deliver()
        later = self.put(1)
        self.deliver()
        delivered = set(self.directory.content)
        self.assertLessEqual(later, delivered)
        self.assertGreater(len(delivered & stored), 300)
        self.assertIn("outbox.db was damaged", self.log.output)
        self.assertIn("The others cannot be read", self.log.output)

    def test_what_is_lost_is_named_and_comes_with_the_next_event(self):
        stored = self.put(400)
        self.damage(self.root("entry"), 1)
        self.deliver()
        self.assertEqual(set(), set(self.directory.content))
        lost = {
            instance
            for instance in stored
            if f"events of instance {instance} are lost" in self.log.output
        }
        self.assertEqual(stored, lost)
        self.outbox.put_all(
            [base.event(instance_uuid=instance) for instance in lost]
        )
        self.deliver()
        self.assertEqual(stored, set(self.directory.content))
