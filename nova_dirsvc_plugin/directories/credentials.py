# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Credentials from files; one that was refused is not sent again soon.

A server may lock an account whose password was wrong a few times.
"""

import dataclasses
import pathlib
import time

from nova_dirsvc_plugin.directories import base

#: Seconds before a credential that was refused is sent again. Servers forget
#: failures sooner: 389 DS in 10 minutes.
REFUSED_FOR = 900.0


@dataclasses.dataclass(frozen=True)
class Credential:
    """A secret, and when its file was written."""

    text: str = dataclasses.field(repr=False)
    written_at: int

    @classmethod
    def read(cls, path: str) -> "Credential":
        """Read a file, without the line feed at its end.

        :raises OSError: it cannot be read
        :raises ValueError: it is no text
        """
        file = pathlib.Path(path)
        return cls(file.read_text().rstrip("\r\n"), file.stat().st_mtime_ns)


class Refused(base.DirectoryUnavailable):
    """The server has refused the credential; it is not sent to another."""


class Refusals:
    """Remembers the last credential that was refused."""

    def __init__(self) -> None:
        self._credential: Credential | None = None
        self._until = 0.0
        self._reason = ""

    def add(self, credential: Credential, reason: str) -> str:
        """Take note of a refusal.

        :returns: the reason, and what becomes of the credential
        """
        self._reason = (
            f"{reason}; the credential is not sent again for"
            f" {REFUSED_FOR / 60:.0f} minutes, lest the account be locked, or"
            " until the file is written"
        )
        self._credential = credential
        self._until = time.monotonic() + REFUSED_FOR
        return self._reason

    def check(self, credential: Credential) -> None:
        """Check that a credential may be sent.

        :raises DirectoryUnavailable: it was refused
        """
        if credential == self._credential and time.monotonic() < self._until:
            raise base.DirectoryUnavailable(self._reason)
