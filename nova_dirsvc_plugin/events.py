# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Host records, events and states: the values passed between the stages.

A source makes an :class:`Event`, the outbox stores it, delivery merges the
events of an instance into its :class:`HostState`, and a directory driver
applies that. Nothing here does I/O.
"""

import dataclasses
import enum
import json
import operator
import typing
from collections.abc import Collection

from nova_dirsvc_plugin import untrusted_text

#: Version of the stored JSON form of a record. A reader takes any minor.
RECORD_VERSION = "1.0"

#: Types of events that are not Nova's: what a comparison of a directory with
#: Nova, a poll of Nova's changes, or the undoing of a run found to repair.
RECONCILE = "dirsvc.reconcile"
POLL = "dirsvc.poll"
UNDO = "dirsvc.undo"

#: Fields that one record takes from another where it lacks them; addresses,
#: too.
COMPLETED_TEXTS = ("project_name", "user_name", "user_remote_address")


class Verb(enum.StrEnum):
    """What an event asks for about one instance.

    ``register``, ``refresh`` and ``restore`` ask for an entry that is as the
    record; they differ in why. ``unregister`` is for ever: Nova never uses
    an instance's uuid again. ``soft-unregister`` is not: the instance may
    be restored, or its delete may have failed.
    """

    REGISTER = "register"
    REFRESH = "refresh"
    RESTORE = "restore"
    UNREGISTER = "unregister"
    SOFT_UNREGISTER = "soft-unregister"

    @property
    def removes(self) -> bool:
        """Whether it asks for no entry."""
        return self is Verb.UNREGISTER or self is Verb.SOFT_UNREGISTER


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """One fixed address of an instance.

    :ivar ip: in the canonical form of :mod:`ipaddress`
    :ivar mac: lower case, colons; empty when unknown
    :ivar network: the label of the Neutron network
    """

    ip: str
    mac: str = ""
    network: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """All that a directory may learn about one instance.

    Only ``instance_uuid`` is always known: other unknown fields are an empty
    string, and unknown addresses are None. Times are
    as Nova prints them (``2026-11-22T10:27:53Z``). Texts are the tenant's
    own, of any characters: who writes them into a DN, a file or a header
    escapes them there.
    """

    instance_uuid: str
    display_name: str = ""
    host_name: str = ""
    project_id: str = ""
    project_name: str = ""
    user_id: str = ""
    user_name: str = ""
    user_remote_address: str = ""
    image_uuid: str = ""
    flavor_name: str = ""
    availability_zone: str = ""
    compute_host: str = ""
    created_at: str = ""
    launched_at: str = ""
    addresses: tuple[Address, ...] | None = None

    @property
    def mac_addresses(self) -> tuple[str, ...]:
        """Each MAC once, in Nova's order (dual stack repeats them)."""
        macs = (address.mac for address in self.addresses or ())
        return tuple(dict.fromkeys(mac for mac in macs if mac))

    def essentials(self) -> dict[str, str]:
        """Return the dict that every directory service is promised.

        :returns: the six keys; a value that is not known is ``""``;
            ``mac_address`` is the first one.
        """
        return {
            "image_uuid": self.image_uuid,
            "instance_uuid": self.instance_uuid,
            "mac_address": next(iter(self.mac_addresses), ""),
            "project_name": self.project_name,
            "user_name": self.user_name,
            "user_remote_address": self.user_remote_address,
        }

    def completed(self, other: typing.Self) -> typing.Self:
        """Return this record with what it lacks, taken from another one.

        Not every notification has all fields: names are those of the actor,
        the remote address is known for the boot alone, and not every payload
        has the addresses.
        """
        gaps: dict[str, typing.Any] = {
            name: getattr(other, name)
            for name in COMPLETED_TEXTS
            if not getattr(self, name) and getattr(other, name)
        }
        if self.addresses is None and other.addresses is not None:
            gaps["addresses"] = other.addresses
        return dataclasses.replace(self, **gaps) if gaps else self

    def to_json(self) -> str:
        """Return the stored form: ASCII, whatever the tenant wrote."""
        # Nova waits for this: a JSON encoder takes three times as long.
        addresses = "null"
        if self.addresses is not None:
            addresses = ",".join(map(_address_json, self.addresses))
            addresses = f"[{addresses}]"
        return _RECORD_FORM % (*map(_quoted, _record_texts(self)), addresses)

    @classmethod
    def from_json(cls, text: str) -> typing.Self:
        """Read the stored form.

        :raises ValueError: the text is not a record of a known version
        """
        try:
            return cls._from_fields(json.loads(text))
        except (TypeError, RecursionError) as error:
            raise ValueError(f"no host record: {error}") from error

    @classmethod
    def _from_fields(cls, fields: typing.Any) -> typing.Self:
        if not isinstance(fields, dict):
            raise ValueError("a host record is not an object")
        version = str(fields.pop("version", ""))
        if version.partition(".")[0] != RECORD_VERSION.partition(".")[0]:
            raise ValueError(f"host record of unknown version {version!r}")
        addresses = fields.pop("addresses", None)
        if addresses is not None:
            addresses = tuple(
                Address(**_texts(_ADDRESS_TEXTS, address))
                for address in addresses
            )
        return cls(**_texts(_RECORD_TEXTS, fields), addresses=addresses)


