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

import bz2
import dataclasses
import datetime
import gzip
import io
import json
import lzma
import os
import pathlib
import re
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import events, files
from nova_dirsvc_plugin.directories import base

_REGISTERING = "Registering instance with directory service at"
_UNREGISTERING = "Unregistering instance from directory service at"
_LINE = re.compile(
    rf"(?P<words>{_REGISTERING}|{_UNREGISTERING})"
    r" (?P<stamp>[\d-]{10} [\d:]{8}\.\d{6}): (?P<dict>\{.*\})\n"
)
#: Earlier releases wrote the time first, and an address after *at*.
_OLD_LINE = re.compile(
    rf"(?P<stamp>\S+) (?P<words>{_REGISTERING}|{_UNREGISTERING})"
    r" .*?: (?P<dict>\{\"image_uuid\": .*\})\n"
)

#: What a line may say.
_KEYS = frozenset(events.HostRecord(instance_uuid="").essentials())

#: Ending of a rotated file -> what opens it.
_OPENERS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_NOT_READ = (".zst", ".lz4", ".lzo", ".Z")
_COMPRESSED = "|".join(map(re.escape, ("", *_OPENERS, *_NOT_READ)))

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
        self._owner = owner
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

    def entries(self) -> Iterator[base.Entry]:
        """Return the instances whose last line registers them."""
        found: dict[str, _Line] = {}
        for line in _lines(self._path):
            found[line.fields["instance_uuid"]] = line
        for line in found.values():
            if line.registers:
                yield self._entry(self._path, line)

    def find(self, uuids: Sequence[str]) -> Iterator[base.Entry]:
        """Return the last line about each, of this file or an older one.

        It may unregister the instance: that, too, was said, and nothing is
        said twice.
        """
        wanted = set(uuids)
        found: dict[str, tuple[pathlib.Path, _Line]] = {}
        for path in [*_rotated(self._path), self._path]:
            for line in _lines(path):
                uuid = line.fields["instance_uuid"]
                if uuid in wanted:
                    found[uuid] = (path, line)
        for path, line in found.values():
            yield self._entry(path, line)

    def differences(
        self, entry: base.Entry, state: events.HostState
    ) -> list[base.Difference]:
        return []

    def new_entry(self, state: events.HostState) -> base.Entry:
        fields = state.record.essentials()
        return self._entry(self._path, _Line(True, "", fields))

    def _entry(self, path: pathlib.Path, line: "_Line") -> base.Entry:
        fields = dict(line.fields)
        mac = fields.pop("mac_address", "")
        addresses = (events.Address(ip="", mac=mac),) if mac else ()
        return base.Entry(
            record=events.HostRecord(**fields, addresses=addresses),
            as_of=self._as_of(line.stamp),
            owner=self._owner,
            name=str(path),
            content={
                name: [text] if text else []
                for name, text in line.fields.items()
            },
        )

    def _as_of(self, stamp: str) -> float:
        """Read the time of a line: its state is no newer."""
        try:
            moment = datetime.datetime.fromisoformat(stamp)
        except ValueError:
            return 0.0
        if moment.tzinfo is None and self._zone:
            moment = moment.replace(tzinfo=self._zone)
        return moment.timestamp()


def _line(stamp: str, state: events.HostState) -> str:
    if state.verb.removes:
        words = _UNREGISTERING
        fields = {"instance_uuid": state.record.instance_uuid}
    else:
        words, fields = _REGISTERING, state.record.essentials()
    return f"{words} {stamp}: {json.dumps(fields)}\n"


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    """What a line says."""

    registers: bool
    stamp: str
    fields: dict[str, str]


def _lines(path: pathlib.Path) -> Iterator[_Line]:
    """Read the lines of a file, as far as they are ours.

    :raises DirectoryUnavailable: not all of them could be read
    """
    opener = _OPENERS.get(path.suffix, io.BufferedReader)
    if path.suffix in _NOT_READ:
        raise base.DirectoryUnavailable(
            f"{path}: this compression cannot be read: decompress the file,"
            " or move it away"
        )
    try:
        descriptor = files.open_file(path, os.O_RDONLY)
        with (
            os.fdopen(descriptor, "rb") as file,
            opener(file) as text,
        ):
            yield from filter(None, map(_read, text))
    except FileNotFoundError:
        return
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise base.DirectoryUnavailable(
            f"{path}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _read(said: bytes) -> _Line | None:
    """Read a line of this release or of one before.

    :returns: None where a crash cut the line, or it is not ours
    """
    text = said.decode("ascii", "replace")
    match = _LINE.fullmatch(text) or _OLD_LINE.fullmatch(text)
    if match is None:
        return None
    try:
        fields = json.loads(match["dict"])
    except (ValueError, RecursionError):
        return None
    if not _KEYS.issuperset(fields) or "instance_uuid" not in fields:
        return None
    if not all(isinstance(value, str) for value in fields.values()):
        return None
    return _Line(match["words"] == _REGISTERING, match["stamp"], fields)


def _rotated(path: pathlib.Path) -> list[pathlib.Path]:
    """Return the files that have been rotated away, the oldest first."""
    name = re.compile(
        rf"{re.escape(path.stem)}({re.escape(path.suffix)})?[.-]\d+"
        rf"({re.escape(path.suffix)})?({_COMPRESSED})"
    )
    try:
        found = [
            one for one in path.parent.iterdir() if name.fullmatch(one.name)
        ]
        return sorted(found, key=lambda one: one.lstat().st_mtime)
    except OSError as error:
        raise base.DirectoryUnavailable(
            f"{path.parent}: {error.strerror}"
        ) from error


def _last_byte(file: io.FileIO) -> bytes:
    """Return the last byte: not a newline, where a crash cut a line."""
    file.seek(-1, os.SEEK_END)
    return file.read(1)
