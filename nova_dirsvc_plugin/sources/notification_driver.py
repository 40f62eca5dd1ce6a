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

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg
from oslo_messaging.notify import notifier

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.notifications import reader
from nova_dirsvc_plugin.sources import buffered_writer

LOG = logging.getLogger(__name__)

#: Seconds that a call waits for another process's commit, which takes
#: milliseconds. After that the event is held in memory, and no call waits.
BUSY_TIMEOUT = 1.0


class OutboxDriver(notifier.Driver):  # type: ignore[misc]
    """Stores the events of instances in this host's outbox.

    :param conf: Nova's own configuration
    :param topics: not used: the event type tells the two formats apart
    :param transport: not used: no message bus is involved
    """

    def __init__(
        self, conf: Any, topics: Sequence[str], transport: object
    ) -> None:
        super().__init__(conf, topics=topics, transport=transport)
        conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
        path = conf[options.GROUP].outbox
        self._intake = buffered_writer.Intake(
            outbox.Outbox(path, BUSY_TIMEOUT)
        )
        self._reader = reader.Reader(
            legacy=_notification_format(conf) == "unversioned",
            users=conf[options.GROUP].record_users,
        )
        LOG.info("Notification driver nova_dirsvc loaded, outbox %s", path)

    def notify(
        self,
        ctxt: Mapping[str, Any],
        message: Mapping[str, Any],
        priority: str,
        retry: int | None,
    ) -> None:
        """Store the event on disk, or nothing when it is none for us.

        Never raises and never waits for anything but the local disk.
        """
        try:
            self._intake.take(self._reader.read(ctxt, message))
        except Exception:
            # Nova must go on, whatever we did not think of.
            LOG.exception(
                "Notification %s of type %s is lost: report this as a bug",
                message.get("message_id"),
                message.get("event_type"),
            )


def _notification_format(conf: Any) -> str:
    """Read Nova's own option, which says in which form it notifies."""
    try:
        return str(conf.notifications.notification_format)
    except cfg.NoSuchOptError:
        return "versioned"
