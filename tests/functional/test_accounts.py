# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The accounts and folders of README.md: who may write and read what.

README's own commands are run, on a machine of which /etc, /var/lib and
/var/log are copies or empty, and Nova's account and the daemon's tried.
"""

import ctypes
import grp
import multiprocessing
import os
import pathlib
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import traceback

import testtools
from oslo_config import cfg

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import lock
from nova_dirsvc_plugin.sources import notification_driver
from tests import recordings
from tests.functional import test_outbox_users

README = pathlib.Path(__file__).parents[2] / "README.md"
GUIDE = README.parent / "doc/source/admin/outbox_file.rst"
SECTION = "## Use it with a Nova of your own\n"
CLONE_NEWNS = 0x00020000  # mount_namespaces(7)
FORK = multiprocessing.get_context("fork")

FOLDER = pathlib.Path("/var/lib/nova-dirsvc")
OUTBOX = FOLDER / "outbox.db"
LOG = pathlib.Path("/var/log/nova-dirsvc/nova_dirsvc_plugin.log")
SECRETS = ("password", "nova-dirsvc.conf")
NO_NAMESPACE = "this machine lets nobody make a mount namespace"


def commands() -> list[list[str]]:
    """Return what README says to run as root about accounts and folders."""
    section = README.read_text().partition(SECTION)[2].partition("\n## ")[0]
    lines = re.findall(r"^# (.*)$", section.replace("\\\n", " "), re.M)
    wanted = ("groupadd", "useradd", "usermod", "install")
    return [shlex.split(line) for line in lines if line.startswith(wanted)]


def guide(section: str) -> list[str]:
    """Return the commands of a section of the guide about the file."""
    text = GUIDE.read_text().partition(f".. _{section}:")[2]
    return re.findall(r"^ +# (.*)$", text.partition("\n.. _")[0], re.M)


class AccountsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can become other users")

    def on_a_machine_of_its_own(self, body):
        """Call where README's commands have been run, and nowhere else."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        try:
            forked(_follow_readme, folder.name, body)
        except Failed as failed:
            if NO_NAMESPACE in str(failed):
                self.skipTest(NO_NAMESPACE)
            raise

    def test_nova_comes_first(self):
        self.on_a_machine_of_its_own(_nova_then_the_daemon)

    def test_the_daemon_comes_first(self):
        self.on_a_machine_of_its_own(_the_daemon_then_nova)

    def test_the_daemon_alone_reads_secrets_and_writes_its_log(self):
        self.on_a_machine_of_its_own(_secrets_and_log)

    def test_nova_leads_the_daemon_to_no_other_file(self):
        self.on_a_machine_of_its_own(_link_in_the_place_of_the_lock)

    def test_a_copy_takes_the_place_of_the_outbox(self):
        self.on_a_machine_of_its_own(_restore_a_copy)

    def test_an_outbox_is_put_aside_for_an_older_release(self):
        self.on_a_machine_of_its_own(_go_back)


class Failed(Exception):
    """What went wrong in another process, as text."""


def forked(function, *arguments):
    """Call in a process of its own.

    :raises Failed: it failed
    """
    mine, theirs = FORK.Pipe(duplex=False)

    def report():
        try:
            function(*arguments)
        except BaseException:
            theirs.send(traceback.format_exc())
        else:
            theirs.send("")

    process = FORK.Process(target=report)
    process.start()
    theirs.close()
    said = mine.recv()
    process.join()
    if said:
        raise Failed(said)


def as_account(name, function, *arguments):
    """Call as an account with all of its groups and a narrow umask."""
    account = pwd.getpwnam(name)
    groups = os.getgrouplist(name, account.pw_gid)

    def become():
        os.umask(0o077)
        os.setgroups(groups)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        function(*arguments)

    forked(become)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"{shlex.join(words)}: {done.stderr}")


def _follow_readme(folder, body):
    if ctypes.CDLL(None).unshare(CLONE_NEWNS):
        raise AssertionError(NO_NAMESPACE)
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "tmpfs", folder)
    # Who else administrates this machine may take away a file meanwhile, and
    # lock what is a copy here.
    subprocess.run(("cp", "-a", "/etc", folder), capture_output=True)
    for file in pathlib.Path(folder, "etc").glob("*.lock"):
        file.unlink()
    run("mount", "--bind", f"{folder}/etc", "/etc")
    for path in ("/var/lib", "/var/log"):
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", path)
    for command, name in (
        ("userdel", "nova-dirsvc"),
        ("groupdel", "nova-dirsvc-outbox"),
        ("userdel", "nova"),
    ):
        subprocess.run((command, name), capture_output=True)
    # as Nova's packages make it
    run("useradd", "--system", "--user-group", "--no-create-home", "nova")
    for words in commands():
        run(*words)
    body()


