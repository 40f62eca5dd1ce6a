# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a comparison finds about one instance. Pure."""

import dataclasses
import enum
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Kind(enum.StrEnum):
    """What is to be said of an instance or of its entry.

    ``missing``: an instance without an entry. ``differing``: applying the
    state would change the entry. ``candidate``: an entry with our mark whose
    instance should have none, as far as the reading goes. ``removal``: a
    candidate of which Nova, asked for that uuid, has said so. ``conflict``:
    entries that an administrator has to decide about. ``unsure``: an entry
    that stays as it is until more is known.
    """

    MISSING = "missing"
    DIFFERING = "differing"
    CANDIDATE = "candidate"
    REMOVAL = "removal"
    CONFLICT = "conflict"
    UNSURE = "unsure"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What a comparison has found about one instance.

    :ivar state: what would be written; None where nothing can be
    :ivar entry: the entry as it was read; None if there is none
    :ivar differences: what applying the state would write to the entry
    :ivar reason: a sentence: why it is a conflict, or stays as it is
    """

    kind: Kind
    instance_uuid: str
    state: events.HostState | None = None
    entry: base.Entry | None = None
    differences: Sequence[base.Difference] = ()
    reason: str = ""

    def to_json(self) -> str:
        """Return the item as an object of JSON, in ASCII and on one line."""
        return _encode(
            {
                "kind": self.kind,
                "instance_uuid": self.instance_uuid,
                "reason": self.reason,
                "state": self.state and _state_data(self.state),
                "entry": self.entry and _entry_data(self.entry),
                "differences": [
                    (one.attribute, [*one.old], [*one.new])
                    for one in self.differences
                ],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Item":
        """Read what :meth:`to_json` made.

        :raises ValueError: the text is something else
        """
        try:
            return cls._from_data(json.loads(text, parse_constant=_refuse))
        except (
            AttributeError,
            KeyError,
            TypeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise ValueError(f"no item of a plan: {error!r}") from error

    @classmethod
    def _from_data(cls, data: Mapping[str, Any]) -> "Item":
        state, entry = data["state"], data["entry"]
        return cls(
            kind=Kind(data["kind"]),
            instance_uuid=_text(data["instance_uuid"]),
            state=None if state is None else _state(state),
            entry=None if entry is None else _entry(entry),
            differences=tuple(
                base.Difference(_text(name), _texts(old), _texts(new))
                for name, old, new in _list(data["differences"])
            ),
            reason=_text(data["reason"]),
        )


def _state_data(state: events.HostState) -> dict[str, Any]:
    return {
        "verb": state.verb,
        "as_of": state.as_of,
        "record": json.loads(state.record.to_json()),
    }


def _entry_data(entry: base.Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "owner": entry.owner,
        "as_of": entry.as_of,
        "conflict": entry.conflict,
        "record": json.loads(entry.record.to_json()),
        "content": {name: [*entry.content[name]] for name in entry.content},
    }


def _state(data: Mapping[str, Any]) -> events.HostState:
    return events.HostState(
        events.Verb(data["verb"]), _record(data), _time(data["as_of"])
    )


def _entry(data: Mapping[str, Any]) -> base.Entry:
    content = data["content"]
    return base.Entry(
        record=_record(data),
        as_of=_time(data["as_of"]),
        owner=_text(data["owner"]),
        name=_text(data["name"]),
        content={name: _texts(content[name]) for name in content},
        conflict=_text(data["conflict"]),
    )


def _record(data: Mapping[str, Any]) -> events.HostRecord:
    return events.HostRecord.from_json(_encode(data["record"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value


def _list(values: object) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r:.60} is no list")
    return values


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(_text, _list(values)))


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.60} is no time")
    if not math.isfinite(value):
        raise ValueError("a time is not finite")
    return float(value)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number")
