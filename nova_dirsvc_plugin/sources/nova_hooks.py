# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The hooks of Nova up to 21 (Ussuri): ``nova/hooks.py`` there.

Nova 21 loads classes by the entry points ``create_instance`` and
``delete_instance`` of the group ``nova.hooks``, makes one anew for each call
of the function of that name and keeps the first: to make one must do
nothing. It calls ``pre`` before the function, with its arguments, and
``post`` after it has returned, with what it returned before the arguments.

What is read of Nova's objects is put into the form of a notification, and
from there goes the way of notifications.
"""

import contextlib
import dataclasses
import datetime
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import reader
from nova_dirsvc_plugin.sources import buffered_writer

LOG = logging.getLogger(__name__)

#: Name in a versioned payload -> name in Nova 21's ``objects.Instance``.
_FIELDS = {
    "uuid": "uuid",
    "display_name": "display_name",
    "host_name": "hostname",
    "tenant_id": "project_id",
    "user_id": "user_id",
    "image_uuid": "image_ref",
    "availability_zone": "availability_zone",
    "host": "host",
    "state": "vm_state",
    "task_state": "task_state",
    "created_at": "created_at",
    "launched_at": "launched_at",
    "terminated_at": "terminated_at",
    "deleted_at": "deleted_at",
}

#: What is read of a context; it has the user's token, too.
_CONTEXT = (
    "user_id",
    "user_name",
    "project_id",
    "project_name",
    "request_id",
    "remote_address",
)

#: Namespace of the message ids, since Nova gives a hook's call none.
_NAMESPACE = uuid.UUID("8a1f1e6e-5f0c-4a3e-9a53-1d8f5f1d6c0b")

#: A context, and the instances that were created or deleted in it.
_Call = tuple[Any, list[Any]]


def _conf_of_nova() -> Any:
    """Return oslo.config's global object, where Nova 21 has its options.

    Hooks are given no options; by the first call Nova has read its files.
    """
    return cfg.CONF


class _Hook:
    """Stores what the hooked function did, once it has returned.

    :param conf: gives Nova's own configuration, when that is needed
    :param clock: epoch seconds
    """

    #: The entry point's name, and the notification that is equal to it.
    name = ""
    event_type = ""
    payload = ""

    def __init__(
        self,
        conf: Callable[[], Any] = _conf_of_nova,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._conf = conf
        self._clock = clock
        self._reader: reader.NotificationReader | None = None
        self._writer: buffered_writer.BufferedWriter | None = None

    def pre(self, *args: object, **kwargs: object) -> None:
        """Do nothing: the request may still fail."""

    def post(self, *args: Any, **kwargs: Any) -> None:
        """Store what the function has done.

        Never raises and never waits for anything but the local disk.
        """
        with self._harmless("the call"):
            context, instances = self.parse_call(*args, **kwargs)
            for instance in instances:
                with self._harmless(f"instance {_loaded(instance, 'uuid')}"):
                    self._take(context, instance)

    def parse_call(self, *args: Any, **kwargs: Any) -> _Call:
        """Return context and instances of a call of the hooked function."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _harmless(self, what: str) -> Iterator[None]:
        """Let Nova continue after an unexpected error."""
        try:
            yield
        except Exception:
            LOG.exception(
                "Hook %s: %s is lost: report this as a bug", self.name, what
            )

    def _take(self, context: Any, instance: Any) -> None:
        read, take = self._open()
        data = _data(context, instance)
        message = {
            "message_id": self._message_id(data),
            "event_type": self.event_type,
            "timestamp": str(
                datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
            ),
            "payload": {
                "nova_object.name": self.payload,
                "nova_object.version": "1.0",
                "nova_object.data": data,
            },
        }
        ctxt = {name: getattr(context, name, None) for name in _CONTEXT}
        item = read(ctxt, message)
        if isinstance(item, events.Event):
            item = dataclasses.replace(item, event_type=self.name)
        take(item)

    def _open(
        self,
    ) -> tuple[
        Callable[[Any, Any], events.Event | events.Parked | None],
        Callable[[events.Event | events.Parked | None], None],
    ]:
        """Read the options at the first call.

        Two threads may do so at once; either's outcome will do.
        """
        if self._reader is None or self._writer is None:
            conf = self._conf()
            self._writer = buffered_writer.BufferedWriter.from_conf(conf)
            own = conf[options.GROUP]
            self._reader = reader.NotificationReader(users=own.record_users)
            LOG.info("Hook %s loaded, outbox %s", self.name, own.outbox)
        return self._reader.read, self._writer.take

    def _message_id(self, data: Mapping[str, Any]) -> str:
        """Return the same id for the same event.

        A hook whose package is found in two places is called twice.
        """
        key = (self.name, *map(data.get, ("uuid", "state", "request_id")))
        return str(uuid.uuid5(_NAMESPACE, repr(key)))


class CreateInstance(_Hook):
    """Around ``nova.compute.api.API.create``, in nova-api.

    It returns when the request is accepted: nothing is built yet, so no
    compute host is known and, but for some, no address.
    """

    name = "create_instance"
    event_type = "instance.create.end"
    payload = "InstanceCreatePayload"

    def parse_call(
        self,
        rv: tuple[list[Any], str] | None,
        api: object,
        context: Any,
        *args: object,
        **kwargs: object,
    ) -> _Call:
        return context, list(rv[0]) if rv else []


class DeleteInstance(_Hook):
    """Around ``nova.compute.manager.ComputeManager._delete_instance``.

    It returns nothing, when the instance is gone from the hypervisor and
    marked as deleted in the database. That it has returned is not taken for
    a proof: the instance's own state has the last word, as it has in a
    notification.
    """

    name = "delete_instance"
    event_type = "instance.delete.end"
    payload = "InstanceActionPayload"

    def parse_call(
        self,
        rv: None,
        manager: object,
        context: Any,
        instance: Any,
        *args: object,
        **kwargs: object,
    ) -> _Call:
        return context, [instance]


def _data(context: Any, instance: Any) -> dict[str, Any]:
    """Return an instance as the data of a versioned payload."""
    data = {
        theirs: _text(value)
        for theirs, ours in _FIELDS.items()
        if (value := _loaded(instance, ours)) is not None
    }
    if name := _loaded(_loaded(instance, "flavor"), "name"):
        data["flavor"] = {"nova_object.data": {"name": name}}
    # An instance without an address yet is not one without addresses.
    if addresses := list(_addresses(instance)):
        data["ip_addresses"] = addresses
    data["request_id"] = getattr(context, "request_id", None)
    return data


def _loaded(thing: Any, name: str) -> Any:
    """Read a field of one of Nova's objects, if it is there.

    To read one that is not there would make Nova ask its database.
    """
    return getattr(thing, name) if thing and name in thing else None


def _addresses(instance: Any) -> Iterator[dict[str, Any]]:
    """Return the fixed addresses, of ``nova/network/model.py``."""
    network_info = _loaded(_loaded(instance, "info_cache"), "network_info")
    for vif in network_info or ():
        for subnet in vif["network"]["subnets"]:
            for ip in subnet["ips"]:
                if ip["type"] == "fixed":
                    item = {
                        "address": ip["address"],
                        "mac": vif["address"],
                        "label": vif["network"]["label"],
                    }
                    yield {"nova_object.data": item}


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, datetime.datetime) else value
