# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of one cloud: start, watch, wait for, end.

A process is known in more than one way, because each alone can fail: a file
with its pid and start time (a pid alone may meanwhile be a stranger's), its
session (the children of what the file names; Nova's own lose their
environment to setproctitle), and the home's mark in its environment (what a
killed controller had not yet written down) or at the end of an argument
(ns-slapd, which leaves the session and empties its environment).
"""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

from pocket.errors import PocketError

MARK = "POCKET_MARK"
STOP_SECONDS = 10
READY_SECONDS = 300  # of a small machine that has much else to do
#: Where servers are, which is not on an ordinary user's PATH.
SBIN = "/usr/sbin:/sbin"


def program(name):
    """Where a program of the system is; None: nowhere."""
    return shutil.which(name, path=f"{os.environ['PATH']}:{SBIN}")


class Processes:
    """All processes of the cloud in *home*.

    :param step: called with what takes a while and its log, gives a context
        in which that is under way
    """

    def __init__(self, home, step=lambda *_: contextlib.nullcontext()):
        self._home = home
        self.step = step
        self._lock = threading.Lock()
        self._stopping = False

    def environment(self, **more):
        """What a process inherits: nothing of ours that could mislead it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OS_", "PYTHON", "RABBITMQ_", "LDAP"))
        }
        kept["PATH"] = f"{self._home.bin}:{os.environ['PATH']}:{SBIN}"
        # Else uv, pip and the clients leave theirs in the user's own.
        kept["XDG_CACHE_HOME"] = str(self._home.cache)
        kept["PYTHONWARNINGS"] = "ignore"
        return {**kept, MARK: self._home.mark, **more}

    def log(self, name):
        return self._home.log / f"{name}.log"

    def start(self, name, argv, environment=None):
        """Start a process, unless it runs. :returns: whether it was started"""
        with self._lock:
            if self._stopping:
                raise PocketError(f"{name} was not started: stopping")
            if self.is_running(name):
                return False
            with self.log(name).open("a") as log:
                child = subprocess.Popen(
                    [str(word) for word in argv],
                    env=self.environment(**(environment or {})),
                    cwd=self._home.path,
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            threading.Thread(target=child.wait, daemon=True).start()
            self._home.write(
                self._file(name),
                json.dumps({"pid": child.pid, "started": _started(child.pid)}),
            )
            return True

    def is_running(self, name):
        return self._pid(name) is not None

    def wait(self, name, is_ready, seconds=READY_SECONDS):
        """Wait until *is_ready()*.

        :raises PocketError: when the process ended, or the time has
        """
        end = time.monotonic() + seconds
        with self.step(f"start of {name}", self.log(name)):
            while not is_ready():
                if not self.is_running(name):
                    raise PocketError(
                        f"{name} ended while it started", log=self.log(name)
                    )
                if time.monotonic() > end:
                    raise PocketError(
                        f"{name} was not ready after {seconds} s",
                        log=self.log(name),
                    )
                time.sleep(0.1)

    def call(self, name, argv, environment=None, text="", watch=()):
        """Run a command to its end, its output in the log of *name*.

        :param text: its standard input
        :param watch: processes without which it could not succeed
        :raises PocketError: when it fails, or one of *watch* ends
        """
        argv = [str(word) for word in argv]
        with self.log(name).open("a") as log:
            child = subprocess.Popen(
                argv,
                env=self.environment(**(environment or {})),
                cwd=self._home.path,
                start_new_session=True,
                text=True,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(text)
        words = _shortened(argv)
        with self.step(words, self.log(name)):
            while child.poll() is None:
                for other in watch:
                    if not self.is_running(other):
                        child.kill()
                        raise PocketError(
                            f"{other} ended while it started",
                            log=self.log(other),
                        )
                time.sleep(0.05)
        if child.returncode:
            raise PocketError(
                f"`{words}` ended with {child.returncode}", log=self.log(name)
            )

    def stop(self, *names):
        """Ask these processes to end, then make them."""
        # Asked anew each time: a number may be a stranger's the next moment.
        _end(lambda: [pid for name in names if (pid := self._pid(name))])
        for name in names:
            self._file(name).unlink(missing_ok=True)

    def kill(self, name):
        """Kill -9 a process and its children, and wait until it is gone.

        :raises PocketError: it does not run
        """
        pid = self._pid(name)
        if pid is None:
            raise PocketError(f"{name} does not run", log=self.log(name))
        os.killpg(pid, signal.SIGKILL)
        while self._pid(name):
            time.sleep(0.02)

    def stop_all(self):
        """End everything that belongs to this home, whoever started it."""
        with self._lock:
            self._stopping = True
        _end(self.members)
        for file in self._home.run.glob("*.pid"):
            file.unlink()

    def members(self):
        """Pids of all processes of this cloud, recorded or not."""
        leaders = []
        for file in self._home.run.glob("*.pid"):
            known = json.loads(file.read_text())
            if _started(known["pid"]) in (known["started"], None):
                leaders.append((known["pid"], known["started"]))
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    if self._is_member(entry, leaders):
                        found.append(int(entry.name))
        return found

    def _is_member(self, entry, leaders):
        stat = _stat(int(entry.name))
        if stat[0] == "Z":
            return False
        if any(
            int(stat[3]) == pid and int(stat[19]) >= started
            for pid, started in leaders
        ):
            return True
        mark = self._home.mark.encode()
        variables = (entry / "environ").read_bytes().split(b"\0")
        if MARK.encode() + b"=" + mark in variables:
            return True
        words = (entry / "cmdline").read_bytes().split(b"\0")
        return words[0].endswith(b"ns-slapd") and any(
            word.endswith(mark) for word in words
        )

    def _file(self, name):
        return self._home.run / f"{name}.pid"

    def _pid(self, name):
        try:
            known = json.loads(self._file(name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        pid = known["pid"]
        alive = _started(pid) == known["started"] and not _is_zombie(pid)
        return pid if alive else None


def _shortened(argv):
    """A command's name, and the words after its first options, if any."""

    def is_option(word):
        return word.startswith(("-", "/"))

    words = itertools.dropwhile(is_option, argv[1:])
    words = itertools.takewhile(lambda word: not is_option(word), words)
    return " ".join([pathlib.Path(argv[0]).name, *words])


def _end(remaining):
    """SIGTERM to all that *remaining()* names, then SIGKILL to the rest."""
    for number, seconds in (
        (signal.SIGTERM, STOP_SECONDS),
        (signal.SIGKILL, STOP_SECONDS),
    ):
        end = time.monotonic() + seconds
        signalled = set()
        while pids := remaining():
            for pid in set(pids) - signalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            signalled.update(pids)
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        else:
            return
    raise PocketError(f"these processes do not end: {remaining()}")


def _stat(pid):
    """The fields of /proc/PID/stat that follow the name (proc(5))."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()


def _started(pid):
    """When a process started, in clock ticks since boot; None: no process."""
    try:
        return int(_stat(pid)[19])
    except OSError:
        return None


def _is_zombie(pid):
    try:
        return _stat(pid)[0] == "Z"
    except OSError:
        return True
