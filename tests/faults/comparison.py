# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The directory beside what was emitted."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from nova_dirsvc_plugin import outbox
from tests.faults import evidence, fold

#: Seconds between two looks.
PAUSE = 0.5


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a look has shown; true when all is as it should be.

    :ivar different: instance -> how its entry is not as wanted
    :ivar missing: what was emitted, and tells something, and is not stored
    :ivar excused: the same, but there is a reason
    :ivar pending: what the daemon has still to deliver
    :ivar given_up: what was parked or buried
    """

    emitted: Sequence[fold.Emitted]
    different: Mapping[str, Sequence[str]]
    missing: Mapping[str, fold.Emitted]
    excused: Mapping[str, fold.Emitted]
    pending: int
    given_up: Sequence[tuple[str, str]]
    wanted: int
    found: int

    def __bool__(self) -> bool:
        return not (
            self.different or self.missing or self.pending or self.given_up
        )

    def __str__(self) -> str:
        telling = [one for one in self.emitted if one.tells]
        return (
            f"emitted {len(self.emitted)} notifications, {len(telling)} of"
            f" them tell of {len({one.instance for one in telling})}"
            f" instances; not stored {len(self.missing)}, with a reason"
            f" {len(self.excused)}; pending {self.pending}; given up"
            f" {len(self.given_up)}; wanted {self.wanted} entries, found"
            f" {self.found}, difference {len(self.different)}"
        )

    def all_different(self) -> dict[str, list[str]]:
        """Return all that is wrong, by instance."""
        told = {
            instance: list(how) for instance, how in self.different.items()
        }
        for one in self.missing.values():
            told.setdefault(one.instance, []).append(
                f"{one.message['event_type']} {one.message_id} of"
                f" {one.at:%H:%M:%S.%f} is not stored"
            )
        for instance, reason in self.given_up:
            told.setdefault(instance, []).append(f"given up: {reason}")
        return told


def compare(
    emitted: Sequence[fold.Emitted],
    box: pathlib.Path,
    found: Mapping[str, fold.Entry],
    owner: str,
    instances: Collection[str],
    has_a_reason: Callable[[fold.Emitted], bool],
) -> Comparison:
    """Compare the entries of some instances with what was emitted.

    :param has_a_reason: whether something may be emitted and not be stored
    """
    stored = evidence.stored(box)
    lost = {
        one.message_id: one
        for one in emitted
        if one.tells and one.message_id not in stored
    }
    excused = {key: one for key, one in lost.items() if has_a_reason(one)}
    wanted = fold.fold(
        [one for one in emitted if one.message_id not in excused], owner
    )
    ours = {key: found[key] for key in found.keys() & set(instances)}
    return Comparison(
        emitted,
        fold.differences(wanted, ours),
        {key: lost[key] for key in lost.keys() - excused.keys()},
        excused,
        _pending(box),
        [
            (instance, why)
            for instance, why in evidence.parked_and_buried(box)
            if instance in instances
        ],
        len(wanted),
        len(ours),
    )


def settled(
    look: Callable[[], Comparison], say: Callable[[str], None], limit: float
) -> Comparison:
    """Look until all is as it should be, and no longer than that.

    :param limit: seconds without any progress
    """
    seen = look()
    deadline, before = time.monotonic() + limit, _progress(seen)
    while not seen and time.monotonic() < deadline:
        time.sleep(PAUSE)
        seen = look()
        if _progress(seen) != before:
            deadline, before = time.monotonic() + limit, _progress(seen)
    say(str(seen))
    return seen


def _pending(file: pathlib.Path) -> int:
    with contextlib.closing(outbox.Outbox(file)) as entries:
        return entries.pending("ldap")


def _progress(seen: Comparison) -> Iterable[int]:
    return len(seen.different), len(seen.missing), seen.pending
