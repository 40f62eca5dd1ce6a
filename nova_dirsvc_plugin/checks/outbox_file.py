# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: its folder, its file, its disk, and what is in it."""

import os
import pathlib
import sqlite3
import stat
import time
from collections.abc import Collection, Iterator

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.checks import account, finding
from nova_dirsvc_plugin.outbox import admin, health, schema

SUBJECT = "outbox"

#: Bytes and files that a disk should have left.
LEAST_ROOM = 256 * 2**20
LEAST_FILES = 100

#: File systems of other hosts, on which SQLite's locks are not safe.
_REMOTE = ("nfs", "cifs", "smb", "ceph", "gluster", "9p", "fuse.sshfs")

_GROUP = "nova-dirsvc-outbox"


def check(
    path: pathlib.Path, daemon: account.Account, hook: bool
) -> Iterator[finding.Finding]:
    """Check where the outbox is, without its content.

    :param daemon: the account that delivers it
    :param hook: Nova's account writes to it
    """
    folder = path.parent
    remedy = f"run install -d -o {account.DAEMON} -g {_GROUP} -m 2770 {folder}"
    try:
        found = folder.stat()
    except OSError as error:
        yield finding.error(
            "outbox-folder-missing",
            SUBJECT,
            f"folder {folder}: {error.strerror}",
            remedy,
        )
        return
    yield from _folder(folder, found, daemon, hook, remedy)
    yield from _disk(folder)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        yield finding.error(
            "outbox-no-file",
            SUBJECT,
            f"{path} is a link, or no regular file",
            "name the file itself in [nova_dirsvc] outbox",
        )
    elif path.exists() and not daemon.may_write(path):
        yield finding.error(
            "outbox-unwritable",
            SUBJECT,
            f"{daemon.name} may not write {path}",
            f"run chgrp {_GROUP} and chmod 660 on it",
        )


def check_content(
    path: pathlib.Path, configured: Collection[str]
) -> Iterator[finding.Finding]:
    """Check the release of an outbox, and who delivers it.

    :param configured: the directories that the options name
    """
    if not path.exists():
        yield finding.not_checked(
            f"{SUBJECT}: content",
            "it does not exist yet; Nova or the daemon makes it",
        )
        return
    try:
        with admin.OutboxAdmin(path, busy_timeout=1.0).snapshot() as database:
            facts = health.read(database, path, configured)
    except outbox.OutboxError as error:
        yield finding.error(
            "outbox-unusable", SUBJECT, str(error), "see the reason"
        )
        return
    for problem in health.problems(facts, time.time()):
        make = finding.error if problem.kind.stops else finding.warning
        yield make(
            f"outbox-{problem.kind.value.replace(' ', '-')}",
            f"{SUBJECT}: {problem.directory}".removesuffix(": "),
            problem.finding,
            problem.remedy,
        )


def check_release(path: pathlib.Path) -> Iterator[finding.Finding]:
    """Compare the release of an outbox with this one."""
    if not path.exists():
        return
    try:
        version = schema.version_of(path)
    except (sqlite3.Error, OSError) as error:
        yield finding.error(
            "outbox-unusable", SUBJECT, f"{path}: {error}", "see the reason"
        )
        return
    newest = len(schema.MIGRATIONS)
    if version > newest:
        yield finding.error(
            "outbox-newer",
            SUBJECT,
            f"{path} is of a newer release (version {version}, this release"
            f" reads up to {newest})",
            "install that release again: there is no way back",
        )
    elif version < newest:
        yield finding.warning(
            "outbox-older",
            SUBJECT,
            f"{path} is of an older release (version {version} of {newest}):"
            " the first process that opens it brings it up to date",
            "stop nova-dirsvc-sync, upgrade it and Nova's hook, then start"
            " both",
        )


def _folder(
    folder: pathlib.Path,
    found: os.stat_result,
    daemon: account.Account,
    hook: bool,
    remedy: str,
) -> Iterator[finding.Finding]:
    accounts = [daemon]
    nova = account.named(account.NOVA)
    if hook and nova:
        accounts.append(nova)
    for one in accounts:
        if not one.may_write(folder):
            yield finding.error(
                "outbox-folder-unwritable",
                SUBJECT,
                f"{one.name} may not write to {folder}",
                f"run usermod --append --groups {_GROUP} {one.name}, restart"
                f" what runs as it, and {remedy}",
            )
    if found.st_mode & stat.S_IWOTH:
        yield finding.error(
            "outbox-folder-open",
            SUBJECT,
            f"every account may write to {folder}",
            remedy,
        )
    elif hook and not found.st_mode & stat.S_ISGID:
        yield finding.warning(
            "outbox-folder-no-setgid",
            SUBJECT,
            f"{folder} has no set-group-id bit: a file that one account makes"
            " may not be for the other",
            remedy,
        )


def _disk(folder: pathlib.Path) -> Iterator[finding.Finding]:
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize
    if free < LEAST_ROOM:
        yield finding.error(
            "outbox-disk-full",
            SUBJECT,
            f"the disk of {folder} has {free >> 20} MiB left",
            "make room on it",
        )
    if room.f_files and room.f_favail < LEAST_FILES:
        yield finding.error(
            "outbox-disk-files",
            SUBJECT,
            f"the disk of {folder} has room for {room.f_favail} files",
            "remove files from it",
        )
    kind = _file_system(folder)
    if kind.startswith(_REMOTE):
        yield finding.error(
            "outbox-not-local",
            SUBJECT,
            f"{folder} is on {kind}, on which SQLite may lose data",
            "use a local disk",
        )


def _file_system(folder: pathlib.Path) -> str:
    """Return the kind of the file system that a folder is on."""
    try:
        lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    real = str(folder.resolve())
    best, found = "", ""
    for line in lines:
        _, place, kind, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        below = place.rstrip("/") + "/"
        if f"{real}/".startswith(below) and len(below) >= len(best):
            best, found = below, kind
    return found
