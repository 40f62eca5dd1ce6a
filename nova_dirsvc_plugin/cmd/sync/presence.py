# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""How many of the daemon's processes do something now.

Each that does has a place: a byte of a file in memory that it has locked. The
kernel ends a lock with its process, however that ends.
"""

import fcntl
import os


class Presence:
    """The places of processes; made before they are forked.

    :param places: how many processes there will be
    """

    def __init__(self, places: int) -> None:
        self._places = range(places)
        self._file = os.memfd_create("nova-dirsvc-presence")
        self._mine: int | None = None

    def enter(self) -> None:
        """Take a place, if this process has none.

        Who counts has one for a moment: it may take another call.
        """
        if self._mine is None:
            self._mine = next(filter(self._lock, self._places), None)

    def leave(self) -> None:
        """Give the place back."""
        if self._mine is not None:
            self._unlock(self._mine)
            self._mine = None

    def count(self) -> int:
        """Count the places that other processes have."""
        taken = 0
        for place in self._places:
            if self._lock(place):
                self._unlock(place)
            else:
                taken += 1
        return taken

    def _lock(self, place: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        return True

    def _unlock(self, place: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)
