# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stores what the message bus delivers, and says when it cannot.

A broker may count how often it has delivered a message, and drop it after so
many times. So what cannot be stored is never given back to come again at
once: nothing more is taken then, until the outbox can be written.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.sources import storing

LOG = logging.getLogger(__name__)

#: Seconds between two tries to store a batch.
RETRY_INTERVAL = 1.0

#: Seconds between two complaints that it cannot be stored.
COMPLAINT_INTERVAL = 60.0

#: Seconds that a batch waits for the outbox before the listener leaves the
#: bus. A broker does not wait for an acknowledgement for ever.
PATIENCE = 5.0

_Items = Sequence[events.Event | events.Parked]


class BatchStore:
    """The outbox, as the consumers of one process use it.

    :param stop: set when this process is to end
    :param patience: seconds; infinite where a bus forgets what it delivers
    :ivar failing: set when nothing more is to be received
    """

    def __init__(
        self,
        entries: outbox.Outbox,
        stop: threading.Event,
        patience: float = PATIENCE,
    ) -> None:
        self._outbox = entries
        self._stop = stop
        self._patience = patience
        self._left: list[events.Event | events.Parked] = []
        self._complained = -math.inf
        self.failing = threading.Event()

    def store(self, items: _Items) -> bool:
        """Store items in one transaction; wait a while if that fails.

        :returns: False when they are not stored: do not acknowledge them
        """
        end = time.monotonic() + self._patience
        while not self.failing.is_set():
            try:
                self._put(items)
            except outbox.OutboxError as error:
                self._complain(
                    f"{len(items)} events are not stored, and not"
                    f" acknowledged: {error}"
                )
                if time.monotonic() > end:
                    # One without an id would be stored again.
                    self._left += [one for one in items if _message_id(one)]
                    self.failing.set()
                elif self._stop.wait(RETRY_INTERVAL):
                    return False
            else:
                return True
        return False

    def wait_until_writable(self) -> bool:
        """Wait until there is room for what the bus may deliver.

        :returns: False when this process is to end
        """
        while not self._stop.is_set():
            try:
                if self._left:
                    self._put(self._left)
                else:
                    self._outbox.check_room()
            except outbox.OutboxError as error:
                self._complain(
                    f"Not listening: the outbox cannot be written: {error}"
                )
                self._stop.wait(RETRY_INTERVAL)
            else:
                self._left.clear()
                self.failing.clear()
                return True
        return False

    def _put(self, items: _Items) -> None:
        numbers = storing.store(self._outbox.put_all, items)
        if self._complained > -math.inf:
            LOG.info("%d events are stored at last", len(items))
            self._complained = -math.inf
        for item, number in zip(items, numbers, strict=True):
            if number is not None:
                what = storing.words(item)
                LOG.info("Outbox entry %s: %s: stored", number, what)

    def _complain(self, what: str) -> None:
        if time.monotonic() - self._complained > COMPLAINT_INTERVAL:
            self._complained = time.monotonic()
            LOG.error("%s. Tried again until it can be", what)


def _message_id(item: events.Event | events.Parked) -> object:
    if isinstance(item, events.Event):
        return item.message_id
    return item.notification.get("message_id")
