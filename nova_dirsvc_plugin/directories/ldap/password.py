# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The password of the LDAP driver: read from its file, never sent in vain."""

from nova_dirsvc_plugin import untrusted_text
from nova_dirsvc_plugin.directories import base, credentials


class Passwords:
    """Reads the password for each connection.

    The servers of an account are replicas, so one that one of them refused is
    sent to none soon. Where another accepts it then, the first is behind, and
    hinders the others no more.

    :param user: the DN to bind as; without one there is no password
    :param file: the path of the password's file
    """

    def __init__(self, user: str, file: str) -> None:
        self._user = user
        self._path = file
        self._refusals = credentials.Refusals()
        #: The server that was the last to refuse a password, and those that
        #: have refused one that another has accepted since.
        self._refused: tuple[str, credentials.Credential] | None = None
        self._behind: set[tuple[str, credentials.Credential]] = set()

    def read(self) -> credentials.Credential | None:
        """Return the password to send, if one is needed.

        :raises DirectoryUnavailable: it cannot be read, or was refused
        """
        if not self._user:
            return None
        try:
            password = credentials.Credential.read(self._path)
        except (OSError, ValueError) as error:
            raise base.DirectoryUnavailable(
                f"[ldap] password_file: {error}"
            ) from error
        untrusted_text.keep_secret("[ldap] password_file", [password.text])
        self._refusals.check(password)
        return password

    def accepted(
        self, url: str, password: credentials.Credential | None
    ) -> None:
        """Take note that a server accepted the bind."""
        if self._refused and self._refused[1] == password:
            self._behind.add(self._refused)
        if password is not None:
            self._behind.discard((url, password))
        self._refused = None

    def refused(
        self, url: str, password: credentials.Credential | None, words: str
    ) -> base.DirectoryUnavailable:
        """Take note that a server refused the bind.

        :param words: the server's; a password that has expired was right
        :returns: the reason, and what to do
        """
        reason = (
            f"{url}: bind as {self._user!r} failed: {words}: check [ldap] user"
            " and password_file"
        )
        if (
            password is None
            or "expired" in words.lower()
            or (url, password) in self._behind
        ):
            return base.DirectoryUnavailable(reason)
        self._refused = url, password
        return credentials.Refused(self._refusals.add(password, reason))