def _nova_then_the_daemon():
    for _ in range(2):
        as_account("nova", _notify, *recordings.create_end())
        as_account("nova-dirsvc", _deliver)
    _see_whose_the_files_are()


def _the_daemon_then_nova():
    as_account("nova-dirsvc", _hold_the_lock)
    _nova_then_the_daemon()


def _follow(section):
    for command in guide(section):
        run("bash", "-c", f"cd {FOLDER} && {command}")


def _restore_a_copy():
    as_account("nova", _notify, *recordings.create_end())
    run("sqlite3", OUTBOX, f"VACUUM INTO '{FOLDER}/copy.db'")
    as_account("nova-dirsvc", _deliver)
    _follow("restoring")
    (FOLDER / "copy.db").unlink()
    expect(1, outbox.Outbox(OUTBOX).pending("d"))
    as_account("nova-dirsvc", _deliver)
    as_account("nova", _notify, *recordings.create_end())
    _see_whose_the_files_are()


def _go_back():
    as_account("nova", _notify, *recordings.create_end())
    as_account("nova-dirsvc", _deliver)
    _follow("going-back")
    expect(["newer"], [path.name for path in FOLDER.iterdir()])
    expect(0, outbox.Outbox(FOLDER / "newer" / OUTBOX.name).pending("d"))
    as_account("nova", _notify, *recordings.create_end())
    as_account("nova-dirsvc", _deliver)


def _secrets_and_log():
    for name in SECRETS:
        path = pathlib.Path("/etc/nova-dirsvc", name)
        path.write_text("secret")
        as_account("nova", _may_not_open, path, "r")
        as_account("nova-dirsvc", path.read_text)
    as_account("nova-dirsvc", LOG.write_text, "line")
    as_account("nova", _may_not_open, LOG, "a")


def _link_in_the_place_of_the_lock():
    as_account("nova-dirsvc", LOG.touch, 0o600)
    lock_file = pathlib.Path(f"{OUTBOX}.d.lock")
    for target in (LOG, LOG.with_name("missing")):
        as_account("nova", lock_file.symlink_to, target)
        as_account("nova-dirsvc", _is_refused_the_lock)
        as_account("nova", lock_file.unlink)
    # Only a kernel that protects hard links stops this account from it.
    shutil.move(LOG, FOLDER / "log")
    shutil.chown(FOLDER / "log", "nova-dirsvc")
    lock_file.hardlink_to(FOLDER / "log")
    as_account("nova-dirsvc", _is_refused_the_lock)
    expect(0o600, stat.S_IMODE(lock_file.stat().st_mode))
    expect([], list(LOG.parent.iterdir()))


def _is_refused_the_lock():
    try:
        _hold_the_lock()
    except lock.AlreadyLocked as error:
        expect(True, f"{OUTBOX}.d.lock: is " in str(error))
        return
    raise AssertionError("it has the lock")


def _may_not_open(path, mode):
    try:
        path.open(mode).close()
    except PermissionError:
        return
    raise AssertionError(f"{path} can be opened")


def _notify(ctxt, message):
    """Tell of an instance as Nova does: the outbox is the default one."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    driver = notification_driver.OutboxDriver(conf, ["notifications"], None)
    driver.notify(ctxt, message, "INFO", -1)
    expect(1, outbox.Outbox(OUTBOX).pending("d"))


def _hold_the_lock():
    outbox.Outbox(OUTBOX).check_writable()
    lock.DirectoryLock(str(OUTBOX), "d").acquire()


def _deliver():
    _hold_the_lock()
    test_outbox_users.settle_all(OUTBOX)
    expect(0, outbox.Outbox(OUTBOX).pending("d"))


def _see_whose_the_files_are():
    for path in FOLDER.iterdir():
        found = path.stat()
        expect(
            ("nova-dirsvc-outbox", 0o660),
            (grp.getgrgid(found.st_gid).gr_name, stat.S_IMODE(found.st_mode)),
        )


def expect(wanted, seen):
    if wanted != seen:
        raise AssertionError(f"{seen!r} is not {wanted!r}")
