# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Runs checks side by side, and waits for none of them too long."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from nova_dirsvc_plugin.checks import finding

LOG = logging.getLogger(__name__)

Check = Callable[[], Iterable[finding.Finding]]


class _Running:
    """One check, in a thread of its own.

    It may hang in a library: nobody joins it when the process ends.
    """

    def __init__(self, subject: str, check: Check) -> None:
        self.subject = subject
        self._check = check
        self._found: list[finding.Finding] = []
        self._thread = threading.Thread(
            target=self._run, name=f"check {subject}", daemon=True
        )
        self._thread.start()

    def _run(self) -> None:
        try:
            for one in self._check():
                self._found.append(one)
        except Exception as error:
            LOG.exception("%s: not checked", self.subject)
            self._found.append(
                finding.error(
                    "not-checked",
                    self.subject,
                    f"{type(error).__name__}: {error}",
                    "report this as a bug",
                )
            )

    def result(self, seconds: float) -> list[finding.Finding]:
        """Wait for the end, but not for longer; return what is found."""
        self._thread.join(max(seconds, 0.0))
        is_late = self._thread.is_alive()
        found = list(self._found)
        if is_late:
            found.append(
                finding.error(
                    "no-answer",
                    self.subject,
                    "it does not answer in time",
                    "see its load and its log, and the network between",
                )
            )
        return found or [finding.ok(self.subject)]


def run(checks: Mapping[str, Check], limit: float) -> list[finding.Finding]:
    """Run checks side by side.

    :param checks: by the subject of each
    :param limit: seconds for all of them
    :returns: at least one line for each, in their order
    """
    ends_at = time.monotonic() + limit
    running = [_Running(subject, check) for subject, check in checks.items()]
    return [
        one
        for check in running
        for one in check.result(ends_at - time.monotonic())
    ]
