# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Changes that several threads do side by side."""

import collections
import itertools
import threading
import time
from collections.abc import Iterator, Sequence

from nova_dirsvc_plugin.directories import base


class Batch:
    """Changes that several threads take from, and their outcomes.

    :param begin_before: when no more is begun, :func:`time.monotonic`
    :ivar waits: the seconds that the service asked to be left alone, for
        each change that it said so of
    """

    def __init__(
        self, changes: Sequence[base.Change], begin_before: float
    ) -> None:
        self._waiting = collections.deque(enumerate(changes))
        self._outcomes: list[base.Outcome | None] = [None] * len(changes)
        self._begin_before = begin_before
        self._bad_omens = itertools.count(1)
        self._over = threading.Event()
        self._why = base.Unavailable("the service is slow: not begun yet")
        self.waits: list[float] = []

    def __iter__(self) -> Iterator[tuple[int, base.Change]]:
        """Take what nobody has taken."""
        while (
            not self._over.is_set() and time.monotonic() < self._begin_before
        ):
            try:
                yield self._waiting.popleft()
            except IndexError:
                return

    def settle(
        self, index: int, outcome: base.Outcome, bodes_ill: bool
    ) -> None:
        """Note what became of a change.

        :param bodes_ill: others may fare likewise: no more is begun when
            that is said a second time, of another
        """
        self._outcomes[index] = outcome
        if not isinstance(outcome, base.Unavailable):
            return
        if outcome.retry_after:
            self.waits.append(outcome.retry_after)
        if bodes_ill and next(self._bad_omens) > 1:
            self.end(outcome)

    def end(self, why: base.Unavailable) -> None:
        """Begin no more."""
        self._why = why
        self._over.set()

    def outcomes(self) -> list[base.Outcome]:
        """Give them all; those that have none wait. The end."""
        self._over.set()
        return [outcome or self._why for outcome in self._outcomes]
