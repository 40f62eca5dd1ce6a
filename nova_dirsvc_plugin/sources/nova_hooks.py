# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The hooks of Nova up to 21 (Ussuri): ``nova/hooks.py`` there.

Nova 21 loads classes by the entry points ``create_instance`` and
``delete_instance`` of the group ``nova.hooks``, makes one anew for each call
of the function of that name and keeps the first: to make one must do
nothing. It calls ``pre`` before the function, with its arguments, and
``post`` after it has returned, with what it returned before the arguments.

What is read of Nova's objects is put as a notification would have said it,
and goes the way of notifications from there.
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
from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.notifications import reader as reading
from nova_dirsvc_plugin.sources import buffered_writer, notification_driver

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

#: Of the message ids of what a hook says, which Nova does not number.
_NAMESPACE = uuid.UUID("8a1f1e6e-5f0c-4a3e-9a53-1d8f5f1d6c0b")

#: A context, and the instances that were created or deleted in it.
_Told = tuple[Any, list[Any]]


def _conf_of_nova() -> Any:
    """Give oslo.config's global object, where Nova 21 has its options.

    Hooks are given no options; by the first call Nova has read its files.
    """
    return cfg.CONF


class _Hook:
    """What both have: they store what they are told when all went well.

    :param conf: gives Nova's own configuration, when that is needed
    :param clock: epoch seconds
    """

    #: The entry point's name, and the notification that says the same.
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
        self._way: tuple[reading.Reader, buffered_writer.Intake] | None = None

    def pre(self, *args: object, **kwargs: object) -> None:
        """Do nothing: what is asked for may still fail."""

    def post(self, *args: Any, **kwargs: Any) -> None:
        """Store what the function has done.

        Never raises and never waits for anything but the local disk.
        """
        with self._harmless("what it was told"):
            context, instances = self.told(*args, **kwargs)
            for instance in instances:
                with self._harmless(f"instance {_loaded(instance, 'uuid')}"):
                    self._take(context, instance)

    def told(self, *args: Any, **kwargs: Any) -> _Told:
        """Read the call of the function that is hooked."""
        raise NotImplementedError

    @contextlib.contextmanager
    def _harmless(self, what: str) -> Iterator[None]:
        """Let Nova go on, whatever we did not think of."""
        try:
            yield
        except Exception:
            LOG.exception(
                "Hook %s: %s is lost: report this as a bug", self.name, what
            )

    def _take(self, context: Any, instance: Any) -> None:
        reader, sink = self._opened()
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
        item = reader.read(ctxt, message)
        if isinstance(item, events.Event):
            item = dataclasses.replace(item, event_type=self.name)
        sink.take(item)

    def _opened(self) -> tuple[reading.Reader, buffered_writer.Intake]:
        """Read the options at the first call.

        Two threads may do so at once; either's outcome will do.
        """
        if self._way is None:
            conf = self._conf()
            conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
            own = conf[options.GROUP]
            box = outbox.Outbox(own.outbox, notification_driver.BUSY_TIMEOUT)
            self._way = (
                reading.Reader(users=own.record_users),
                buffered_writer.Intake(box),
            )
            LOG.info("Hook %s loaded, outbox %s", self.name, own.outbox)
        return self._way

    def _message_id(self, data: Mapping[str, Any]) -> str:
        """Give the same id to the same news.

        A hook whose package is found in two places is called twice.
        """
        said = (self.name, *map(data.get, ("uuid", "state", "request_id")))
        return str(uuid.uuid5(_NAMESPACE, repr(said)))


class CreateInstance(_Hook):
    """Around ``nova.compute.api.API.create``, in nova-api.

    It returns when the request is accepted: nothing is built yet, so no
    compute host is known and, but for some, no address.
    """

    name = "create_instance"
    event_type = "instance.create.end"
    payload = "InstanceCreatePayload"

    def told(
        self,
        rv: tuple[list[Any], str] | None,
        api: object,
        context: Any,
        *args: object,
        **kwargs: object,
    ) -> _Told:
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

    def told(
        self,
        rv: None,
        manager: object,
        context: Any,
        instance: Any,
        *args: object,
        **kwargs: object,
    ) -> _Told:
        return context, [instance]


def _data(context: Any, instance: Any) -> dict[str, Any]:
    """Put an instance as the data of a versioned payload."""
    data = {
        theirs: _text(value)
        for theirs, ours in _FIELDS.items()
        if (value := _loaded(instance, ours)) is not None
    }
    if name := _loaded(_loaded(instance, "flavor"), "name"):
        data["flavor"] = {"nova_object.data": {"name": name}}
    # That there is no address yet does not mean that there is none.
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
    """Give the fixed addresses, of ``nova/network/model.py``."""
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
