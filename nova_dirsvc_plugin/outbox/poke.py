# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A poke: who has stored something wakes the daemon that waits for it.

It is an empty datagram to a socket beside the outbox, which the daemon makes.
Each account of the folder's group can send one, or put something else in the
place of the socket. So a poke says nothing but "look", it is read no more
often than that is worth, and the daemon also looks without one.
"""

import contextlib
import logging
import math
import os
import pathlib
import secrets
import select
import socket
import stat
import threading
import time

LOG = logging.getLogger(__name__)

#: Ends the name of the socket, beside the outbox.
SUFFIX = ".poke"

#: Seconds between two looks into the outbox where there is no socket, and
#: after more than :data:`MANY` pokes.
POLL_INTERVAL = 0.02

#: Seconds in which pokes count as one, and how many of them.
PAUSE = 0.002
MANY = 16

#: Seconds between two looks whether the socket is in its place.
WATCH_INTERVAL = 0.25

#: Seconds between two tries to make it where it cannot be made.
RETRY_INTERVAL = 5.0

#: Seconds for which no other socket is looked for where there is none.
ABSENCE = 1.0


class Sender:
    """Pokes the daemon of an outbox, if there is one; for any thread.

    :param outbox: the path of the outbox
    """

    def __init__(self, outbox: str | os.PathLike[str]) -> None:
        self._path = f"{os.fspath(outbox)}{SUFFIX}"
        self._socket: socket.SocketType | None = None
        self._absent_until = -math.inf

    def send(self) -> None:
        """Poke. It never waits, and it fails without a word."""
        connected = self._socket
        try:
            if connected:
                connected.send(b"")
        except BlockingIOError:
            # There are pokes enough that are not read yet.
            return
        except OSError:
            # The daemon has ended, and may have been started again.
            self._socket = None
        if not self._socket and time.monotonic() >= self._absent_until:
            try:
                connected = _connected(self._path)
                connected.send(b"")
                self._socket = connected
            except OSError:
                self._absent_until = time.monotonic() + ABSENCE


def _connected(path: str) -> socket.SocketType:
    """Connect to a socket that another process has; no link is followed.

    :raises OSError: there is none, or nobody listens
    """
    # What is opened so is not used, whatever it is, nor can it be exchanged.
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise OSError(f"{path}: is no socket")
        # Not socket.socket: under eventlet, that is for one thread only.
        found = socket.SocketType(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        )
        try:
            found.connect(f"/proc/self/fd/{descriptor}")
        except BaseException:
            found.close()
            raise
        return found
    finally:
        os.close(descriptor)


class Receiver:
    """The socket of a daemon, and those in it who wait for pokes.

    Without a socket, they are woken at short intervals.

    :param outbox: the path of the outbox
    """

    def __init__(self, outbox: str | os.PathLike[str]) -> None:
        path = pathlib.Path(outbox)
        self._folder, self._name = path.parent, f"{path.name}{SUFFIX}"
        self._waiting: list[threading.Event] = []
        self._socket: socket.socket | None = None
        self._identity = 0, 0
        self._trouble = ""

    def subscribe(self) -> threading.Event:
        """Return an event that is set by each poke."""
        event = threading.Event()
        self._waiting.append(event)
        return event

    def wake(self) -> None:
        """Wake all, as a poke does."""
        for event in self._waiting:
            event.set()

    def run(self, stop: threading.Event) -> None:
        """Receive until told to stop."""
        try:
            while not stop.is_set():
                if self._is_in_place() or self._is_made():
                    self._receive(stop)
                else:
                    self._poll(stop)
        finally:
            self._remove()

    def _receive(self, stop: threading.Event) -> None:
        """Wait for pokes for a while; many at once are one."""
        assert self._socket  # noqa: S101 - it is in place
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(WATCH_INTERVAL * 1000):
            return
        self.wake()
        try:
            for _ in range(MANY):
                self._socket.recv(1)
        except BlockingIOError:
            stop.wait(PAUSE)
        else:
            stop.wait(POLL_INTERVAL)

    def _poll(self, stop: threading.Event) -> None:
        """Wake those who wait, as nobody else can, for a while."""
        for _ in range(round(RETRY_INTERVAL / POLL_INTERVAL)):
            self.wake()
            if stop.wait(POLL_INTERVAL):
                return

    def _is_in_place(self) -> bool:
        return bool(self._socket) and self._identity == _identity_at(
            self._folder / self._name
        )

    def _is_made(self) -> bool:
        """Make the socket, unless another process listens at one."""
        self._close()
        try:
            with contextlib.suppress(OSError):
                _connected(os.fspath(self._folder / self._name)).close()
                raise _Taken("another process listens there")
            self._make()
        except (OSError, _Taken) as error:
            self._close()
            if str(error) != self._trouble:
                self._trouble = str(error)
                LOG.warning(
                    "The socket %s cannot be used, and the outbox is read"
                    " every %.0f ms: %s",
                    self._folder / self._name,
                    POLL_INTERVAL * 1000,
                    error,
                )
            return False
        self._trouble = ""
        # What was stored before has poked nobody.
        self.wake()
        return True

    def _make(self) -> None:
        """Make it where nobody else can, and give it its name and mode.

        The folder's group may put anything there in the meantime; whatever
        has that name is replaced, and no link is followed.

        :raises OSError: it cannot be made
        """
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            own = f"{self._name}-{secrets.token_hex(8)}"
            os.mkdir(own, 0o700, dir_fd=folder)
            try:
                self._make_inside(own, folder)
            finally:
                with contextlib.suppress(OSError):
                    os.rmdir(own, dir_fd=folder)
        finally:
            os.close(folder)

    def _make_inside(self, own: str, folder: int) -> None:
        inside = os.open(
            own, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder
        )
        try:
            status = os.fstat(inside)
            if status.st_uid != os.geteuid() or status.st_mode & 0o077:
                raise OSError(f"{own}: was exchanged")
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            # Whatever its length, a path to a socket has to be short.
            self._socket.bind(f"/proc/self/fd/{inside}/{SUFFIX}")
            # The group is to write to it, whatever the umask.
            os.chmod(SUFFIX, 0o660, dir_fd=inside)
            found = os.stat(SUFFIX, dir_fd=inside)
            self._identity = found.st_dev, found.st_ino
            os.rename(SUFFIX, self._name, src_dir_fd=inside, dst_dir_fd=folder)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(SUFFIX, dir_fd=inside)
            os.close(inside)

    def _remove(self) -> None:
        """Remove the socket if it is ours."""
        if self._is_in_place():
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink()
        self._close()

    def _close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None


class _Taken(Exception):
    """It is another process's."""


def _identity_at(path: pathlib.Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
