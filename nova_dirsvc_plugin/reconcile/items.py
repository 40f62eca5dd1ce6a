# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Many items, kept small. Pure."""

import collections
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from nova_dirsvc_plugin.reconcile import item as plan_item

Item = plan_item.Item
Kind = plan_item.Kind


class _Packed(NamedTuple):
    """An item whose kind and reason may have changed since it was packed."""

    kind: Kind
    reason: str
    digest: bytes
    data: bytes


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
        self._packed[item.instance_uuid] = _Packed(
            item.kind,
            item.reason,
            item.digest(),
            zlib.compress(item.to_json().encode("ascii"), 1),
        )

    def drop(self, instance_uuid: str) -> None:
        """Keep no item of that instance."""
        self._packed.pop(instance_uuid, None)

    def judge(self, instance_uuid: str, kind: Kind, reason: str = "") -> None:
        """Give an item another kind."""
        packed = self._packed[instance_uuid]
        self._packed[instance_uuid] = packed._replace(kind=kind, reason=reason)

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
        text = zlib.decompress(packed.data).decode("ascii")
        item = Item.from_json(text)
        if (item.kind, item.reason) == (packed.kind, packed.reason):
            return item
        return Item(
            kind=packed.kind,
            instance_uuid=instance_uuid,
            state=item.state,
            entry=item.entry,
            differences=item.differences,
            reason=packed.reason,
        )

    def __iter__(self) -> Iterator[Item]:
        return self.of(*Kind)

    def __len__(self) -> int:
        return len(self._packed)
