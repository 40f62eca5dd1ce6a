# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A host record as an LDAP entry, and back. Pure.

The schema is ``examples/389ds/schema.ldif``. The instance's uuid is the RDN:
it never changes and is known from the start, so no search is needed to find
the entry; and it is a UUID by the time it comes here, so nothing a tenant
wrote is ever part of a DN.
"""

import datetime
import functools
import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import text as naming

Attributes = Mapping[str, Sequence[bytes]]

OWNER_MARK = "novaOwnerMark"
RDN = "novaInstanceUuid"
#: The time of the state that the entry has.
AS_OF = "novaAsOf"

#: Attribute -> field of the record, for those that are plain strings.
_STRINGS = {
    "novaDisplayName": "display_name",
    "novaProjectId": "project_id",
    "novaProjectName": "project_name",
    "novaUserId": "user_id",
    "novaUserName": "user_name",
    "novaUserRemoteAddress": "user_remote_address",
    "novaImageUuid": "image_uuid",
    "novaFlavorName": "flavor_name",
    "novaAvailabilityZone": "availability_zone",
    "novaComputeHost": "compute_host",
}

#: Attribute -> field, for those that are Generalized Time.
_TIMES = {"novaCreatedAt": "created_at", "novaLaunchedAt": "launched_at"}

#: Attribute -> field, of all that is read back as one text.
_READ = {RDN: "instance_uuid", "cn": "host_name", **_STRINGS, **_TIMES}

#: All that is ours in an entry. An operator's own attributes stay.
MANAGED = (
    "objectClass",
    "cn",
    RDN,
    OWNER_MARK,
    *_STRINGS,
    *_TIMES,
    "ipHostNumber",
    "macAddress",
)

#: What not every record has, and so is kept where a record lacks it.
_KEPT = ("novaProjectName", "novaUserName", "novaUserRemoteAddress")

#: Attribute -> the class that goes with it.
_ADDRESSES = {"ipHostNumber": "ipHost", "macAddress": "ieee802Device"}

_STAMP = "%Y%m%d%H%M%S.%fZ"

_OUR_CLASSES = b"top device novainstance iphost ieee802device".split()

#: Names that need no look at their case.
_SPELT = frozenset((*MANAGED, AS_OF))


def dn(instance_uuid: str, tree: str) -> str:
    """Return the DN of an instance's entry.

    :param tree: the DN of the container
    :raises ValueError: not a UUID
    """
    return f"{RDN}={uuid.UUID(instance_uuid)},{tree}"


def attributes(
    record: events.HostRecord, owner: str, as_of: float
) -> dict[str, list[bytes]]:
    """Make the entry's attributes; none is empty.

    ``ipHost`` requires an address and ``ieee802Device`` goes with a MAC:
    without one the class is not there either (RFC 2307, 2.2).
    """
    ips = dict.fromkeys(item.ip for item in record.addresses or () if item.ip)
    macs = record.mac_addresses
    classes = [b"top", b"device", b"novaInstance"]
    classes += [b"ipHost"] if ips else []
    classes += [b"ieee802Device"] if macs else []
    name = naming.common_name(
        record.host_name, record.display_name, record.instance_uuid
    )
    made = {
        "objectClass": classes,
        "cn": [name.encode()],
        RDN: [record.instance_uuid.encode()],
        AS_OF: [_stamp(as_of).encode()],
    }
    if owner:
        made[OWNER_MARK] = [owner.encode()]
    if ips:
        made["ipHostNumber"] = [ip.encode() for ip in ips]
    if macs:
        made["macAddress"] = [mac.encode() for mac in macs]
    for attribute, field in _STRINGS.items():
        if text := naming.directory_string(getattr(record, field)):
            made[attribute] = [text.encode()]
    for attribute, field in _TIMES.items():
        if value := getattr(record, field):
            made[attribute] = [_generalized_time(value).encode()]
    return made


def size(wanted: Attributes) -> int:
    """Return the bytes of an entry's attributes, names and values."""
    values = itertools.chain.from_iterable(wanted.values())
    return sum(map(len, wanted)) + sum(map(len, values))


def update(
    found: Attributes, record: events.HostRecord, owner: str, as_of: float
) -> dict[str, list[bytes]]:
    """Return what to replace so that an entry gets a state.

    :param found: the entry as it is
    :param as_of: epoch seconds; a state that is older than that of the entry
        rests on adds what the entry does not know, and no more
    :returns: as :func:`differences`, and the time if the state is newer
    """
    wanted = attributes(record, owner, as_of)
    rests_on = stored_as_of(found)
    if as_of < rests_on:
        return {
            name: wanted[name]
            for name in _KEPT
            if name in wanted and not found.get(name)
        }
    for name in _KEPT:
        if name not in wanted and found.get(name):
            wanted[name] = list(found[name])
    if record.addresses is None:
        _keep_addresses(found, wanted)
    replace = differences(found, wanted)
    if as_of > rests_on or AS_OF not in found:
        replace[AS_OF] = wanted[AS_OF]
    return replace


