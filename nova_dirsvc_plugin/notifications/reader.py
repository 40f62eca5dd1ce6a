# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""From a notification to what the outbox stores of it."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.notifications import parse

LOG = logging.getLogger(__name__)

#: What is read of a request context, and so all that may be parked of it.
_CONTEXT_KEYS = (
    "user_id",
    "user_name",
    "project_id",
    "project_name",
    "request_id",
)


class Reader:
    """Reads notifications as one source's options ask for.

    :param legacy: whether to read unversioned notifications, too; where
        Nova sends both kinds, each event would count twice
    :param users: whether user names and remote addresses are recorded
    """

    def __init__(self, *, legacy: bool = False, users: bool = True) -> None:
        self._legacy = legacy
        self._users = users

    def read(
        self, ctxt: Mapping[str, Any], message: Mapping[str, Any]
    ) -> events.Event | outbox.Parked | None:
        """Give what to store of a notification; None if it is none for us.

        :param ctxt: the request context; nothing but names and ids is kept
        :param message: as oslo.messaging gives it to a driver
        """
        event_type = message.get("event_type")
        if not parse.concerns(event_type):
            return None
        if parse.is_legacy(event_type) and not self._legacy:
            return None
        message_id = message.get("message_id")

        def complain(what: str) -> None:
            LOG.warning("Notification %s: left out: %s", message_id, what)

        try:
            event = parse.parse(ctxt, message, complain)
        except parse.Unreadable as error:
            return self._parked(ctxt, message, error)
        if event is None or self._users:
            return event
        return dataclasses.replace(event, record=without_users(event.record))

    def _parked(
        self,
        ctxt: Mapping[str, Any],
        message: Mapping[str, Any],
        error: parse.Unreadable,
    ) -> outbox.Parked:
        LOG.error(
            "Notification %s (%s) of instance %s cannot be understood: %s."
            " It is parked in the outbox",
            message.get("message_id"),
            message.get("event_type"),
            error.instance_uuid or "unknown",
            error,
        )
        notification = {
            key: message.get(key)
            for key in ("message_id", "event_type", "timestamp")
        }
        notification["payload"] = parse.essential(message.get("payload"))
        notification["ctxt"] = {
            key: ctxt.get(key)
            for key in _CONTEXT_KEYS
            if self._users or key != "user_name"
        }
        return outbox.Parked(notification, error.instance_uuid, str(error))


def without_users(record: events.HostRecord) -> events.HostRecord:
    """Leave out who asked, and from where."""
    return dataclasses.replace(record, user_name="", user_remote_address="")
