# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox cannot be written while a server boots."""

import contextlib
import os
import sqlite3
import unittest
from collections.abc import Iterator

from tests import disks
from tests.functional.nova_in_process import delivery


class OutboxRefuses(delivery.DeliveryTestCase):
    """What must hold, whatever the cause.

    :cvar CAUSE: words of it, in the log
    """

    CAUSE = ""

    def begin(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError

    @contextlib.contextmanager
    def trouble(self) -> Iterator[None]:
        """Have the trouble for a while, in which something is not stored."""
        self.begin()
        try:
            yield
        finally:
            self.end()
        self.until_nova_logs("Outbox entry", ": stored")


class Promises:
    """The tests, for each cause."""

    def test_a_boot_ends_active_and_the_log_names_server_and_cause(self):
        with self.trouble():
            server = self.boot()

            self.until_nova_logs(
                "ERROR", "register", server["id"], "not stored", self.CAUSE
            )

    def test_the_entry_arrives_when_the_trouble_is_over(self):
        with self.trouble():
            server = self.boot()
            self.until_nova_logs(server["id"], "not stored")

        self.until_entry(server)

    def test_a_server_that_was_deleted_meanwhile_has_no_entry(self):
        with self.trouble():
            server = self.boot()
            self.delete(server)
            self.until_nova_logs("unregister", server["id"], "not stored")

        self.daemon.until_it_says("unregister", server["id"], "delivered")
        self.assertEqual({}, self.entry_of(server))


class TestOutboxFolderIsAFile(Promises, OutboxRefuses):
    """Not even root can write there."""

    CAUSE = "Not a directory"
    DAEMON_FROM_THE_START = False

    def begin(self) -> None:
        self.outbox_path.parent.touch()

    def end(self) -> None:
        self.outbox_path.parent.unlink()
        self.start_daemon()


class TestFileSizeLimit(Promises, OutboxRefuses):
    CAUSE = "disk I/O error"

    def begin(self) -> None:
        self.daemon.until_it_says("Delivering")
        # While somebody reads, the log is not begun anew, where it has room.
        self.reader = sqlite3.connect(self.outbox_path, isolation_level=None)
        self.reader.execute("BEGIN")
        self.reader.execute("SELECT count(*) FROM entry").fetchone()
        disks.lengthen_log(self.outbox_path, disks.FileSizeLimit.SIZE)
        self.limit = disks.FileSizeLimit()
        self.limit.setUp()

    def end(self) -> None:
        self.limit.cleanUp()
        self.reader.close()


@unittest.skipIf(os.geteuid(), "only root may mount a small disk")
class TestDiskFull(Promises, OutboxRefuses):
    CAUSE = "database or disk is full"

    def prepare(self) -> None:
        self.disk = self.useFixture(disks.SmallDisk(self.outbox_path.parent))
        super().prepare()

    def begin(self) -> None:
        self.daemon.until_it_says("Delivering")
        self.disk.fill()

    def end(self) -> None:
        self.disk.free()
