# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""dirsvc-389ds looks at what a process is, and not at its number."""

import os
import pathlib
import signal
import subprocess
import tempfile

import ldap
import testtools
from testtools.content import text_content

from tests import waiting
from tests.functional.directory389 import Directory389
from tests.functional.golden389 import run_program

RUNNING, STOPPED = 0, 3


class NumberTestCase(testtools.TestCase):
    """A server of our own, and a process that is not it."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = self.useFixture(Directory389())
        self.where = (
            "--prefix", str(self.directory.folder),
            "--instance", self.directory.name,
        )  # fmt: skip
        self.addCleanup(self.run_program, "remove")

    def run_program(self, command: str) -> int:
        """Return the exit code."""
        done = run_program(command, *self.where)
        self.addDetail(command, text_content(done.stdout + done.stderr))
        return done.returncode

    def name_in_the_files(self, pid: int) -> None:
        """Write a number where lib389 and ns-slapd look for the server's."""
        self.directory.pid_file.write_text(f"{pid}\n")
        (self.locks / str(pid)).touch()

    @property
    def locks(self) -> pathlib.Path:
        folder = self.directory.folder / "run/lock/dirsrv"
        return folder / f"slapd-{self.directory.name}" / "server"

    def assert_answers(self) -> None:
        self.directory.connect().unbind_s()

    def assert_does_not_answer(self) -> None:
        self.assertRaises(ldap.SERVER_DOWN, self.directory.connect)


class KilledTest(NumberTestCase):
    def test_a_server_that_was_killed_and_not_reaped_is_started(self) -> None:
        pid = int(self.directory.pid_file.read_text())
        os.kill(pid, signal.SIGKILL)  # the fixture, its parent, does not wait
        waiting.until(lambda: state_of(pid) == "Z", "ns-slapd to be killed")
        self.assertEqual(STOPPED, self.run_program("status"))
        self.assertEqual(0, self.run_program("stop"))
        self.assertEqual(0, self.run_program("start"))
        self.assertEqual("Z", state_of(pid))
        self.assertEqual(RUNNING, self.run_program("status"))
        self.assert_answers()


class StrangerTest(NumberTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.stranger = subprocess.Popen(["sleep", "600"])
        self.addCleanup(self.stranger.wait)
        self.addCleanup(self.stranger.kill)

    def assert_the_stranger_lives(self) -> None:
        self.assertIsNone(self.stranger.poll())

    def test_a_strangers_number_is_not_the_server(self) -> None:
        self.directory.kill()
        self.name_in_the_files(self.stranger.pid)
        self.assertEqual(STOPPED, self.run_program("status"))
        self.assertEqual(0, self.run_program("stop"))
        self.assert_the_stranger_lives()
        self.assertEqual(0, self.run_program("start"))
        self.assertEqual(RUNNING, self.run_program("status"))
        self.assert_answers()
        self.assert_the_stranger_lives()

    def test_the_server_is_stopped_whatever_number_the_file_has(self) -> None:
        self.name_in_the_files(self.stranger.pid)
        self.assertEqual(RUNNING, self.run_program("status"))
        self.assertEqual(0, self.run_program("start"))
        self.assertEqual(0, self.run_program("stop"))
        self.assertEqual(STOPPED, self.run_program("status"))
        self.assert_does_not_answer()
        self.assert_the_stranger_lives()

    def test_removing_spares_a_stranger(self) -> None:
        self.directory.kill()
        self.name_in_the_files(self.stranger.pid)
        self.assertEqual(0, self.run_program("remove"))
        self.assertFalse(self.directory.folder.exists())
        self.assert_the_stranger_lives()


class LookAlikeTest(NumberTestCase):
    """A process of the same name is not always the same server."""

    def test_a_server_of_another_folder_is_another_server(self) -> None:
        other = self.useFixture(Directory389())
        self.directory.kill()
        self.assertEqual(STOPPED, self.run_program("status"))
        self.assertEqual(0, self.run_program("remove"))
        other.connect().unbind_s()

    def test_the_folder_is_known_by_another_name(self) -> None:
        link = self.directory.folder.with_name("link")
        link.symlink_to(self.directory.folder)
        self.where = ("--prefix", str(link), *self.where[2:])
        self.assertEqual(RUNNING, self.run_program("status"))
        self.assertEqual(0, self.run_program("stop"))
        self.assert_does_not_answer()

    def test_one_in_a_container_is_another_server(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("only root can give a process another root")
        self.directory.kill()
        here = self.look_alike(pathlib.Path("/"))
        self.assertEqual(RUNNING, self.run_program("status"))
        here.kill()
        here.wait()
        container = self.look_alike(self.container())
        self.assertEqual(STOPPED, self.run_program("status"))
        self.assertEqual(0, self.run_program("remove"))
        self.assertIsNone(container.poll())

    def container(self) -> pathlib.Path:
        """Make a folder to which /usr can be mounted."""
        folder = tempfile.TemporaryDirectory(prefix="root-")
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        (root / "usr").mkdir()
        for name in ("lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        return root

    def look_alike(self, root: pathlib.Path) -> subprocess.Popen[bytes]:
        """Start what has the name and the folder of our ns-slapd."""
        program = self.directory.folder.with_name("ns-slapd")
        program.unlink(missing_ok=True)
        program.symlink_to("/usr/bin/python3")
        [config_dir] = self.directory.folder.glob("etc/dirsrv/slapd-*")
        process = subprocess.Popen(
            [
                "unshare", "--mount", "sh", "-ec",
                'test "$1" = / || mount --rbind /usr "$1/usr";'
                'mkdir -p "$1${2%/*}"; test "$1" = / || cp -P "$2" "$1$2";'
                'exec chroot "$1" "$2" -c "$4" -D "$3"',
                "sh", str(root), str(program), str(config_dir),
                "import time; time.sleep(600)",
            ]
        )  # fmt: skip
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        command = pathlib.Path(f"/proc/{process.pid}/cmdline")
        waiting.until(
            lambda: command.read_bytes().startswith(os.fsencode(program)),
            "the look-alike to run",
        )
        return process


def state_of(pid: int) -> str:
    """Return a process's state, as ps shows it: proc(5)."""
    status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return status.rpartition(")")[2].split()[0]
