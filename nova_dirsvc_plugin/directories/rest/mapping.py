# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The names of a document's fields, ours and those of a service. Pure."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import document

_Path = tuple[str, ...]


class FieldMapping:
    """Renames and leaves out fields of a document.

    :param rename: our name -> the service's; a dot leads into an object
    :param leave_out: our names of fields that are not sent
    :raises base.WrongOption: such a document is not possible
    """

    def __init__(
        self, rename: Mapping[str, str], leave_out: Sequence[str]
    ) -> None:
        self._rename = {
            _path(ours): _path(theirs) for ours, theirs in rename.items()
        }
        self._leave_out = [_path(name) for name in leave_out]
        self._check()

    def to_service(self, given: document.Document) -> document.Document:
        """Return the document with the names of the service."""
        if not self._rename and not self._leave_out:
            return given
        mapped = copy.deepcopy(given)
        for path in self._leave_out:
            _take(mapped, path)
        taken = [(path, _take(mapped, path)) for path in self._rename]
        for path, value in taken:
            _put(mapped, self._rename[path], value)
        return mapped

    def from_service(self, given: document.Document) -> document.Document:
        """Return a document of the service with our names."""
        mapped = copy.deepcopy(given)
        taken = [
            (path, _take(mapped, theirs))
            for path, theirs in self._rename.items()
            if _has(mapped, theirs)
        ]
        for path, value in taken:
            if _has(mapped, path):
                # The service has a field of its own with this name.
                _take(mapped, path)
            _put(mapped, path, value)
        return mapped

    def names(self) -> dict[str, str]:
        """Return the path of each field that the service gets -> ours."""
        mapped = document.content(self.to_service(document.paths()))
        return {theirs: ours for theirs, (ours,) in mapped.items()}

    @property
    def has_owner(self) -> bool:
        """Whether the service gets the owner mark."""
        return ("owner",) not in self._leave_out

    def only_uuid(self, instance_uuid: str) -> document.Document:
        """Make the document that unregisters by POST."""
        mapped: document.Document = {}
        path = ("instance_uuid",)
        _put(mapped, self._rename.get(path, path), instance_uuid)
        return mapped

    def _check(self) -> None:
        sample = document.document(
            events.HostState(
                events.Verb.REGISTER, events.HostRecord(instance_uuid="")
            ),
            "",
        )
        for option, paths in (
            ("rename", self._rename),
            ("leave_out", self._leave_out),
        ):
            for path in paths:
                if not _has(sample, path):
                    raise base.WrongOption(
                        f"[rest] {option}: a document has no field"
                        f" {'.'.join(path)!r}; its fields are"
                        f" {_listed(sample)}"
                    )
        if ("instance_uuid",) in self._leave_out:
            raise base.WrongOption(
                "[rest] leave_out must not contain instance_uuid, which every"
                " service needs"
            )
        try:
            mapped_back = self.from_service(self.to_service(sample))
            for path in self._leave_out:
                _take(sample, path)
            for name in sample:
                if mapped_back.get(name) != sample[name]:
                    raise KeyError(name)
        except KeyError as error:
            raise base.WrongOption(
                f"[rest] rename, leave_out: the field {error.args[0]!r} exists"
                " already, is inside a field that is not an object, or is left"
                " out or renamed twice"
            ) from None


# -- fields by their path ----------------------------------------------------


def _path(name: str) -> _Path:
    return tuple(name.strip().split("."))


def _has(within: Any, path: _Path) -> bool:
    for name in path:
        if not isinstance(within, Mapping) or name not in within:
            return False
        within = within[name]
    return True


def _take(within: document.Document, path: _Path) -> Any:
    """Remove a field, and give its value.

    :raises KeyError: there is no such field; with its name
    """
    if not _has(within, path):
        raise KeyError(".".join(path))
    for name in path[:-1]:
        within = within[name]
    return within.pop(path[-1])


def _put(within: document.Document, path: _Path, value: Any) -> None:
    """Add a field, and the objects around it.

    :raises KeyError: it exists, or is inside something that is not an object
    """
    for name in path[:-1]:
        within = within.setdefault(name, {})
        if not isinstance(within, dict):
            raise KeyError(".".join(path))
    if not path[-1] or path[-1] in within:
        raise KeyError(".".join(path))
    within[path[-1]] = value


def _listed(sample: document.Document) -> str:
    names = [name for name in sample if name != "host_record"]
    inner = [f"host_record.{name}" for name in sample["host_record"]]
    return ", ".join([*names, "host_record", *inner])
