# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the directory has to hold after what Nova emitted. Pure.

It goes through the notifications in order, one after the other, and knows
nothing of the product: neither its table of events nor how it adds them up.
What is true is in ``doc/source/reference/notifications.rst``.
"""

import dataclasses
import datetime
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

#: An LDAP entry: attribute -> its values, sorted.
Entry = dict[str, list[str]]

#: Types that tell how an instance is; of all others nothing is concluded.
TELLING = (
    "instance.create.end",
    "instance.update",
    "instance.interface_attach.end",
    "instance.interface_detach.end",
    "instance.rebuild.end",
    "instance.resize_finish.end",
    "instance.resize_confirm.end",
    "instance.resize_revert.end",
    "instance.live_migration_post_dest.end",
    "instance.shelve_offload.end",
    "instance.unshelve.end",
    "instance.restore.end",
    "instance.soft_delete.end",
    "instance.delete.end",
)

_VALUES = {
    "display_name": "novaDisplayName",
    "tenant_id": "novaProjectId",
    "user_id": "novaUserId",
    "image_uuid": "novaImageUuid",
    "availability_zone": "novaAvailabilityZone",
    "host": "novaComputeHost",
}


@dataclasses.dataclass(frozen=True)
class Emitted:
    """A notification that Nova, or who plays Nova, has emitted.

    :ivar ctxt: as a notification driver gets it
    :ivar origin: the client address of its request, where nova-api has the
        filter that records it
    """

    ctxt: Mapping[str, Any]
    message: Mapping[str, Any]
    origin: str = ""

    @property
    def message_id(self) -> str:
        return str(self.message["message_id"])

    @property
    def at(self) -> datetime.datetime:
        said = datetime.datetime.fromisoformat(self.message["timestamp"])
        return said.replace(tzinfo=datetime.UTC)

    @property
    def data(self) -> Mapping[str, Any]:
        payload: Mapping[str, Any] = self.message["payload"]
        data: Mapping[str, Any] = payload.get("nova_object.data", {})
        return data

    @property
    def instance(self) -> str:
        return str(self.data.get("uuid"))

    @property
    def tells(self) -> bool:
        """Whether anything about the entry follows from it."""
        return self.message["event_type"] in TELLING and (
            bool(self.data["launched_at"])
            or self.data["state"] in ("deleted", "soft-delete")
            or self.message["event_type"].endswith("delete.end")
        )


class Instance:
    """One instance, as far as it was told."""

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self._gone_for_ever = False
        self._known: Entry = {}

    def hear(self, one: Emitted, owner: str) -> None:
        if self._gone_for_ever or not one.tells:
            return
        self._learn(one)
        data, event_type = one.data, one.message["event_type"]
        never_was = data["deleted_at"] and not data["launched_at"]
        self._gone_for_ever = data["state"] == "deleted" or bool(
            event_type == "instance.delete.end"
            and never_was
            and data["state"] != "soft-delete"
            and data["task_state"] != "soft-deleting"
        )
        if (
            self._gone_for_ever
            or data["state"] == "soft-delete"
            or event_type.endswith("delete.end")
        ):
            self.entry = None
        else:
            self.entry = _entry(one, owner) | self._known

    def _learn(self, one: Emitted) -> None:
        """Keep who the owner is, which not every notification says."""
        ctxt, data = one.ctxt, one.data
        told = {
            "novaUserName": ctxt.get("user_name")
            if ctxt.get("user_id") == data["user_id"]
            else None,
            "novaProjectName": ctxt.get("project_name")
            if ctxt.get("project_id") == data["tenant_id"]
            else None,
            "novaUserRemoteAddress": one.origin
            or (
                ctxt.get("remote_address")
                if one.message["event_type"] == "instance.create.end"
                else None
            ),
        }
        self._known |= {name: [text] for name, text in told.items() if text}


def fold(emitted: Iterable[Emitted], owner: str) -> dict[str, Entry]:
    """Return the entries that the directory has to hold, by instance."""
    instances: dict[str, Instance] = {}
    for one in sorted(emitted, key=lambda one: (one.at, one.message_id)):
        instances.setdefault(one.instance, Instance()).hear(one, owner)
    return {
        uuid: instance.entry
        for uuid, instance in instances.items()
        if instance.entry is not None
    }


def _entry(one: Emitted, owner: str) -> Entry:
    data = one.data
    items = [item["nova_object.data"] for item in data["ip_addresses"]]
    entry = {
        "objectClass": ["top", "device", "novaInstance"]
        + (["ipHost", "ieee802Device"] if items else []),
        "cn": [data["host_name"]],
        "novaInstanceUuid": [data["uuid"]],
        "novaOwnerMark": [owner],
        "novaAsOf": [one.at.strftime("%Y%m%d%H%M%S.%fZ")],
        "novaFlavorName": [data["flavor"]["nova_object.data"]["name"]],
        "novaCreatedAt": [_digits(data["created_at"])],
        "novaLaunchedAt": [_digits(data["launched_at"])],
        "ipHostNumber": [
            str(ipaddress.ip_address(item["address"])) for item in items
        ],
        "macAddress": list({item["mac"]: None for item in items}),
    }
    for name, attribute in _VALUES.items():
        entry[attribute] = [data[name]] if data[name] else []
    return {name: sorted(values) for name, values in entry.items() if values}


def _digits(time: str) -> str:
    return "".join(letter for letter in time if letter not in "-:T")


def entries(found: Iterable[tuple[str, Any]]) -> dict[str, Entry]:
    """Return what a search has found, by instance."""
    return {
        attributes["novaInstanceUuid"][0].decode(): {
            name: sorted(value.decode() for value in values)
            for name, values in attributes.items()
        }
        for _, attributes in found
    }


def differences(
    wanted: Mapping[str, Entry], found: Mapping[str, Entry]
) -> dict[str, list[str]]:
    """Say for each instance how its entry is not as wanted."""
    told = {}
    for instance in sorted({*wanted, *found}):
        want, have = wanted.get(instance), found.get(instance)
        if want == have:
            continue
        if want is None or have is None:
            told[instance] = [
                "no entry is there" if want else "an entry is there"
            ]
        else:
            told[instance] = [
                f"{name} is {have.get(name)}, not {want.get(name)}"
                for name in sorted({*want, *have})
                if want.get(name) != have.get(name)
            ]
    return told
