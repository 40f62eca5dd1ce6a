# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The listener: Nova's notifications from the message bus.

oslo.messaging connects, receives and connects again; here each batch is
stored before any of it is acknowledged. So whatever dies, the bus still has
what the outbox has not, and may deliver again what it has: the outbox knows
it by its ``message_id``.

Import it after the back end of oslo.service was chosen.
"""

import logging
import math
import threading
from collections.abc import Sequence
from typing import Any

import oslo_messaging
from oslo_messaging.notify import listener as notify_listener

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import errors, outbox, untrusted_text
from nova_dirsvc_plugin.notifications import reader as reading
from nova_dirsvc_plugin.sources import batch_store

LOG = logging.getLogger(__name__)

#: The priorities, each a queue, of each connection. Nova's are info, and
#: error now and then; a queue that its broker has lost track of holds up all
#: of its connection (https://github.com/rabbitmq/rabbitmq-server/issues/10070)
#: and must not be one that nobody uses.
CONNECTIONS = (
    ("info",),
    ("audit", "critical", "debug", "error", "sample", "warn"),
)

#: Batches that the broker sends ahead: it must not wait for our disk, and
#: what waits here must be bounded while the disk is full.
BATCHES_AHEAD = 10

_RABBIT = "oslo_messaging_rabbit"


class Server(notify_listener.BatchNotificationServer):  # type: ignore[misc]
    """Acknowledges what is stored, and leaves the rest unacknowledged.

    The broker takes that back when the connection ends, and counts that as
    one delivery. Oslo.messaging's own server gives it back at once, gets it
    again at once, and so on.
    """

    def _process_incoming(self, incoming: Sequence[Any]) -> None:
        if not self.dispatcher.dispatch(incoming):
            return
        for message in incoming:
            try:
                message.acknowledge()
            except Exception:
                LOG.exception("A message was not acknowledged")


class Batches:
    """Stores batches of messages: a dispatcher, as oslo.messaging calls it.

    Oslo.messaging's own sorts a batch by priority. This one stores a batch
    as it came.

    :param store: where to
    :ivar supported_priorities: those whose queues are listened to
    """

    def __init__(
        self,
        store: batch_store.BatchStore,
        reader: reading.NotificationReader,
        priorities: Sequence[str] = (),
    ) -> None:
        self.supported_priorities = priorities
        self._store = store
        self._reader = reader

    def dispatch(self, incoming: Sequence[Any]) -> bool:
        """Store a batch.

        :param incoming: oslo.messaging's, each with ``ctxt`` and ``message``
        :returns: whether it is stored
        """
        items = [
            item
            for one in incoming
            if (item := self._reader.read(one.ctxt, one.message)) is not None
        ]
        return not items or self._store.store(items)


class Bus:
    """The message bus that the options name.

    :ivar where: topics, exchange and hosts in words; no credentials
    :raises WrongOption: they name none, or one that cannot be used
    :raises cfg.Error: an option of oslo.messaging is wrong
    """

    def __init__(self, conf: Any) -> None:
        self._conf = conf
        self._group = conf[options.GROUP]
        if not self._group.listener_topics:
            raise errors.WrongOption(
                "[nova_dirsvc] listener_topics names none"
            )
        url = self._check()
        hosts = ", ".join(f"{one.hostname}:{one.port}" for one in url.hosts)
        self.where = (
            f"{', '.join(self._group.listener_topics)} of exchange"
            f" {self._group.listener_exchange} on {hosts or url.transport}"
        )
        #: Whether the bus keeps what we have not acknowledged.
        self.keeps = not url.transport.startswith("kafka")

    def store(
        self, entries: outbox.Outbox, stop: threading.Event
    ) -> batch_store.BatchStore:
        """Return what stores the batches of this bus.

        :param entries: where to store
        :param stop: set when this process is to end
        """
        patience = batch_store.PATIENCE if self.keeps else math.inf
        return batch_store.BatchStore(entries, stop, patience)

    def servers(self, store: batch_store.BatchStore) -> list[Server]:
        """Return those that receive once they are started; for one process.

        Start each with one thread, or batches overtake each other.
        """
        reader = reading.NotificationReader(
            # Nova sends those to our own topic only if it was told to.
            unversioned=True,
            users=self._group.record_users,
        )
        targets = [
            oslo_messaging.Target(
                exchange=self._group.listener_exchange, topic=topic
            )
            for topic in self._group.listener_topics
        ]
        transport = oslo_messaging.get_notification_transport(self._conf)
        return [
            Server(
                transport,
                targets,
                Batches(store, reader, priorities),
                executor="threading",
                batch_size=self._group.listener_batch_size,
                batch_timeout=self._group.listener_batch_timeout,
            )
            for priorities in CONNECTIONS
        ]

    def _check(self) -> oslo_messaging.TransportURL:
        """Let oslo.messaging read its options, without a connection."""
        conf = self._conf
        try:
            oslo_messaging.get_notification_transport(conf).cleanup()
            url = conf.oslo_messaging_notifications.transport_url
            parsed = oslo_messaging.TransportURL.parse(conf, url)
            untrusted_text.keep_secret(
                "transport_url", [one.password for one in parsed.hosts]
            )
        except oslo_messaging.DriverLoadFailure as error:
            raise errors.WrongOption(f"transport_url: {error}") from error
        except (oslo_messaging.InvalidTransportURL, ValueError):
            # Their messages have the URL, and so a password.
            raise errors.WrongOption(
                "transport_url is not of the form"
                " rabbit://user:password@host:port/virtual_host"
            ) from None
        place = conf.get_location("transport_url").location
        if url is None and not place.is_user_controlled:
            raise errors.WrongOption(
                "[nova_dirsvc] listen is true, but there is no transport_url,"
                " neither in [oslo_messaging_notifications] nor in [DEFAULT]"
            )
        if _RABBIT in conf:
            conf.set_default(
                "rabbit_qos_prefetch_count",
                BATCHES_AHEAD * max(10, self._group.listener_batch_size),
                group=_RABBIT,
            )
            for name in conf[_RABBIT]:
                # oslo.config checks a value when it is first read.
                conf[_RABBIT][name]
        return parsed
