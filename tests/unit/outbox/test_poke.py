# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Who stores something wakes who waits, whatever is put between them."""

import array
import contextlib
import os
import pathlib
import socket
import stat
import threading
import time

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import admin, poke
from tests import waiting
from tests.unit import base

#: Seconds in which nothing is to come.
QUIET = 0.3


def symbolic_link(place, elsewhere):
    place.symlink_to(elsewhere)


def dangling_link(place, elsewhere):
    place.symlink_to(elsewhere.with_name("nothing"))


def file(place, elsewhere):
    place.write_text("somebody's")


def pipe(place, elsewhere):
    os.mkfifo(place)


def left_socket(place, elsewhere):
    bound(place).close()


#: What the daemon replaces.
PLANTED = (symbolic_link, dangling_link, file, pipe, left_socket)


def bound(place):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(os.fspath(place))
    sock.setblocking(False)
    return sock


class PokeTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox.db"
        self.place = self.folder / f"outbox.db{poke.SUFFIX}"
        self.elsewhere = self.folder / "elsewhere"
        self.outbox = outbox.Outbox(self.path)
        self.addCleanup(self.outbox.close)
        self.patch(poke, "ABSENCE", 0.0)

    def put(self):
        return self.outbox.put(base.event())

    def start(self, path=None):
        """Receive, and return the event that pokes set."""
        self.receiver = poke.Receiver(path or self.path)
        woken = self.receiver.subscribe()
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=self.receiver.run, args=(self.stop,)
        )
        self.thread.start()
        self.addCleanup(self.end)
        self.expect(woken)
        return woken

    def end(self):
        self.stop.set()
        self.thread.join(waiting.LIMIT)

    def expect(self, woken):
        self.assertTrue(woken.wait(waiting.LIMIT))
        woken.clear()

    def is_socket(self, place=None):
        return stat.S_ISSOCK((place or self.place).lstat().st_mode)

    def identity(self):
        return self.place.lstat().st_ino

    def wakes(self, woken, seconds):
        """Count how often the waiting are woken."""
        count, end = 0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if woken.wait(left):
                woken.clear()
                count += 1
        return count


