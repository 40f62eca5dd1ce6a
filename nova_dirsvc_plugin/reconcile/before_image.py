# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An entry as it was before a run, in the form that the outbox keeps. Pure."""

from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base

#: What is there, in a form for JSON.
Image = Mapping[str, Any]


#: Seconds within which two times are the same: directories round them.
_ROUNDED = 0.01


def of(entry: base.Entry, as_of: float) -> Image:
    """Return the image of an entry.

    :param as_of: epoch seconds of the state that the run writes
    """
    return {
        "written_as_of": as_of,
        "name": entry.name,
        "owner": entry.owner,
        "as_of": entry.as_of,
        "content": {name: [*entry.content[name]] for name in entry.content},
        "record": entry.record.to_json(),
    }


def record(image: Image) -> events.HostRecord:
    """Return the host record of an image.

    :raises ValueError: it has none that can be read
    """
    return events.HostRecord.from_json(image["record"])


def is_equal(image: Image, entry: base.Entry) -> bool:
    """Return whether an entry has the same content."""
    content = {name: [*entry.content[name]] for name in entry.content}
    return bool(image["content"] == content)


def was_changed_since(image: Image, entry: base.Entry) -> bool:
    """Return whether an entry has a later state than the run has written."""
    return bool(entry.as_of > image["written_as_of"] + _ROUNDED)
