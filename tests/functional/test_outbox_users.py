# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova's services and the daemon run as different users of one group."""

import os
import pathlib
import tempfile
import threading

import testtools

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import poke
from tests import outboxes, processes, waiting
from tests.unit import base

GROUP = 61616
USERS = (61617, 61618)


class OutboxUsersTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can become two other users")
        # Not the fixtures' folder: that is closed to other users.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "outbox" / "outbox.db"
        os.chmod(folder.name, 0o755)  # noqa: PTH101
        self.path.parent.mkdir()
        os.chown(self.path.parent, USERS[0], GROUP)
        self.path.parent.chmod(0o2770)

    def as_user(self, user, function, groups=(GROUP,)):
        """Call in a process of another user; give its exit status."""
        process = self.start_as(user, function, groups)
        process.join()
        return process.exitcode

    def start_as(self, user, function, groups=(GROUP,)):
        process = processes.FORK.Process(
            target=become, args=(user, groups, function, self.path)
        )
        process.start()
        return process

    def test_two_users_of_the_group_both_write_and_one_delivers(self):
        for _ in range(2):
            for user in USERS:
                self.assertEqual(0, self.as_user(user, put_three))
        self.assertEqual(0, self.as_user(USERS[1], settle_all))
        box = outbox.Outbox(self.path)
        self.assertEqual(0, box.pending("d"))

    def test_each_user_of_the_group_pokes_the_daemon(self):
        for user in (USERS[0], 0):
            self.see_poked_by(user)

    def see_poked_by(self, user):
        daemon = self.start_as(USERS[1], wait_for_a_poke)
        waiting.until(
            lambda: not self.as_user(user, put_three) and daemon.exitcode == 0,
            f"a poke of user {user}",
        )

    def test_root_who_came_first_shuts_nobody_out(self):
        put_three(self.path)
        self.assertEqual(0, self.as_user(USERS[1], put_three))
        self.assertEqual(6, outbox.Outbox(self.path).pending("d"))

    def test_a_daemon_that_may_only_read_is_refused_at_its_start(self):
        put_three(self.path)
        for file in self.path.parent.iterdir():
            file.chmod(0o640)
        self.assertEqual(3, self.as_user(USERS[1], refused_to_write))

    def test_a_user_outside_the_group_is_told_which_file(self):
        put_three(self.path)
        self.assertEqual(3, self.as_user(USERS[1], refused_by_name, groups=()))


def become(user, groups, function, path):
    os.umask(0o077)
    os.setgroups(groups)
    os.setgid(user)
    os.setuid(user)
    raise SystemExit(function(path))


def put_three(path):
    box = outbox.Outbox(path)
    for _ in range(3):
        box.put(base.event())


def wait_for_a_poke(path):
    receiver = poke.Receiver(path)
    woken, stop = receiver.subscribe(), threading.Event()
    thread = threading.Thread(target=receiver.run, args=(stop,))
    thread.start()
    # The first is that the socket is made.
    for _ in range(2):
        woken.wait()
        woken.clear()
    stop.set()
    thread.join()
    return 0


def settle_all(path):
    box = outbox.Outbox(path)
    while outboxes.settle(box):
        pass


def refused_by_name(path):
    try:
        outbox.Outbox(path).put(base.event())
    except outbox.OutboxError as error:
        return 3 if str(path) in str(error) else 4
    return 5


def refused_to_write(path):
    try:
        outbox.Outbox(path).check_writable()
    except outbox.OutboxError as error:
        return 3 if str(path) in str(error) else 4
    return 5
