# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a document would change of the one that a service has. Pure."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import document

#: About the event, not about the instance.
_OF_THE_EVENT = ("version", "verb", "as_of")


def differences(
    entry: base.Entry,
    state: events.HostState,
    sent: Callable[[events.HostState], document.Document],
    names: Mapping[str, str],
) -> list[base.Difference]:
    """Compare an entry with the document of a state.

    A service keeps what a document does not know, and need not keep all of
    it: a field that its own document does not have is not compared. Nova
    names the addresses in another order at times, which changes nothing.

    :param sent: makes the document that is sent of a state
    :param names: the service's path of each field that is sent -> ours
    """
    record = state.record.completed(entry.record)
    if state.as_of < entry.as_of:
        record = entry.record.completed(state.record)
    wanted = dataclasses.replace(state, record=record)
    new = document.content(sent(wanted))
    return [
        base.Difference(path, entry.content[path], new[path])
        for path, ours in names.items()
        if ours not in _OF_THE_EVENT
        and path in entry.content
        and not _is_same(ours, entry.content[path], new[path], record)
    ]


def _is_same(
    name: str,
    old: Sequence[str],
    new: Sequence[str],
    record: events.HostRecord,
) -> bool:
    if name == "mac_address" and old:
        return old[0] in record.mac_addresses
    if name == "host_record.addresses":
        return _addresses(old) == _addresses(new)
    return list(old) == list(new)


def _addresses(texts: Sequence[str]) -> list[list[str]]:
    """Read addresses; what a service adds to one does not count."""
    found = [json.loads(text) for text in texts]
    return sorted(
        [str(one.get(name) or "") for name in document.ADDRESS]
        for one in found
    )
