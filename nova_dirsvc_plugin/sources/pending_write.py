# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An event on its way to the disk."""

import dataclasses
import logging

from nova_dirsvc_plugin import outbox

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False, slots=True)
class PendingWrite:
    """An item to store, and what has become of it.

    :ivar words: what it is, for the log
    :ivar taken_at: monotonic seconds
    :ivar held: its caller has gone on without it
    """

    item: outbox.Item
    words: str
    taken_at: float
    stored: bool = False
    number: int | None = None
    held: bool = False

    def say_stored(self) -> None:
        if self.number is not None:
            LOG.info("Outbox entry %s: %s: stored", self.number, self.words)
