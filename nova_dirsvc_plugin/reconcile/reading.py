# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""All instances of Nova, kept small until they are compared. Pure."""

import collections
import marshal
from collections.abc import Iterator

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import summary as nova_summary
from nova_dirsvc_plugin.reconcile import packing


class Reading:
    """The states of all instances; some 600 bytes for each.

    :ivar keep: whether the outbox keeps how many there are
    :ivar summary: what the reading is worth, set when it has ended
    :ivar projects: project id -> instances that should have an entry
    """

    def __init__(self, keep: bool = False) -> None:
        self.keep = keep
        self.summary = nova_summary.Summary(
            0.0, 0, ("the reading has not ended",), ""
        )
        self.projects: collections.Counter[str] = collections.Counter()
        #: instances that should have an entry, and those that should not
        self._kept: dict[str, bytes] = {}
        self._unkept: set[str] = set()
        self._undecided: dict[str, str] = {}

    def add(self, one: events.HostState | nova_summary.Undecided) -> None:
        """Keep what was read about one instance.

        One that is read twice is kept as it was read last.
        """
        if isinstance(one, nova_summary.Undecided):
            self._forget(one.instance_uuid)
            self._undecided[one.instance_uuid] = one.reason
            return
        key = one.record.instance_uuid
        self._forget(key)
        if one.verb.removes:
            self._unkept.add(key)
        else:
            # JSON takes three times as long.
            self._kept[key] = marshal.dumps(packing.state_to_list(one))
            self.projects[one.record.project_id] += 1

    def _forget(self, instance_uuid: str) -> None:
        if instance_uuid in self._kept:
            earlier = self.wanted(instance_uuid)
            assert earlier is not None  # noqa: S101 - it is kept
            self.projects[earlier.record.project_id] -= 1
            del self._kept[instance_uuid]
        self._unkept.discard(instance_uuid)
        self._undecided.pop(instance_uuid, None)

    def wanted(self, instance_uuid: str) -> events.HostState | None:
        """Return the state that an entry should have; None: no entry."""
        packed = self._kept.get(instance_uuid)
        if packed is None:
            return None
        found = marshal.loads(packed)  # noqa: S302 - it is from here
        return packing.state_from_list(instance_uuid, found)

    def all_wanted(self) -> Iterator[str]:
        """Return the uuids of the instances that should have an entry."""
        return iter(self._kept)

    def undecided(self, instance_uuid: str) -> str:
        """Return why an instance's state is unknown; empty if it is not."""
        return self._undecided.get(instance_uuid, "")

    def __contains__(self, instance_uuid: str) -> bool:
        """Whether Nova has listed an instance, in whatever state."""
        return (
            instance_uuid in self._kept
            or instance_uuid in self._unkept
            or instance_uuid in self._undecided
        )

    def __len__(self) -> int:
        return len(self._kept) + len(self._unkept) + len(self._undecided)
