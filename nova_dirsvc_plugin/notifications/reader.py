# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Reads notifications: from a message to what the outbox stores of it."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin import events, untrusted_text
from nova_dirsvc_plugin.notifications import parked, parse

LOG = logging.getLogger(__name__)


class NotificationReader:
    """Reads notifications as one source's options ask for.

    :param unversioned: whether to read unversioned notifications, too; where
        Nova sends both kinds, each event would count twice
    :param users: whether user names and remote addresses are recorded
    """

    def __init__(
        self, *, unversioned: bool = False, users: bool = True
    ) -> None:
        self._unversioned = unversioned
        self._users = users

    def read(
        self, ctxt: Mapping[str, Any], message: Mapping[str, Any]
    ) -> events.Event | events.Parked | None:
        """Return what to store of a notification; None if it is ignored.

        Nothing is raised, whatever it is.

        :param ctxt: the request context; nothing but names and ids is kept
        :param message: in the form that oslo.messaging hands to a driver
        """
        try:
            return self._read(ctxt, message)
        except Exception as error:
            LOG.exception(
                "A notification is parked in the outbox: report this as a bug"
            )
            return parked.stub(message, error)

    def _read(
        self, ctxt: Mapping[str, Any], message: Mapping[str, Any]
    ) -> events.Event | events.Parked | None:
        if not isinstance(message, Mapping):
            error = parse.Unreadable("the message is not a mapping")
            return self._parked(ctxt, {}, error)
        event_type = message.get("event_type")
        if not parse.concerns(event_type):
            return None
        if parse.is_unversioned(event_type) and not self._unversioned:
            return None
        message_id = message.get("message_id")

        def warn(what: str) -> None:
            LOG.warning(
                "Notification %s: value ignored: %s",
                untrusted_text.on_one_line(message_id),
                untrusted_text.on_one_line(what),
            )

        if not isinstance(ctxt, Mapping):
            # What it lacks then, other notifications may have.
            warn("the request context is not a mapping")
            ctxt = {}
        try:
            event = parse.parse(ctxt, message, warn)
        except parse.Unreadable as error:
            return self._parked(ctxt, message, error)
        if event is None or self._users:
            return event
        record = dataclasses.replace(
            event.record, user_name="", user_remote_address=""
        )
        return dataclasses.replace(event, record=record)

    def _parked(
        self, ctxt: object, message: Mapping[str, Any], error: parse.Unreadable
    ) -> events.Parked:
        LOG.error(
            "Notification %s (%s) of instance %s cannot be understood:"
            " %s. It is parked in the outbox",
            untrusted_text.on_one_line(message.get("message_id")),
            message.get("event_type"),
            error.instance_uuid or "unknown",
            untrusted_text.on_one_line(error),
        )
        return parked.notification(
            ctxt, message, error, error.instance_uuid, users=self._users
        )
