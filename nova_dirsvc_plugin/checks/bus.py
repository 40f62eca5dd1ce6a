# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The message bus, as far as the listener needs it.

Import it after the back end of oslo.service was chosen.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import kombu
import oslo_messaging
from amqp import exceptions as amqp_exceptions
from oslo_config import cfg

from nova_dirsvc_plugin import conf as own_options
from nova_dirsvc_plugin import errors
from nova_dirsvc_plugin.checks import finding, network
from nova_dirsvc_plugin.sources import listener

SUBJECT = "message bus"

_RABBIT = "oslo_messaging_rabbit"


def check(conf: Any) -> Iterator[finding.Finding]:
    """Check the bus that the options name.

    :param conf: what has read the options
    """
    try:
        listener.Bus(conf)
    except (errors.WrongOption, cfg.Error) as error:
        yield finding.error(
            "bus-options", SUBJECT, str(error), "correct it", fatal=True
        )
        return
    url = oslo_messaging.TransportURL.parse(
        conf, conf.oslo_messaging_notifications.transport_url
    )
    found: list[finding.Finding] = []
    for host in url.hosts:
        if host.hostname:
            found += _host(conf, url, host)
    lesser = len(found) < len(url.hosts)
    for one in found:
        yield (
            finding.warning(one.name, one.subject, one.finding, one.remedy)
            if lesser
            else one
        )


def _host(conf: Any, url: Any, host: Any) -> Sequence[finding.Finding]:
    port = host.port or (5672 if url.transport == "rabbit" else 9092)
    found = network.check_host(SUBJECT, host.hostname, port)
    if found or url.transport != "rabbit" or conf[_RABBIT].ssl:
        return found
    place = f"{host.hostname}:{port}"
    broker = kombu.Connection(
        hostname=host.hostname,
        port=port,
        userid=host.username or "guest",
        password=host.password or "guest",
        virtual_host=url.virtual_host or "/",
        transport="amqp",
        connect_timeout=network.LIMIT,
    )
    try:
        with broker:
            broker.connect()
            return _exchange(conf, broker, place)
    except (OSError, amqp_exceptions.AMQPError) as error:
        return [_failure(error, place, url.virtual_host)]


def _failure(
    error: Exception, place: str, virtual_host: str | None
) -> finding.Finding:
    match error:
        case amqp_exceptions.AccessRefused():
            name = "bus-refuses"
            remedy = "correct user and password in transport_url"
        case amqp_exceptions.NotAllowed() | amqp_exceptions.NotFound():
            name = "bus-virtual-host"
            remedy = (
                "correct the virtual host in transport_url, or give the"
                " account its rights there"
            )
        case _:
            name, remedy = "bus-fails", "see the log of the broker"
    return finding.error(
        name,
        SUBJECT,
        f"{place}, virtual host {virtual_host or '/'}: {error}",
        remedy,
    )


def _exchange(
    conf: Any, broker: kombu.Connection, place: str
) -> Sequence[finding.Finding]:
    """See whether Nova has ever sent anything here."""
    name = conf[own_options.GROUP].listener_exchange
    try:
        broker.default_channel.exchange_declare(name, "topic", passive=True)
    except amqp_exceptions.NotFound:
        return [
            finding.warning(
                "bus-exchange",
                SUBJECT,
                f"{place} has no exchange {name}: Nova has sent nothing there",
                "correct listener_exchange or transport_url, or see whether"
                " Nova runs",
            )
        ]
    return []
