# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a row of the outbox still is what was stored.

A disk, or a faulty program of the folder's group, can change any value of a
row; SQLite gives each value in whatever type it finds.
"""

import math
import operator
import sqlite3
import zlib
from collections.abc import Mapping
from typing import Any

#: Columns of the table ``entry`` by their type.
TEXTS = (
    "message_id",
    "event_type",
    "verb",
    "instance_uuid",
    "request_id",
    "record",
)
TIMES = ("occurred_at", "stored_at")

_texts = operator.itemgetter(*TEXTS)
_times = operator.itemgetter(*TIMES)


def checksum(values: Mapping[str, Any] | sqlite3.Row) -> int:
    """Return the checksum of all columns of an entry but its number.

    One for every directory has that of a release without this column: what
    such a release has stored, or a process of it still stores, stays right.
    """
    columns = [*_texts(values), *map(repr, map(float, _times(values)))]
    if values["directory"]:
        columns.append(values["directory"])
    return zlib.crc32("\0".join(columns).encode(errors="surrogatepass"))


def check(values: sqlite3.Row) -> None:
    """Check a row of the table ``entry``.

    Rows of an older release have no checksum.

    :raises ValueError: it was changed; the message says where
    """
    for name in (*TEXTS, "directory"):
        if not isinstance(values[name], str):
            raise ValueError(f"the row is damaged: {name} is no text")
    for name in TIMES:
        if values[name] != time(values[name]):
            raise ValueError(f"the row is damaged: {name} is no time")
    if values["checksum"] not in (None, checksum(values)):
        raise ValueError("the row is damaged: its checksum is wrong")


def text(value: object) -> str:
    """Return a text, whatever is there."""
    return value if isinstance(value, str) else repr(value)


def time(value: object) -> float:
    """Return epoch seconds; 0.0 if it is no time."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return 0.0
