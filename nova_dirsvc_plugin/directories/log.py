# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A log file as the directory: one line for each event.

::

    Registering instance with directory service at
    2015-03-22 06:53:00.510936: {"image_uuid": "…", …}
    Unregistering instance from directory service at
    2015-03-22 06:53:45.064330: {"instance_uuid": "…"}

Each is one line; the dict is JSON, so no name can break the line.
"""

import datetime
import io
import json
import os
import pathlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import events, files
from nova_dirsvc_plugin.directories import base

_REGISTERING = "Registering instance with directory service at"
_UNREGISTERING = "Unregistering instance from directory service at"
_LINE = re.compile(
    rf"(?P<words>{_REGISTERING}|{_UNREGISTERING})"
    r" [\d-]{10} [\d:]{8}\.\d{6}: (?P<dict>\{.*\})\n"
)
#: Earlier releases wrote the time first, and an address after *at*.
_OLD_LINE = re.compile(
    rf"\S+ (?P<words>{_REGISTERING}|{_UNREGISTERING})"
    r" .*?: (?P<dict>\{\"image_uuid\": .*\})\n"
)

#: Of a new file: its lines name users and their addresses.
MODE = 0o640


class LogDirectory(base.Directory):
    """Appends to the file and syncs it once a batch.

    Where one of the six values has changed, that is one more *Registering*
    line.

    The file may be rotated away at any time, and another made with any mode.
    A link in its place is not followed: others may be able to put it into
    the folder. After a crash the last lines
    may come twice.

    :param clock: epoch seconds
    """

    APPEND_ONLY = True

    OPTS = (
        cfg.StrOpt(
            "path",
            default="/var/log/nova-dirsvc/nova_dirsvc_plugin.log",
            help="""
The file to append to. Its folder must exist. A new file has the mode 0640; a
link is not followed.
""",
        ),
        cfg.StrOpt(
            "time_zone",
            default="utc",
            choices=[
                ("utc", "Coordinated Universal Time"),
                ("local", "the time zone of the host, or of TZ"),
            ],
            help="""
Time zone of the times in the lines, which do not name it. With ``local``, an
hour is repeated when summer time ends.
""",
        ),
    )

    def __init__(
        self,
        options: Any,
        owner: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = pathlib.Path(options.path)
        self._zone = datetime.UTC if options.time_zone == "utc" else None
        self._clock = clock

    def apply(self, states: Sequence[events.HostState]) -> list[base.Outcome]:
        now = datetime.datetime.fromtimestamp(self._clock(), self._zone)
        stamp = now.strftime("%Y-%m-%d %H:%M:%S.%f")
        lines = "".join(_line(stamp, state) for state in states)
        outcome: base.Outcome = base.Done()
        try:
            self._append(lines.encode("ascii"))
        except OSError as error:
            outcome = base.Unavailable(f"{self._path}: {error.strerror}")
        return [outcome] * len(states)

    def _append(self, lines: bytes) -> None:
        """Write all or, as far as the file system lets us, nothing."""
        descriptor, _ = files.open_or_make(
            self._path, os.O_RDWR | os.O_APPEND, MODE
        )
        with io.FileIO(descriptor, "ab+") as file:
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
        """Return the instances whose last line registers them."""
        found: dict[str, events.HostRecord] = {}
        for registers, record in filter(None, map(_read, self._lines())):
            found.pop(record.instance_uuid, None)
            if registers:
                found[record.instance_uuid] = record
        yield from found.values()

    def _lines(self) -> Iterator[str]:
        try:
            descriptor = files.open_file(self._path, os.O_RDONLY)
            with os.fdopen(
                descriptor, encoding="ascii", errors="replace"
            ) as file:
                yield from file
        except FileNotFoundError:
            return
        except OSError as error:
            raise base.DirectoryUnavailable(
                f"{self._path}: {error.strerror}"
            ) from error


def _line(stamp: str, state: events.HostState) -> str:
    if state.verb.removes:
        words = _UNREGISTERING
        fields = {"instance_uuid": state.record.instance_uuid}
    else:
        words, fields = _REGISTERING, state.record.essentials()
    return f"{words} {stamp}: {json.dumps(fields)}\n"


def _read(line: str) -> tuple[bool, events.HostRecord] | None:
    """Read a line of this release or of one before.

    :returns: whether it registers, and the record; None where a crash cut
        the line, or it is not ours
    """
    match = _LINE.fullmatch(line) or _OLD_LINE.fullmatch(line)
    if match is None:
        return None
    try:
        fields = json.loads(match["dict"])
        mac = fields.pop("mac_address", "")
        record = events.HostRecord(
            **fields,
            addresses=(events.Address(ip="", mac=mac),) if mac else (),
        )
    except (ValueError, TypeError):
        return None
    return match["words"] == _REGISTERING, record


def _last_byte(file: io.FileIO) -> bytes:
    """Return the last byte: not a newline, where a crash cut a line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1)
