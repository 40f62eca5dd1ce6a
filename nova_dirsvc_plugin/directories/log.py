# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A log file as the directory: one line for each thing that happened.

::

    2026-11-22T10:27:55.812Z Registering instance with directory service at
    /var/log/nova-dirsvc/directory.log: {"image_uuid": "…", …}

Each is one line; the dict is JSON, so no name can break the line.
"""

import datetime
import io
import json
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base

_REGISTERING = "Registering instance with directory service at"
_UNREGISTERING = "Unregistering instance from directory service at"
_LINE = re.compile(
    r"\S+ (?P<verb>Registering instance with|Unregistering instance from)"
    r" directory service at .*?: (?P<dict>\{.*\})\n"
)


class LogDirectory(base.Directory):
    """Appends to the file and syncs it once a batch.

    What has changed about an instance is one more *Registering* line.

    The file may be rotated away at any time. After a crash the last lines
    may come twice.
    """

    RECORDS_EVENTS = True

    OPTS = (
        cfg.StrOpt(
            "path",
            default="/var/log/nova-dirsvc/directory.log",
            help="The file to append to. Its folder must be there.",
        ),
        cfg.StrOpt(
            "address",
            help="""
The address of the directory service that the lines name. By default it is
the path of the file itself.
""",
        ),
    )

    def __init__(self, options: Any, owner: str) -> None:
        self._path = pathlib.Path(options.path)
        self._address = options.address or options.path
        if re.search(r"[\r\n]", self._address):
            raise base.WrongOption("[log] address is more than one line")

    def apply(self, changes: Sequence[base.Change]) -> list[base.Outcome]:
        now = datetime.datetime.now(datetime.UTC)
        lines = "".join(self._line(now, change) for change in changes)
        outcome: base.Outcome = base.Done()
        try:
            self._append(lines.encode("ascii"))
        except OSError as error:
            outcome = base.Unavailable(f"{self._path}: {error.strerror}")
        return [outcome] * len(changes)

    def _line(self, now: datetime.datetime, change: base.Change) -> str:
        stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = json.dumps(change.record.essentials())
        address = self._address.encode("ascii", "backslashreplace").decode()
        words = _UNREGISTERING if change.verb.removes else _REGISTERING
        return f"{stamp} {words} {address}: {text}\n"

    def _append(self, lines: bytes) -> None:
        """Write all or, as far as the file system lets us, nothing."""
        with self._path.open("ab+", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            if before and _last_byte(file) != b"\n":
                lines = b"\n" + lines
            try:
                while lines:
                    lines = lines[file.write(lines) :]
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), before)
                raise

    def entries(self) -> Iterator[events.HostRecord]:
        """Give the instances whose last line registers them."""
        found: dict[str, events.HostRecord] = {}
        for match in self._lines():
            record = _record(json.loads(match["dict"]))
            found.pop(record.instance_uuid, None)
            if match["verb"].startswith("Registering"):
                found[record.instance_uuid] = record
        yield from found.values()

    def _lines(self) -> Iterator[re.Match[str]]:
        if not self._path.exists():
            return
        try:
            with self._path.open(encoding="ascii", errors="replace") as file:
                yield from filter(None, map(_LINE.fullmatch, file))
        except OSError as error:
            raise base.DirectoryUnavailable(
                f"{self._path}: {error.strerror}"
            ) from error


def _last_byte(file: io.FileIO) -> bytes:
    """Give the file's last byte: no newline, where a crash cut a line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def _record(essentials: dict[str, str]) -> events.HostRecord:
    mac = essentials.pop("mac_address")
    addresses = (events.Address(ip="", mac=mac),) if mac else ()
    return events.HostRecord(**essentials, addresses=addresses)
