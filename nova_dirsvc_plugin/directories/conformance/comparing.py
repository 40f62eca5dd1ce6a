# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of what a comparison with Nova rests on."""

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.conformance.trial import (
    Fails,
    NotTried,
    Trial,
)

_REGISTER, _REFRESH = events.Verb.REGISTER, events.Verb.REFRESH

#: A name that a tenant may choose, with NUL and a lone surrogate.
HOSTILE = '# né ,+"\\<>;=()*%{}\x00\ud800\r\n\U0001f600 名 ' + "x" * 220

_NIC, _ANOTHER = "02:00:00:51:8e:ab", "02:00:00:51:8e:ac"

#: Instances of all sorts, by what is particular about them.
_SORTS: Mapping[str, Mapping[str, Any]] = {
    "one address": {},
    "two NICs": {
        "addresses": (
            events.Address("192.0.2.54", _NIC, "one"),
            events.Address("192.0.2.55", _ANOTHER, "two"),
        )
    },
    "dual stack": {
        "addresses": (
            events.Address("192.0.2.54", _NIC, "one"),
            events.Address("2001:db8::54", _NIC, "one"),
        )
    },
    "no address": {"addresses": ()},
    "unknown addresses": {"addresses": None},
    "boot from volume": {"image_uuid": ""},
    "hostile names": {
        "display_name": HOSTILE,
        "project_name": HOSTILE,
        "user_name": HOSTILE,
    },
    "blank names": {"display_name": " \t", "user_name": " a  b "},
    "no names": {
        "project_name": "",
        "user_name": "",
        "user_remote_address": "",
    },
}


def has_no_difference_when_written(trial: Trial) -> None:
    """What was written once need not be written again."""
    for sort, fields in _SORTS.items():
        one = dataclasses.replace(trial.record(), **fields)
        trial.apply_ok(_REGISTER, one)
        entry = _entry(trial, one)
        for what, record in (("", one), (" as it is read", entry.record)):
            state = events.HostState(_REFRESH, record, trial.now + 1)
            _expect_none(trial.ours.differences(entry, state), f"{sort}{what}")


def has_a_difference_until_written(trial: Trial) -> None:
    _need_states(trial)
    one = dataclasses.replace(trial.record(), user_name="")
    trial.apply_ok(_REGISTER, one)
    changes: Sequence[Mapping[str, Any]] = (
        {"image_uuid": str(uuid.uuid4())},
        {"user_name": "somebody"},
        {"addresses": (events.Address("192.0.2.56", _ANOTHER, "none"),)},
    )
    # Each is later than the one before: a directory may round the time up.
    for seconds, fields in enumerate(changes, 1):
        one = dataclasses.replace(one, **fields)
        state = events.HostState(_REFRESH, one, trial.now + seconds)
        if not trial.ours.differences(_entry(trial, one), state):
            raise Fails(f"a new {', '.join(fields)} is no difference")
        trial.apply_ok(_REFRESH, one, seconds=seconds)
        _expect_none(
            trial.ours.differences(_entry(trial, one), state),
            ", ".join(fields),
        )


def has_no_difference_when_older(trial: Trial) -> None:
    """An older state only fills in what is unknown."""
    one = dataclasses.replace(trial.record(), user_name="")
    trial.apply_ok(_REFRESH, one, seconds=2)
    entry = _entry(trial, one)
    older = dataclasses.replace(one, image_uuid=str(uuid.uuid4()))
    state = events.HostState(_REFRESH, older, trial.now + 1)
    _expect_none(trial.ours.differences(entry, state), "an older state")
    filling = dataclasses.replace(older, user_name="somebody")
    state = dataclasses.replace(state, record=filling)
    if not trial.ours.differences(entry, state):
        raise Fails("a name that is unknown is no difference")


def tells_its_time(trial: Trial) -> None:
    one = trial.record()
    trial.apply_ok(_REGISTER, one, seconds=1)
    as_of = _entry(trial, one).as_of
    if abs(as_of - trial.now - 1) > 1e-3:
        raise Fails(f"it is {as_of}, not {trial.now + 1}")


def finds_by_uuid(trial: Trial) -> None:
    one, absent = trial.record(), trial.record()
    trial.apply_ok(_REGISTER, one)
    found = _found(trial, [absent.instance_uuid, one.instance_uuid])
    if set(found) != {one.instance_uuid}:
        raise Fails(f"{len(found)} entries are found, not the one")


def finds_foreign(trial: Trial) -> None:
    theirs, ours = trial.theirs_record(), trial.record()
    trial.apply_ok(_REGISTER, ours)
    found = _found(trial, [theirs.instance_uuid, ours.instance_uuid])
    if theirs.instance_uuid not in found:
        raise Fails("the entry is not found")
    marks = {found[one.instance_uuid].owner for one in (theirs, ours)}
    if len(marks) != 2:
        raise Fails("its owner mark is not read")


def _need_states(trial: Trial) -> None:
    """:raises NotTried: there are none"""
    if trial.ours.APPEND_ONLY:
        raise NotTried("it appends each event and keeps no state")


def _found(trial: Trial, uuids: Sequence[str]) -> dict[str, base.Entry]:
    return {
        entry.record.instance_uuid: entry for entry in trial.ours.find(uuids)
    }


def _entry(trial: Trial, record: events.HostRecord) -> base.Entry:
    found = _found(trial, [record.instance_uuid])
    if record.instance_uuid not in found:
        raise Fails("the entry is not found")
    return found[record.instance_uuid]


def _expect_none(found: Sequence[base.Difference], what: str) -> None:
    if found:
        seen = "; ".join(
            f"{one.attribute} is {list(one.old)}, not {list(one.new)}"
            for one in found
        )
        raise Fails(f"{what}: {seen}")