#: The texts that a stored record, and an address in it, may have.
_RECORD_TEXTS = frozenset(HostRecord.__slots__) - {"addresses"}
_ADDRESS_TEXTS = frozenset(Address.__slots__)

#: Writes a text as JSON, in ASCII.
_quoted = json.encoder.encode_basestring_ascii

_record_texts = operator.attrgetter(*HostRecord.__slots__[:-1])
_address_texts = operator.attrgetter(*Address.__slots__)


def _form(names: Collection[str]) -> str:
    """Return the members of a JSON object, without their values."""
    return ",".join(f'"{name}":%s' for name in names)


_RECORD_FORM = (
    f'{{{_form(HostRecord.__slots__)},"version":"{RECORD_VERSION}"}}'
)
_ADDRESS_FORM = f"{{{_form(Address.__slots__)}}}"


def _address_json(address: Address) -> str:
    return _ADDRESS_FORM % (*map(_quoted, _address_texts(address)),)


def _texts(
    names: Collection[str], fields: dict[str, typing.Any]
) -> dict[str, str]:
    """Leave out what a later minor version has added.

    :raises TypeError: a value is no text
    """
    known = {name: fields[name] for name in fields if name in names}
    # One call for all: each entry of a claim comes by here.
    if {*map(type, known.values())} - {str}:
        wrong = [name for name in known if type(known[name]) is not str]
        raise TypeError(f"{', '.join(wrong)} is no text")
    return known


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to one instance, as a source understood it.

    :ivar message_id: unique for a notification, the same by every way in
    :ivar event_type: Nova's, ``instance.create.end``, or :data:`RECONCILE`,
        :data:`POLL`, :data:`UNDO`
    :ivar occurred_at: Nova's time of the event, seconds since the epoch, UTC
    :ivar request_id: Nova's ``req-…``, empty when it had none
    """

    message_id: str
    event_type: str
    verb: Verb
    occurred_at: float
    request_id: str
    record: HostRecord

    @property
    def instance_uuid(self) -> str:
        return self.record.instance_uuid


@dataclasses.dataclass(frozen=True, slots=True)
class Parked:
    """A notification that could not be understood, kept for a later release.

    :ivar notification: what is needed to read it again; no token, no whole
        context
    :ivar instance_uuid: the instance; empty when even that is not known
    :ivar reason: why it could not be understood
    """

    notification: typing.Mapping[str, typing.Any]
    instance_uuid: str
    reason: str

    def __post_init__(self) -> None:
        clean = untrusted_text.on_one_line(self.reason)
        object.__setattr__(self, "reason", clean)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """From where a request came; it is joined to the events it caused.

    :ivar request_id: Nova's ``req-…``
    """

    request_id: str
    remote_address: str


@dataclasses.dataclass(frozen=True, slots=True)
class HostState:
    """The state that a directory should have of one instance.

    :ivar verb: what to do; all but the two that remove ask for the same: an
        entry that is as the record
    :ivar record: the instance, as far as it is known
    :ivar as_of: epoch seconds, the time of the event that the state rests on
    :ivar known: an earlier state of this instance, or this one, may have been
        written before. A driver may then look for the entry first; whatever
        it finds, the result is the same
    """

    verb: Verb
    record: HostRecord
    as_of: float = 0.0
    known: bool = dataclasses.field(default=False, compare=False)

    @property
    def final(self) -> bool:
        """Whether no event can change it."""
        return self.verb is Verb.UNREGISTER


class StateUnknown(untrusted_text.UntrustedError):
    """Nova's state of an instance is unknown; the message says why."""


class StateUndecided(StateUnknown):
    """Nova has answered, but cannot tell this instance's state now."""
