# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The state folder: the tokens, and the daemon's directory.conf."""

import grp
import os
import secrets
import shutil
import stat
from pathlib import Path

from dirsvcrest.settings import Refused, Settings
from dirsvcrest.tokens import Role, Tokens

STORE = "instances.db"
DIRECTORY_CONF = "directory.conf"
SHORTEST_TOKEN = 16


class State:
    """The files that the service keeps for itself, its clients, the daemon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.state_dir

    @property
    def store(self) -> Path:
        return self._folder / STORE

    def make(self) -> None:
        """Make what is not there; write directory.conf anew.

        :raises Refused: the folder is somebody else's, or not ours alone
        """
        self._make_folder()
        for role in Role:
            path = self._token(role)
            if not path.exists():
                _write(path, secrets.token_urlsafe(32))
        _write(self._folder / DIRECTORY_CONF, self._directory_conf())
        if self._settings.group is not None:
            self._let_in(self._settings.group)

    def tokens(self) -> Tokens:
        """Read the tokens.

        :raises Refused: a file holds none
        """
        if not self._settings.auth:
            return Tokens(None)
        return Tokens({role: _read(self._token(role)) for role in Role})

    def _make_folder(self) -> None:
        folder = self._folder
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            self._check_folder()

    def _check_folder(self) -> None:
        """See that a folder that is there is ours, and ours alone to fill."""
        folder = self._folder
        found = folder.stat()
        others = stat.S_IWGRP | stat.S_IWOTH
        if found.st_uid not in (0, os.geteuid()) or found.st_mode & others:
            raise Refused(
                f"{folder}: other accounts may write to it: take that right "
                "from them, or name another --state-dir"
            )
        ours = (*map(self._token, Role), self.store)
        if any(folder.iterdir()) and not any(path.exists() for path in ours):
            raise Refused(
                f"{folder} was not made by this program: name another "
                "--state-dir"
            )

    def _let_in(self, group: str) -> None:
        number = grp.getgrnam(group).gr_gid
        names = (self._token(Role.SERVICE), self._folder / DIRECTORY_CONF)
        for path, mode in (
            (self._folder, 0o710),
            *((name, 0o640) for name in names),
        ):
            shutil.chown(path, group=number)
            path.chmod(mode)

    def _token(self, role: Role) -> Path:
        return self._folder / f"{role}.token"

    def _directory_conf(self) -> str:
        settings = self._settings
        lines = [
            "# written by dirsvc-rest: nova-dirsvc-sync reads it",
            "[nova_dirsvc]",
            "directories = rest",
            "",
            "[rest]",
            f"url = {settings.url}",
        ]
        if settings.auth:
            lines += [
                "auth = bearer",
                f"token_file = {self._token(Role.SERVICE)}",
            ]
        if settings.certificate:
            lines.append("# cafile = the CA, if the system does not know it")
        if settings.client_ca:
            lines.append("# certfile, keyfile = of the daemon")
        return "\n".join(lines) + "\n"


def _read(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"no token can be read: {error}") from error
    if len(token) < SHORTEST_TOKEN or len(token.split()) != 1:
        raise Refused(
            f"{path} must hold one word of at least {SHORTEST_TOKEN} "
            "characters"
        )
    return token


def _write(path: Path, text: str) -> None:
    """Replace a file that its owner alone may read."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
