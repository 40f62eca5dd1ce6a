# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The hook of today's Nova: an oslo.messaging notification driver.

Nova loads it by name from nova.conf::

    [oslo_messaging_notifications]
    driver = messagingv2
    driver = nova_dirsvc

It runs inside nova-api, the conductors and the computes, in native threads
or under eventlet, so it does one local write and returns.
"""

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg
from oslo_messaging.notify import notifier

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.notifications import reader
from nova_dirsvc_plugin.sources import buffered_writer

LOG = logging.getLogger(__name__)


class OutboxDriver(notifier.Driver):  # type: ignore[misc]
    """Stores the events of instances in this host's outbox.

    :param conf: Nova's own configuration
    :param topics: named in the log; the event type tells the two formats
        apart
    :param transport: not used: no message bus is involved
    """

    def __init__(
        self, conf: Any, topics: Sequence[str], transport: object
    ) -> None:
        super().__init__(conf, topics=topics, transport=transport)
        self._writer = buffered_writer.BufferedWriter.from_conf(conf)
        own = conf[options.GROUP]
        self._path = own.outbox
        self._reader = reader.NotificationReader(
            unversioned=_notification_format(conf) == "unversioned",
            users=own.record_users,
        )
        self._announced_in: int | None = None

    def notify(
        self,
        ctxt: Mapping[str, Any],
        message: Mapping[str, Any],
        priority: str,
        retry: int | None,
    ) -> None:
        """Store the event on disk, unless it is of another type.

        Never raises and never waits for anything but the local disk.
        """
        # Nova must continue after an unexpected error, and even if that
        # cannot be logged: RecursionError passes through logging.
        with contextlib.suppress(Exception):
            try:
                self._announce()
                self._writer.take(self._reader.read(ctxt, message))
            except Exception:
                LOG.exception("A notification is lost: report this as a bug")

    def _announce(self) -> None:
        """Log once in each process that the driver is loaded.

        Nova makes its notifiers before it sets logging up (``rpc.init`` in
        ``nova/config.py``), so a line that is logged by the constructor is in
        no log. Workers are forked afterwards.
        """
        if self._announced_in != os.getpid():
            self._announced_in = os.getpid()
            LOG.info(
                "Notification driver nova_dirsvc loaded for topic %s,"
                " outbox %s",
                ", ".join(self.topics) or "none",
                self._path,
            )


def _notification_format(conf: Any) -> str:
    """Read Nova's own option, which says in which form it notifies."""
    try:
        return str(conf.notifications.notification_format)
    except cfg.NoSuchOptError:
        return "versioned"
