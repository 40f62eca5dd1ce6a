# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reports what a process of Nova's keeps in memory: log and ``status``."""

import contextlib
import logging
import pathlib
import time

from nova_dirsvc_plugin.outbox import unstored
from nova_dirsvc_plugin.sources import disk_call

LOG = logging.getLogger(__name__)

#: Seconds between two log lines that say what is held.
COMPLAINT_INTERVAL = 60.0


class HeldReport:
    """The reports of one writer, one at a time.

    :param path: of the outbox
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._file = unstored.Report(path)
        self._shown = 0, 0.0
        self._complaint = 0.0

    def update(self, number: int, oldest: float, why: str) -> None:
        """Report what is held now.

        :param number: of events; 0: nothing
        :param oldest: monotonic seconds, when the oldest came
        """
        now = time.monotonic()
        before, self._shown = self._shown, (number, oldest)
        # The log has it, whether or not the folder can be written to.
        with contextlib.suppress(OSError):
            if before != self._shown:
                self._show(number, time.time() - (now - oldest))
        if not before[0]:
            self._complaint = now + COMPLAINT_INTERVAL
        elif number and now > self._complaint:
            self._complaint = now + COMPLAINT_INTERVAL
            LOG.error(
                "%d events are not stored, kept in memory and tried again,"
                " the oldest for %.0f s: %s",
                number,
                now - oldest,
                why,
            )

    def _show(self, number: int, since: float) -> None:
        if number:
            disk_call.run(lambda: self._file.show(number, since))
        else:
            disk_call.run(self._file.remove)

    def leave(self) -> None:
        """In a child: what is reported is the parent's."""
        self._file.leave()