class SendTest(PokeTestCase):
    def test_what_is_stored_wakes_who_waits_and_what_is_there_does_not(self):
        woken = self.start()
        event = base.event()
        self.outbox.put(event)
        self.expect(woken)
        self.outbox.put(event)
        self.assertFalse(woken.wait(QUIET))

    def test_an_operators_decision_wakes_who_waits(self):
        self.put()
        woken = self.start()
        with admin.OutboxAdmin(self.path).transaction():
            pass
        self.expect(woken)

    def test_a_daemon_that_was_started_again_is_poked(self):
        self.put()
        for _ in range(3):
            woken = self.start()
            self.put()
            self.expect(woken)
            self.end()

    def test_a_child_pokes_too(self):
        woken = self.start()
        self.put()
        self.expect(woken)
        if not (pid := os.fork()):
            with contextlib.suppress(BaseException):
                self.put()
            os._exit(0)
        os.waitpid(pid, 0)
        self.expect(woken)

    def test_nothing_is_sent_through_a_link(self):
        target = bound(self.elsewhere)
        self.addCleanup(target.close)
        self.place.symlink_to(self.elsewhere)
        self.put()
        self.assertRaises(BlockingIOError, target.recv, 1)
        # The same by its own name.
        self.place.unlink()
        self.elsewhere.rename(self.place)
        self.put()
        self.assertEqual(b"", target.recv(1))

    def test_what_is_in_the_place_of_the_socket_is_no_harm(self):
        for plant in PLANTED:
            plant(self.place, self.elsewhere)
            self.assertIsNotNone(self.put())
            self.place.unlink()
        self.place.mkdir()
        self.assertIsNotNone(self.put())
        self.assertFalse(self.elsewhere.exists())

    def test_a_socket_that_nobody_reads_holds_nobody_up(self):
        silent = bound(self.place)
        self.addCleanup(silent.close)
        sender = poke.Sender(self.path)
        started = time.process_time()
        for _ in range(10_000):
            sender.send()
        self.assertLess(time.process_time() - started, 1.0)

    def test_a_socket_for_streams_is_no_harm(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(os.fspath(self.place))
            server.listen()
            self.assertEqual(1, self.put())

    def test_who_may_not_write_to_the_socket_stores_as_before(self):
        self.patch(poke, "_connected", self.refuse)
        self.assertEqual(1, self.put())

    def refuse(self, path):
        raise PermissionError(path)

    def test_where_there_is_no_socket_it_is_looked_for_once_a_second(self):
        self.patch(poke, "ABSENCE", 1000.0)
        looks = []
        self.patch(poke, "_connected", lambda path: self.refuse_seen(looks))
        for _ in range(3):
            self.put()
        self.assertEqual(1, len(looks))

    def refuse_seen(self, looks):
        looks.append(1)
        raise FileNotFoundError


class SocketTest(PokeTestCase):
    def test_it_is_for_the_group_whatever_the_umask(self):
        self.addCleanup(os.umask, os.umask(0o077))
        self.start()
        self.assertEqual(0o660, stat.S_IMODE(self.place.lstat().st_mode))
        self.assertEqual(self.folder.stat().st_gid, self.place.lstat().st_gid)

    def test_what_was_planted_is_replaced_and_not_followed(self):
        for plant in PLANTED:
            self.elsewhere.write_text("secret")
            self.elsewhere.chmod(0o600)
            plant(self.place, self.elsewhere)
            woken = self.start()
            self.assertTrue(self.is_socket())
            self.put()
            self.expect(woken)
            self.end()
            self.assertEqual("secret", self.elsewhere.read_text())
            self.assertEqual(
                0o600, stat.S_IMODE(self.elsewhere.lstat().st_mode)
            )
            self.assertFalse(self.elsewhere.with_name("nothing").exists())

    def test_nothing_is_left_of_it(self):
        self.put()
        before = sorted(self.folder.iterdir())
        self.start()
        self.assertEqual({*before, self.place}, {*self.folder.iterdir()})
        self.end()
        self.assertEqual(before, sorted(self.folder.iterdir()))

    def test_a_folder_in_its_place_is_said_once_and_looked_past(self):
        self.patch(poke, "RETRY_INTERVAL", 0.1)
        self.place.mkdir()
        woken = self.start()
        self.assertGreater(self.wakes(woken, 0.5), 3)
        said = f"WARNING The socket {self.place} cannot be used"
        self.assertEqual(1, self.log.output.count(said), self.log.output)
        self.place.rmdir()
        waiting.until(self.place.exists, "the socket")
        self.put()
        self.expect(woken)

    def test_that_of_another_process_is_left_to_it_until_it_ends(self):
        self.patch(poke, "RETRY_INTERVAL", 0.1)
        other = bound(self.place)
        identity = self.identity()
        woken = self.start()
        self.assertGreater(self.wakes(woken, 0.5), 3)
        self.assertEqual(identity, self.identity())
        self.assertIn("another process listens there", self.log.output)
        other.close()
        waiting.until(lambda: self.identity() != identity, "a new socket")
        self.put()
        self.expect(woken)

    def test_one_that_was_removed_or_replaced_is_made_again(self):
        woken = self.start()
        for plant in (None, *PLANTED):
            self.place.unlink()
            if plant:
                plant(self.place, self.elsewhere)
            waiting.until(
                lambda: self.place.exists() and self.is_socket(),
                "a new socket",
            )
            waiting.until(lambda: self.put() and woken.is_set(), "a poke")
            woken.clear()

    def test_it_does_not_remove_anothers_at_the_end(self):
        self.start()
        self.place.unlink()
        other = bound(self.place)
        self.addCleanup(other.close)
        self.end()
        self.assertTrue(self.is_socket())

    def test_a_private_folder_that_is_exchanged_gets_no_socket(self):
        self.elsewhere.mkdir()
        made = os.mkdir

        def exchanged(name, mode, dir_fd):
            made(name, mode, dir_fd=dir_fd)
            os.rmdir(name, dir_fd=dir_fd)
            for swap in swaps:
                swap(self.folder / name)

        self.patch(os, "mkdir", exchanged)
        for swap in (
            lambda path: path.symlink_to(self.elsewhere),
            lambda path: (made(path), path.chmod(0o777)),
        ):
            swaps = [swap]
            self.start()
            self.end()
            self.assertFalse(self.place.exists())
            self.assertEqual([], list(self.elsewhere.iterdir()))

    def test_a_long_path_is_no_obstacle(self):
        folder = self.folder / ("x" * 120)
        folder.mkdir()
        path = folder / "outbox.db"
        woken = self.start(path)
        self.assertTrue(self.is_socket(folder / "outbox.db.poke"))
        outbox.Outbox(path).put(base.event())
        self.expect(woken)


class FloodTest(PokeTestCase):
    def flood(self, send):
        """Send as fast as possible; return how often somebody was woken."""
        woken = self.start()
        over = threading.Event()

        def work():
            while not over.is_set():
                with contextlib.suppress(BlockingIOError):
                    send()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            return self.wakes(woken, 1.0)
        finally:
            over.set()
            thread.join()
            self.put()
            self.expect(woken)

    def test_a_flood_wakes_no_more_often_than_a_poll(self):
        sender = poke.Sender(self.path)
        count = self.flood(sender.send)
        self.assertGreater(count, 3)
        self.assertLessEqual(count, 1.0 / poke.POLL_INTERVAL + 10)

    def test_what_a_poke_says_is_not_read(self):
        before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
        descriptors = array.array("i", [0, 1, 2])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            self.flood(
                lambda: sock.sendmsg(
                    [b"x" * 60_000],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)],
                    0,
                    os.fspath(self.place),
                )
            )
        self.end()
        self.outbox.close()
        after = len(list(pathlib.Path("/proc/self/fd").iterdir()))
        self.assertLessEqual(after, before + 2)
