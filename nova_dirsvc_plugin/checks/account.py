# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What an account may do with a file, by owner, group and mode."""

import dataclasses
import os
import pathlib
import pwd
import stat

#: That of the daemon, and Nova's.
DAEMON = "nova-dirsvc"
NOVA = "nova"

_READ, _WRITE, _SEARCH = 4, 2, 1


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """An account of this host."""

    name: str
    uid: int
    groups: frozenset[int]

    def may_read(self, path: pathlib.Path) -> bool:
        """Return whether it may read a file that is there."""
        return self._reaches(path) and self._may(path.stat(), _READ)

    def may_write(self, path: pathlib.Path) -> bool:
        """Return whether it may write a file, or make files in a folder."""
        found = path.stat()
        wanted = _WRITE
        if stat.S_ISDIR(found.st_mode):
            wanted |= _SEARCH
        return self._reaches(path) and self._may(found, wanted)

    def _reaches(self, path: pathlib.Path) -> bool:
        folders = path.resolve().parents
        return all(self._may(folder.stat(), _SEARCH) for folder in folders)

    def _may(self, found: os.stat_result, wanted: int) -> bool:
        if self.uid == 0:
            return True
        bits = found.st_mode
        if found.st_uid == self.uid:
            bits >>= 6
        elif found.st_gid in self.groups:
            bits >>= 3
        return bits & wanted == wanted


def current() -> Account:
    """Return that of this process."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Account(name, uid, frozenset({os.getegid(), *os.getgroups()}))


def named(name: str) -> Account | None:
    """Return the account of a name, if there is one."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = os.getgrouplist(name, entry.pw_gid)
    return Account(name, entry.pw_uid, frozenset(groups))