def owner_of(found: Attributes) -> str:
    """Return the owner mark of an entry: none is empty."""
    marks = found.get(OWNER_MARK, [])
    return b", ".join(marks).decode(errors="replace")


def stored_as_of(found: Attributes) -> float:
    """Return the time of the state that an entry has, epoch seconds."""
    values = found.get(AS_OF)
    text = values[0].decode(errors="replace") if values else ""
    if text[14:15] != "." or text[-1] != "Z":
        return 0.0
    try:
        # strptime takes five times as long.
        moment = datetime.datetime.fromisoformat(f"{text[:8]}T{text[8:]}")
    except ValueError:
        return 0.0
    return moment.timestamp()


class Content(Mapping[str, Sequence[str]]):
    """Attributes as text; most entries are right, and none of it is read."""

    __slots__ = ("attributes",)

    def __init__(self, found: Attributes) -> None:
        self.attributes = found

    def __getitem__(self, name: str) -> Sequence[str]:
        return _texts(self.attributes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)


def from_content(content: Mapping[str, Sequence[str]]) -> Attributes:
    """Return the attributes of a content, of whatever kind."""
    if isinstance(content, Content):
        return content.attributes
    return {
        name: [value.encode("utf-8", "surrogateescape") for value in values]
        for name, values in content.items()
    }


def _texts(values: Sequence[bytes]) -> list[str]:
    return [value.decode("utf-8", "surrogateescape") for value in values]


def _keep_addresses(found: Attributes, wanted: dict[str, list[bytes]]) -> None:
    classes = {name.lower() for name in found.get("objectClass", [])}
    for attribute, name in _ADDRESSES.items():
        if found.get(attribute):
            wanted[attribute] = list(found[attribute])
        if name.lower().encode() in classes:
            wanted["objectClass"].append(name.encode())


def differences(
    found: Attributes, wanted: Attributes
) -> dict[str, list[bytes]]:
    """Return what to replace so that an entry is as desired.

    :param found: the entry as it is, attribute names in any case
    :returns: attribute -> new values, empty to remove it; only of what is
        ours, and of ``objectClass`` only the classes that are ours
    """
    have = found if found.keys() <= _SPELT else _spelt(found)
    replace = {}
    for name in MANAGED:
        old, new = have.get(name, []), list(wanted.get(name, []))
        if name == "objectClass":
            new += _foreign_classes(old)
        if old != new and _folded(name, old) != _folded(name, new):
            replace[name] = new
    return replace


def record(found: Attributes) -> events.HostRecord:
    """Read an entry back, as far as it has the fields.

    :param found: attribute names in the schema's case; with a uuid
    """
    fields = {
        field: found[name][0].decode(errors="replace")
        for name, field in _READ.items()
        if found.get(name)
    }
    for field in _TIMES.values():
        if field in fields:
            fields[field] = _iso_time(fields[field])
    fields["instance_uuid"] = fields["instance_uuid"].lower()
    return events.HostRecord(**fields, addresses=_addresses(found))


def _addresses(found: Attributes) -> tuple[events.Address, ...]:
    """Read the addresses: of several MACs it is not known which has which."""
    ips, macs = (
        [value.decode(errors="replace") for value in found.get(name, [])]
        for name in _ADDRESSES
    )
    if ips and len(macs) == 1:
        return tuple(events.Address(ip=ip, mac=macs[0]) for ip in ips)
    return (
        *(events.Address(ip=ip) for ip in ips),
        *(events.Address(ip="", mac=mac) for mac in macs),
    )


def _spelt(found: Attributes) -> Attributes:
    """Return an entry with our attributes in the case that we write."""
    names = {name.lower(): name for name in MANAGED}
    return {names.get(name.lower(), name): found[name] for name in found}


def _foreign_classes(classes: Sequence[bytes]) -> list[bytes]:
    return [name for name in classes if name.lower() not in _OUR_CLASSES]


def _folded(name: str, values: Sequence[bytes]) -> set[bytes]:
    """Compare class names as LDAP does, all else to the letter."""
    fold = bytes.lower if name == "objectClass" else bytes
    return {fold(value) for value in values}


@functools.lru_cache(maxsize=16)
def _stamp(as_of: float) -> str:
    """Write a time as Generalized Time with a fraction (RFC 4517, 3.3.13)."""
    moment = datetime.datetime.fromtimestamp(as_of, datetime.UTC)
    return moment.strftime(_STAMP)


def _generalized_time(iso: str) -> str:
    return iso.replace("-", "").replace(":", "").replace("T", "")


def _iso_time(value: str) -> str:
    """Undo :func:`_generalized_time` (``YYYYmmddHHMMSSZ``)."""
    if len(value) != len("20261122102753Z"):
        return ""
    date = f"{value[:4]}-{value[4:6]}-{value[6:8]}"
    return f"{date}T{value[8:10]}:{value[10:12]}:{value[12:14]}Z"
