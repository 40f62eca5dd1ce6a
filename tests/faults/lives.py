# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Lives of instances, made of the recordings: who emits what, and when.

Each is a recorded one with another uuid, name and owner's address. Most go
to the end, which is a delete; the others are cut off somewhere after their
boot, so that the directory has entries to compare.
"""

import copy
import dataclasses
import itertools
import random
import uuid
from collections.abc import Iterator
from typing import Any

from tests import recordings
from tests.faults import fold

#: Beside those that are deleted, one in so many stays.
STAYS = 4

#: Seconds at most between two notifications of a life; a recorded reboot of
#: a compute takes longer, and teaches nothing.
LONGEST_GAP = 1.5


@dataclasses.dataclass(frozen=True)
class Line:
    """Something for a Nova service to emit.

    :ivar at: seconds from the beginning
    :ivar service: which one does
    """

    at: float
    service: str
    ctxt: dict[str, Any]
    event_type: str
    priority: str
    publisher_id: str
    payload: dict[str, Any]


def plan(rng: random.Random, count: int, seconds: float) -> list[Line]:
    """Plan lives that are all told in a given time.

    :param count: lives that end with a delete; others come on top
    :returns: in order of time
    """
    recorded = [
        life
        for name in recordings.SCENARIOS
        if name != recordings.UNVERSIONED
        for life in _lives(name)
    ]
    lines: list[Line] = []
    for number in range(count + count // STAYS):
        told = recorded[number % len(recorded)]
        stays = number >= count
        if stays:
            told = told[: _cut(rng, told)]
        at = _times(told)
        start = rng.uniform(0.0, max(seconds - at[-1], 0.0))
        lines += [
            _line(start + moment, number, *one)
            for moment, one in zip(
                at, _of_another(rng, number, told), strict=True
            )
        ]
    return sorted(lines, key=lambda line: line.at)


_Told = list[tuple[recordings.Context, recordings.Message]]


def _lives(name: str) -> Iterator[_Told]:
    """Take a scenario apart, by instance."""
    lives: dict[str, _Told] = {}
    for ctxt, message in recordings.scenario(name):
        data = message["payload"]["nova_object.data"]
        instance = data.get("uuid") or data["instance_uuid"]
        lives.setdefault(instance, []).append((ctxt, message))
    yield from lives.values()


def _cut(rng: random.Random, told: _Told) -> int:
    """Choose where a life is cut off, after its boot if there was one."""
    booted = [
        position
        for position, (_, message) in enumerate(told)
        if message["event_type"] == "instance.create.end"
    ]
    return rng.randint(booted[0] + 1 if booted else 1, len(told) - 1)


def _times(told: _Told) -> list[float]:
    """Return when each notification is sent: seconds after the first."""
    moments = [fold.Emitted(ctxt, message).at for ctxt, message in told]
    at = [0.0]
    for before, after in itertools.pairwise(moments):
        gap = (after - before).total_seconds()
        at.append(at[-1] + min(max(gap, 0.0), LONGEST_GAP))
    return at


def _of_another(rng: random.Random, number: int, told: _Told) -> _Told:
    """Make it another instance's life."""
    instance = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    address = f"198.51.100.{number % 254 + 1}" if number % 2 else None
    made = copy.deepcopy(told)
    for ctxt, message in made:
        # Only of older Novas do drivers see it.
        ctxt["remote_address"] = address
        data = message["payload"]["nova_object.data"]
        data["uuid" if "uuid" in data else "instance_uuid"] = instance
        if "display_name" in data:
            data["display_name"] = f"{data['display_name']} {number}"
            data["host_name"] = f"{data['host_name']}-{number}"
        for index, item in enumerate(data.get("ip_addresses") or ()):
            mac = f"fa:16:3e:{index:02x}:{number >> 8:02x}:{number & 255:02x}"
            item["nova_object.data"]["mac"] = mac
    return made


def _line(
    at: float,
    number: int,
    ctxt: recordings.Context,
    message: recordings.Message,
) -> Line:
    service = message["publisher_id"].partition(":")[0]
    if service == "nova-compute":
        service = f"{service}-{number % 2 + 1}"
    return Line(
        at,
        service,
        ctxt,
        message["event_type"],
        message["priority"].lower(),
        message["publisher_id"],
        message["payload"],
    )
