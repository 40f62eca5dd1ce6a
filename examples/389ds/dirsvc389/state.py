# SPDX-License-Identifier: Apache-2.0
"""The state folder: passwords, the CA, and the daemon's directory.conf."""

import grp
import os
import secrets
from pathlib import Path

from dirsvc389.settings import Refused, Settings

DIRECTORY_CONF = "directory.conf"
OPERATORS_CONF = "nova-dirsvc.conf"  # never ours to write or remove
CA_CERTIFICATE = "ca.crt"
MANAGER_PASSWORD = "manager.password"  # noqa: S105
SERVICE_PASSWORD = "service.password"  # noqa: S105
READER_PASSWORD = "reader.password"  # noqa: S105
UNFINISHED = "deploy.unfinished"
FILES = (
    DIRECTORY_CONF,
    CA_CERTIFICATE,
    MANAGER_PASSWORD,
    SERVICE_PASSWORD,
    READER_PASSWORD,
    UNFINISHED,
)
SHORTEST_PASSWORD = 8  # dscreate's own rule


class State:
    """The files that a deployment leaves for its operator and the daemon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.state_dir

    def path(self, name: str) -> Path:
        return self.folder / name

    def password(
        self, name: str, given: Path | None, group: str | None = None
    ) -> str:
        """Return a password that lasts: the given one, ours, or a new one.

        :param given: file of the operator, read anew at each deploy
        :param group: group that may read the file
        """
        path = self.path(name)
        if given is not None:
            secret = read_password(given)
        elif path.exists():
            secret = read_password(path)
        else:
            secret = secrets.token_urlsafe(24)
        # no newline at the end: ldapsearch -y would send it
        write_private(path, secret, group)
        return secret

    def write_conf(self) -> None:
        settings = self._settings
        _replace(
            self.path(DIRECTORY_CONF),
            "# written by dirsvc-389ds: nova-dirsvc-sync reads it\n"
            "[nova_dirsvc]\n"
            f"owner = {settings.owner}\n"
            "\n"
            "[ldap]\n"
            f"url = {settings.url}\n"
            f"user = {settings.service_dn}\n"
            f"password_file = {self.path(SERVICE_PASSWORD)}\n"
            f"hosts_tree_dn = {settings.hosts_tree_dn}\n"
            "use_tls = true\n"
            f"tls_cacertfile = {self.path(CA_CERTIFICATE)}\n",
            0o644,
        )

    def confs(self) -> list[Path]:
        """Return what the daemon is to read: the operator's options last.

        Of an option that is in several files the last one counts.
        """
        ours, theirs = self.path(DIRECTORY_CONF), self.path(OPERATORS_CONF)
        return [ours, theirs] if theirs.exists() else [ours]

    def write_ca(self, certificate: str) -> None:
        _replace(self.path(CA_CERTIFICATE), certificate, 0o644)

    def begin(self) -> None:
        """Note that a first deploy is under way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        _replace(self.path(UNFINISHED), "", 0o644)

    def finish(self) -> None:
        self.path(UNFINISHED).unlink(missing_ok=True)

    @property
    def unfinished(self) -> bool:
        return self.path(UNFINISHED).exists()

    def remove(self) -> None:
        """Remove our files, and the folder if nothing else is in it."""
        for name in FILES:
            self.path(name).unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def read_password(path: Path) -> str:
    """:raises Refused: when the file holds no usable password"""
    try:
        secret = path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"no password can be read: {error}") from error
    if len(secret) < SHORTEST_PASSWORD or "\n" in secret:
        raise Refused(
            f"{path} must hold one line of at least {SHORTEST_PASSWORD} "
            "characters"
        )
    return secret


def write_private(path: Path, text: str, group: str | None) -> None:
    """Replace a file that its owner, and the group if any, may read."""
    if group is None:
        _replace(path, text, 0o600)
    else:
        _replace(path, text, 0o640, grp.getgrnam(group).gr_gid)


def _replace(path: Path, text: str, mode: int, group: int = -1) -> None:
    """Replace a file, or a link that another has put in its place.

    :param mode: no umask narrows it
    :param group: its number; -1 for the one that a new file gets
    """
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)
    new.replace(path)
