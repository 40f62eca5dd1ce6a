# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Values as an operator reads and writes them."""

import argparse
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cliff import columns

from nova_dirsvc_plugin.outbox import queries
from nova_dirsvc_plugin.readable import clean as clean
from nova_dirsvc_plugin.readable import span as span
from nova_dirsvc_plugin.readable import stamp as stamp

#: What is parked has numbers of its own, and this before them.
PARKED = "parked-"

#: What to retry or drop: whether it is parked, and its number.
Name = tuple[bool, int]


def name(text: str) -> Name:
    """Read a number as listings show it: ``12``, or ``parked-3``.

    :raises argparse.ArgumentTypeError: it is none
    """
    match = re.fullmatch(rf"({PARKED})?([0-9]{{1,18}})", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a number nor {PARKED}NUMBER"
        )
    return bool(match[1]), int(match[2])


def entry_name(parked: bool, number: int) -> str | int:
    """Write a number as :func:`name` reads it."""
    return f"{PARKED}{number}" if parked else number


def instance(text: str) -> str:
    """Read the uuid of an instance.

    :raises argparse.ArgumentTypeError: it is none
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None


def non_negative_int(text: str) -> int:
    """Read a number of lines.

    :raises argparse.ArgumentTypeError: it is not a number
    """
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines")
    return int(text)


def next_try(item: queries.Item, now: float) -> str:
    """Write when an item is tried next: a time, or now."""
    at = item.next_try(now)
    if at is None:
        return ""
    return "now" if at <= now else stamp(at)


def cleaned(value: Any) -> Any:
    """Clean each text in lists and dicts."""
    if isinstance(value, Mapping):
        return {clean(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [cleaned(item) for item in value]
    return clean(value) if isinstance(value, str) else value


class Nested(columns.FormattableColumn):  # type: ignore[type-arg]
    """Lists and dicts: lines for people, a structure for programs."""

    def human_readable(self) -> str:
        return "\n".join(_lines(self._value))


def _lines(value: Any, name: str = "") -> list[str]:
    label = f"{name}: " if name else ""
    if isinstance(value, Mapping):
        inner = [
            line for key, item in value.items() for line in _lines(item, key)
        ]
    elif isinstance(value, list):
        inner = [line for item in value for line in _flat(item)]
    else:
        return [f"{label}{'' if value is None else value}".rstrip()]
    if not inner:
        return [f"{label}none"]
    return (
        [label.rstrip(), *(f"  {line}" for line in inner)] if name else inner
    )


def _flat(item: Any) -> list[str]:
    """Write an item of a list on one line, without what is empty."""
    if not isinstance(item, Mapping):
        return _lines(item)
    return [
        ", ".join(
            f"{key}: {value}" for key, value in item.items() if value != ""
        )
    ]
