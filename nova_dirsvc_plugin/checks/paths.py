# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The files that the options name: whether they are there, and for whom."""

import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as own_options
from nova_dirsvc_plugin.checks import account, finding, options
from nova_dirsvc_plugin.directories import loading

#: Ends of the names of options that name a file to be read, and words in the
#: names of those whose files are secret.
_FILES = ("_file", "certfile", "keyfile")
_SECRETS = ("password", "token", "secret", "key", "headers")

#: Options whose values are secret.
_SECRET_VALUES = frozenset(
    {"password", "transport_url", "application_credential_secret"}
)


def check(conf: Any, daemon: account.Account) -> Iterator[finding.Finding]:
    """Check the files of options, and those that they name.

    :param conf: what has read the options
    :param daemon: the account that is to read them
    """
    for file in options.files_of(conf):
        if file.exists():
            yield from _file(str(file), file, daemon, _has_secret(file))
    try:
        directories = conf[own_options.GROUP].directories
    except (cfg.Error, ValueError):
        return
    for name in directories:
        try:
            driver = loading.register(conf, name)
        except loading.DirectoryNotLoaded:
            continue
        for option in driver.OPTS:
            yield from _named(conf, name, option.dest, daemon)
    yield from _logs(conf, daemon)


def _named(
    conf: Any, group: str, option: str, daemon: account.Account
) -> Iterator[finding.Finding]:
    """Check the file that an option names, if it names one."""
    try:
        value = conf[group][option]
    except (cfg.Error, ValueError):
        return
    if not isinstance(value, str) or not value:
        return
    subject, path = f"[{group}] {option}", pathlib.Path(value)
    if (group, option) == ("log", "path"):
        yield from _folder(subject, path.parent, daemon)
    elif option.endswith(_FILES):
        secret = any(word in option for word in _SECRETS)
        yield from _file(subject, path, daemon, secret)


def _file(
    subject: str, path: pathlib.Path, daemon: account.Account, secret: bool
) -> Iterator[finding.Finding]:
    try:
        found = path.stat()
        readable = daemon.may_read(path)
    except OSError as error:
        yield _not_seen(subject, path, error)
        return
    if not stat.S_ISREG(found.st_mode):
        yield finding.error(
            "file-no-file",
            subject,
            f"{path} is not a regular file",
            "name a file",
            fatal=True,
        )
    elif not readable:
        yield finding.error(
            "file-unreadable",
            subject,
            f"{daemon.name} may not read {path}",
            f"give it to the group {account.DAEMON}, with mode 640",
            fatal=True,
        )
    elif not found.st_size and secret:
        yield finding.error(
            "secret-empty", subject, f"{path} is empty", "write the secret"
        )
    elif secret:
        yield from _exposed(subject, path, found)


def _not_seen(
    subject: str, path: pathlib.Path, error: OSError
) -> finding.Finding:
    if isinstance(error, FileNotFoundError):
        return finding.error(
            "file-missing",
            subject,
            f"there is no file {path}",
            "make it, or correct the option",
            fatal=True,
        )
    # Who runs this may see less than the daemon.
    return finding.error(
        "file-unreadable",
        subject,
        f"{path}: {error.strerror}",
        "see that the daemon's account may search its folder",
    )


def _exposed(
    subject: str, path: pathlib.Path, found: os.stat_result
) -> Iterator[finding.Finding]:
    """Find who else may read a secret."""
    nova = account.named(account.NOVA)
    if found.st_mode & stat.S_IROTH:
        yield finding.error(
            "secret-exposed",
            subject,
            f"every account may read {path}, which has a secret",
            "run chmod o= on it",
        )
    elif nova and nova.may_read(path):
        yield finding.warning(
            "secret-exposed-to-nova",
            subject,
            f"Nova's account may read {path}, which has a secret",
            f"give it to the group {account.DAEMON}, of which nova is no"
            " member",
        )


def _folder(
    subject: str, path: pathlib.Path, daemon: account.Account
) -> Iterator[finding.Finding]:
    """Check a folder in which the daemon makes files."""
    try:
        if path.is_dir() and daemon.may_write(path):
            return
    except OSError:
        # It is behind one that may not be searched.
        pass
    if not path.is_dir():
        yield finding.error(
            "folder-missing",
            subject,
            f"there is no folder {path}",
            f"run install -d -o {daemon.name} on it",
        )
    else:
        yield finding.error(
            "folder-unwritable",
            subject,
            f"{daemon.name} may not make files in {path}",
            f"give the folder to {daemon.name}",
        )


def _logs(conf: Any, daemon: account.Account) -> Iterator[finding.Finding]:
    """Check where the daemon's own log goes, if to a file."""
    folder, file = conf.log_dir or "", conf.log_file or ""
    if folder or file:
        path = pathlib.Path(folder, file or "nova-dirsvc-sync.log")
        yield from _folder("[DEFAULT] log_file", path.parent, daemon)


def _has_secret(file: pathlib.Path) -> bool:
    sections: dict[str, dict[str, Any]] = {}
    try:
        cfg.ConfigParser(str(file), sections).parse()
    except (OSError, ValueError, cfg.Error):
        return False
    return any(
        _SECRET_VALUES & options.keys() for options in sections.values()
    )
