# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Many items, kept small. Pure."""

import collections
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.reconcile import item as plan_item
from nova_dirsvc_plugin.reconcile import packing

Item = plan_item.Item
Kind = plan_item.Kind


#: Characters of a text that is not worth compressing.
_SHORT = 1000


class _Packed(NamedTuple):
    """An item, whose kind and reason may have changed since it was packed."""

    kind: Kind
    reason: str
    digest: bytes
    data: str | bytes


class Items:
    """The items of a plan, one an instance: as many as instances, at most.

    A thousand bytes for each, also where an entry has much content.
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._packed: dict[str, _Packed] = {}
        for item in items:
            self.put(item)

    def put(self, item: Item) -> None:
        """Keep an item, instead of that of the same instance."""
        text = packing.encode(
            [
                item.state and packing.state_to_list(item.state),
                item.entry and packing.entry_to_list(item.entry),
                [
                    (one.attribute, one.old, one.new)
                    for one in item.differences
                ],
            ]
        )
        self._packed[item.instance_uuid] = _Packed(
            item.kind,
            item.reason,
            digest(item),
            text if len(text) < _SHORT else zlib.compress(text.encode(), 1),
        )

    def drop(self, instance_uuid: str) -> None:
        """Keep no item of that instance."""
        self._packed.pop(instance_uuid, None)

    def judge(self, instance_uuid: str, kind: Kind, reason: str = "") -> None:
        """Give an item another kind."""
        packed = self._packed[instance_uuid]
        self._packed[instance_uuid] = packed._replace(kind=kind, reason=reason)

    def kind(self, instance_uuid: str) -> Kind | None:
        """Return the kind of an instance's item, if there is one."""
        packed = self._packed.get(instance_uuid)
        return packed and packed.kind

    def copy(self) -> Self:
        """Return the same items; a change of the one leaves the other."""
        other = type(self)()
        other._packed = self._packed.copy()
        return other

    def of(self, *kinds: Kind) -> Iterator[Item]:
        """Return the items of some kinds, one kind after the other."""
        for kind in kinds:
            for instance_uuid in self.uuids(kind):
                yield self._item(instance_uuid)

    def uuids(self, *kinds: Kind) -> list[str]:
        """Return the instances of the items of some kinds."""
        return [key for key, one in self._packed.items() if one.kind in kinds]

    def counts(self) -> collections.Counter[Kind]:
        """Return how many items of each kind there are."""
        return collections.Counter(one.kind for one in self._packed.values())

    def digests(self, *kinds: Kind) -> list[bytes]:
        """Return the digests of the items of some kinds, sorted."""
        return sorted(
            one.digest for one in self._packed.values() if one.kind in kinds
        )

    def _item(self, instance_uuid: str) -> Item:
        packed = self._packed[instance_uuid]
        text = packed.data
        if isinstance(text, bytes):
            text = zlib.decompress(text).decode()
        state, entry, differences = packing.decode(text)
        return Item(
            kind=packed.kind,
            instance_uuid=instance_uuid,
            state=state and packing.state_from_list(instance_uuid, state),
            entry=entry and packing.entry_from_list(entry),
            differences=tuple(
                base.Difference(name, tuple(old), tuple(new))
                for name, old, new in differences
            ),
            reason=packed.reason,
        )

    def __iter__(self) -> Iterator[Item]:
        return self.of(*Kind)

    def __len__(self) -> int:
        return len(self._packed)


def digest(item: Item) -> bytes:
    """Return what is equal if the same is to be written, at any time."""
    new: list[Any] = [item.instance_uuid]
    if item.differences:
        new += [(one.attribute, one.new) for one in item.differences]
    elif item.state:
        new += packing.record_to_list(item.state.record)
    return hashlib.sha256(packing.encode(new).encode()).digest()[:16]
