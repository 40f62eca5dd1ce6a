# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a REST service calls the fields of a document. Pure."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import document

_Path = tuple[str, ...]


class Names:
    """What a service calls the fields of a document.

    :param rename: our name -> theirs; a dot goes into an object
    :param leave_out: names of ours that it is not told
    :raises base.WrongOption: that cannot be
    """

    def __init__(
        self, rename: Mapping[str, str], leave_out: Sequence[str]
    ) -> None:
        self._rename = {
            _path(ours): _path(theirs) for ours, theirs in rename.items()
        }
        self._leave_out = [_path(ours) for ours in leave_out]
        self._check()

    def theirs(self, given: document.Document) -> document.Document:
        """Say a document in their words."""
        if not self._rename and not self._leave_out:
            return given
        said = copy.deepcopy(given)
        for path in self._leave_out:
            _take(said, path)
        taken = [(path, _take(said, path)) for path in self._rename]
        for path, value in taken:
            _put(said, self._rename[path], value)
        return said

    def ours(self, given: document.Document) -> document.Document:
        """Say a document of theirs in our words."""
        said = copy.deepcopy(given)
        taken = [
            (path, _take(said, theirs))
            for path, theirs in self._rename.items()
            if _has(said, theirs)
        ]
        for path, value in taken:
            if _has(said, path):
                # The service has a field of its own that is called so.
                _take(said, path)
            _put(said, path, value)
        return said

    @property
    def tells_owner(self) -> bool:
        """Whether the service is told whose an instance is."""
        return ("owner",) not in self._leave_out

    def only_uuid(self, instance_uuid: str) -> document.Document:
        """Make the document that unregisters by POST."""
        said: document.Document = {}
        path = ("instance_uuid",)
        _put(said, self._rename.get(path, path), instance_uuid)
        return said

    def _check(self) -> None:
        sample = document.document(
            base.Change(
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
                        f" {'.'.join(path)!r}; it has {_listed(sample)}"
                    )
        if ("instance_uuid",) in self._leave_out:
            raise base.WrongOption(
                "[rest] leave_out: instance_uuid is needed by every service"
            )
        try:
            said = self.theirs(sample)
            again = self.ours(said)
            for path in self._leave_out:
                _take(sample, path)
            for name in sample:
                if again.get(name) != sample[name]:
                    raise KeyError(name)
        except KeyError as error:
            raise base.WrongOption(
                f"[rest] rename, leave_out: {error.args[0]!r} would be there"
                " twice, in an object that is none, or is gone already"
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
    """Take a field out.

    :raises KeyError: it is not there; with its name
    """
    if not _has(within, path):
        raise KeyError(".".join(path))
    for name in path[:-1]:
        within = within[name]
    return within.pop(path[-1])


def _put(within: document.Document, path: _Path, value: Any) -> None:
    """Put a field in, with the objects around it.

    :raises KeyError: there is one, or something that is no object around it
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
