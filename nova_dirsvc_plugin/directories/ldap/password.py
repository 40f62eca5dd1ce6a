# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The password of the LDAP driver: read from its file, never sent in vain.

A server may lock an account whose password was wrong a few times, so one that
was refused is not sent again soon.
"""

import dataclasses
import pathlib
import time

from nova_dirsvc_plugin import untrusted_text
from nova_dirsvc_plugin.directories import base

#: Seconds before a password that was refused is sent again. Servers forget
#: failures sooner: 389 DS in 10 minutes.
_REFUSED_FOR = 900.0


@dataclasses.dataclass(frozen=True)
class Password:
    """A password, and when its file was written."""

    text: str = dataclasses.field(repr=False)
    written_at: int


@dataclasses.dataclass(frozen=True)
class _Refusal:
    """A password that a server refused, and the words for it."""

    password: Password
    until: float
    reason: str


class Passwords:
    """Reads the password for each connection.

    :param user: the DN to bind as; without one there is no password
    :param file: the path of the password's file
    """

    def __init__(self, user: str, file: str) -> None:
        self._user = user
        self._path = pathlib.Path(file)
        self._refusals: dict[str, _Refusal] = {}

    def read(self, url: str) -> Password | None:
        """Return the password to send to a server, if one is needed.

        :raises DirectoryUnavailable: it cannot be read, or was refused
        """
        if not self._user:
            return None
        try:
            password = Password(
                self._path.read_text().rstrip("\n"),
                self._path.stat().st_mtime_ns,
            )
        except (OSError, UnicodeError) as error:
            raise base.DirectoryUnavailable(
                f"[ldap] password_file: {error}"
            ) from error
        untrusted_text.keep_secret("[ldap] password_file", [password.text])
        refusal = self._refusals.get(url)
        if (
            refusal
            and refusal.password == password
            and time.monotonic() < refusal.until
        ):
            raise base.DirectoryUnavailable(refusal.reason)
        return password

    def refused(self, url: str, password: Password | None, words: str) -> str:
        """Take note that a server refused the bind.

        :param words: the server's; a password that has expired was right
        :returns: the reason, and what to do
        """
        reason = (
            f"{url}: bind as {self._user!r} failed: {words}: check [ldap] user"
            " and password_file"
        )
        if password is None or "expired" in words.lower():
            return reason
        reason += (
            "; the password is not sent again for"
            f" {_REFUSED_FOR / 60:.0f} minutes, lest the account be locked,"
            " or until the file is written"
        )
        self._refusals[url] = _Refusal(
            password, time.monotonic() + _REFUSED_FOR, reason
        )
        return reason
