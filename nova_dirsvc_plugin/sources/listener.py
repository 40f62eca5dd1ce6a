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
import time
from collections.abc import Collection, Sequence
from typing import Any

import oslo_messaging
from oslo_messaging.notify import listener as notify_listener

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import errors, events, outbox, untrusted_text
from nova_dirsvc_plugin.notifications import parked
from nova_dirsvc_plugin.notifications import reader as reading

LOG = logging.getLogger(__name__)

#: The priorities, each a queue, of each connection. Nova's are info, and
#: error now and then; a queue that its broker has lost track of holds up all
#: of its connection (https://github.com/rabbitmq/rabbitmq-server/issues/10070)
#: and must not be one that nobody uses.
CONNECTIONS = (
    ("info",),
    ("audit", "critical", "debug", "error", "sample", "warn"),
)

#: Seconds between two tries to store a batch.
RETRY_INTERVAL = 1.0

#: Seconds between two complaints that it cannot be stored.
COMPLAINT_INTERVAL = 60.0

#: Batches that the broker sends ahead: it must not wait for our disk, and
#: what waits here must be bounded while the disk is full.
BATCHES_AHEAD = 10

_RABBIT = "oslo_messaging_rabbit"


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

    def servers(
        self, entries: outbox.Outbox, stop: threading.Event
    ) -> list[notify_listener.BatchNotificationServer]:
        """Return those that receive once they are started; for one process.

        Start each with one thread, or batches overtake each other.

        :param entries: where to store
        :param stop: set when this process is to end
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
            notify_listener.BatchNotificationServer(
                transport,
                targets,
                Batches(entries, reader, stop, priorities),
                executor="threading",
                allow_requeue=True,
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


class Batches:
    """Stores batches of messages: a dispatcher, as oslo.messaging calls it.

    Oslo.messaging's own sorts a batch by priority, and gives a batch back
    for ever when it cannot take one of its messages apart. This one stores a
    batch as it came, and parks such a message.

    :param entries: where to
    :param stop: set when this process is to end
    :ivar supported_priorities: those whose queues are listened to
    """

    def __init__(
        self,
        entries: outbox.Outbox,
        reader: reading.NotificationReader,
        stop: threading.Event,
        priorities: Sequence[str] = (),
    ) -> None:
        self.supported_priorities = priorities
        self._outbox = entries
        self._reader = reader
        self._stop = stop

    def dispatch(self, incoming: Sequence[Any]) -> Collection[Any]:
        """Store a batch; wait as long as it cannot be.

        :param incoming: oslo.messaging's, each with ``ctxt`` and ``message``
        :returns: those that the bus has to take back: none, or all
        """
        items = [
            item
            for one in incoming
            if (item := self._read(one.ctxt, one.message)) is not None
        ]
        return () if self._store(items) else set(incoming)

    def _read(
        self, ctxt: Any, message: Any
    ) -> events.Event | events.Parked | None:
        try:
            return self._reader.read(ctxt, message)
        except Exception as error:
            LOG.exception(
                "A notification is parked in the outbox: report this as a bug"
            )
            return _parked(message, error)

    def _store(self, items: list[events.Event | events.Parked]) -> bool:
        """Store items in one transaction, however long that takes.

        :returns: False when it was not possible before the end
        """
        complained = -math.inf
        while items:
            try:
                numbers = self._outbox.put_all(items)
            except outbox.OutboxError as error:
                if time.monotonic() - complained > COMPLAINT_INTERVAL:
                    complained = time.monotonic()
                    LOG.error(
                        "%d events are not stored, and not acknowledged:"
                        " tried again until they are: %s",
                        len(items),
                        error,
                    )
                if self._stop.wait(RETRY_INTERVAL):
                    return False
            except Exception:
                LOG.exception("One of %d events cannot be stored", len(items))
                left = map(self._put_alone, items)
                items = [item for item in left if item is not None]
            else:
                if complained > -math.inf:
                    LOG.info("%d events are stored at last", len(items))
                for item, number in zip(items, numbers, strict=True):
                    _say(item, number)
                return True
        return True

    def _put_alone(
        self, item: events.Event | events.Parked
    ) -> events.Event | events.Parked | None:
        """Store an item if that is possible now.

        :returns: what is left to store: the item, or what can be parked of
            one that breaks the outbox
        """
        try:
            _say(item, self._outbox.put(item))
        except outbox.OutboxError:
            return item
        except Exception as error:
            message = (
                item.notification
                if isinstance(item, events.Parked)
                else {
                    "message_id": item.message_id,
                    "event_type": item.event_type,
                }
            )
            return _parked(message, error, item.instance_uuid)
        return None


def _parked(
    message: object, error: Exception, instance_uuid: str = ""
) -> events.Parked:
    """Park a message that breaks the reader or the outbox.

    It is kept in characters that the outbox can store.
    """
    found = parked.notification(None, message, error, instance_uuid)
    kept = {
        key: value if key == "payload" else _ascii(value)
        for key, value in found.notification.items()
    }
    return events.Parked(
        kept, instance_uuid, _ascii(f"{type(error).__name__}: {error}")
    )


def _ascii(value: object) -> str:
    return str(value or "").encode("ascii", "backslashreplace").decode()


def _say(item: events.Event | events.Parked, number: int | None) -> None:
    """Log that an item is stored, unless it was before."""
    if number is None:
        return
    verb = "park" if isinstance(item, events.Parked) else item.verb
    instance = item.instance_uuid or "unknown"
    LOG.info("Outbox entry %s: %s instance %s: stored", number, verb, instance)
