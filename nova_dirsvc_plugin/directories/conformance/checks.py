# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The checks of a directory service, a function each.

They are the contract of :class:`directories.base.Directory`, seen from
outside, with fictitious instances. What was made is removed at the end.
"""

import dataclasses
import enum
import uuid
from collections.abc import Callable, Iterator

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.conformance import (
    comparing,
    overlapping,
)
from nova_dirsvc_plugin.directories.conformance.trial import (
    Fails,
    NotTried,
    Trial,
    describe,
)

_REGISTER, _REFRESH = events.Verb.REGISTER, events.Verb.REFRESH
_UNREGISTER, _SOFTLY = events.Verb.UNREGISTER, events.Verb.SOFT_UNREGISTER

#: Entries that are written in one batch.
MANY = 100


class Need(enum.StrEnum):
    """What a check is required for."""

    ALWAYS = "always"
    READING = "comparing with Nova"
    WRITERS = "several daemons"
    OWNERS = "several clouds"
    SPEED = "speed"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check.

    :ivar holds: None when it was not tried
    :ivar detail: what was seen instead, why it was not tried, or what was
        measured
    """

    check: str
    need: Need
    holds: bool | None
    detail: str = ""


def run(trial: Trial) -> Iterator[Finding]:
    """Do one check after another, and remove what was made.

    :raises base.DirectoryUnavailable: the directory does not answer
    """
    try:
        trial.check_reachable()
        for check, need, try_out in _CHECKS:
            yield _finding(trial, check, need, try_out)
        for seen in trial.ours.measurements():
            yield Finding(seen.property, Need.SPEED, seen.is_well, seen.detail)
    finally:
        trial.clean_up()


def _finding(
    trial: Trial, check: str, need: Need, try_out: Callable[[Trial], None]
) -> Finding:
    if need in (Need.WRITERS, Need.OWNERS) and trial.ours.APPEND_ONLY:
        return Finding(
            check, need, None, "it appends each event and keeps no state"
        )
    try:
        try_out(trial)
    except (base.EntriesNotKept, NotTried) as why:
        return Finding(check, need, None, str(why))
    except (Fails, base.DirectoryUnavailable) as seen:
        return Finding(check, need, False, str(seen))
    return Finding(check, need, True)


# -- always ------------------------------------------------------------


def _registers(trial: Trial) -> None:
    trial.apply_ok(_REGISTER, trial.record())


def _registers_twice(trial: Trial) -> None:
    one = trial.record()
    for _ in range(2):
        trial.apply_ok(_REGISTER, one)
    trial.expect_if_readable(one)


def _refreshes(trial: Trial) -> None:
    one = trial.record()
    trial.apply_ok(_REGISTER, one)
    newer = dataclasses.replace(one, image_uuid=str(uuid.uuid4()))
    trial.apply_ok(_REFRESH, newer, seconds=1)
    trial.expect_if_readable(newer)


def _accepts_any_text(trial: Trial) -> None:
    plain = trial.record()
    trial.apply_ok(_REGISTER, plain)
    hostile = dataclasses.replace(
        trial.record(),
        display_name=comparing.HOSTILE,
        project_name=comparing.HOSTILE,
        user_name=comparing.HOSTILE,
    )
    trial.apply_ok(_REGISTER, hostile)
    trial.expect_if_readable(plain)


def _accepts_a_bare_uuid(trial: Trial) -> None:
    trial.apply_ok(
        _REGISTER, events.HostRecord(instance_uuid=str(uuid.uuid4()))
    )


def _accepts_many(trial: Trial) -> None:
    trial.apply_ok(_REGISTER, *(trial.record() for _ in range(MANY)))


def _unregisters(trial: Trial) -> None:
    one = trial.record()
    trial.apply_ok(_REGISTER, one)
    trial.apply_ok(_UNREGISTER, one)


def _unregisters_unknown(trial: Trial) -> None:
    trial.apply_ok(_UNREGISTER, trial.record())


def _ends_batches_in_time(trial: Trial) -> None:
    if trial.longest_batch > base.LONGEST_BATCH:
        raise Fails(f"one has taken {trial.longest_batch:.0f} s")


# -- to compare it with Nova -------------------------------------------


def _reads_back(trial: Trial) -> None:
    one = trial.record()
    trial.apply_ok(_REGISTER, one)
    trial.expect(one)


def _reads_all(trial: Trial) -> None:
    records = [trial.record() for _ in range(MANY)]
    trial.apply_ok(_REGISTER, *records)
    missing = {one.instance_uuid for one in records} - set(trial.found())
    if missing:
        raise Fails(f"{len(missing)} of {MANY} are not in the list")


def _reads_no_removed(trial: Trial) -> None:
    one, gone = trial.record(), trial.record()
    trial.apply_ok(_REGISTER, one, gone)
    trial.apply_ok(_UNREGISTER, gone)
    trial.expect(one)
    trial.expect_none(gone)


# -- with several daemons ----------------------------------------------


def _ignores_older(trial: Trial) -> None:
    newer = trial.record()
    trial.apply_ok(_REFRESH, newer, seconds=2)
    older = dataclasses.replace(newer, image_uuid=str(uuid.uuid4()))
    trial.apply_ok(_REGISTER, older, seconds=1)
    trial.expect(newer)


def _keeps_unknown(trial: Trial) -> None:
    one = trial.record()
    trial.apply_ok(_REGISTER, one)
    silent = dataclasses.replace(
        one,
        image_uuid=str(uuid.uuid4()),
        user_name="",
        project_name="",
        user_remote_address="",
        addresses=None,
    )
    trial.apply_ok(_REFRESH, silent, seconds=1)
    trial.expect(silent.completed(one))


def _soft_unregister_ignores_newer(trial: Trial) -> None:
    newer, older = trial.record(), trial.record()
    trial.apply_ok(_REGISTER, older)
    trial.apply_ok(_REGISTER, newer, seconds=2)
    trial.apply_ok(_SOFTLY, newer, older, seconds=1)
    trial.expect(newer)
    trial.expect_none(older)


# -- with several clouds -----------------------------------------------


def _refuses_foreign(trial: Trial) -> None:
    theirs = trial.theirs_record()
    for verb in (_REFRESH, _UNREGISTER):
        state = events.HostState(
            verb, dataclasses.replace(theirs, user_name="eve"), trial.now
        )
        (outcome,) = trial.apply(trial.ours, [state])
        if not isinstance(outcome, base.Rejected):
            raise Fails(f"{verb} was not refused: {describe(outcome)}")
    trial.expect(theirs, by=trial.theirs)


def _lists_own_only(trial: Trial) -> None:
    theirs = trial.theirs_record()
    trial.expect_none(theirs)


_CHECKS = (
    ("an instance is registered", Need.ALWAYS, _registers),
    ("registering twice changes nothing", Need.ALWAYS, _registers_twice),
    ("a refresh updates the entry", Need.ALWAYS, _refreshes),
    ("any Unicode text is accepted", Need.ALWAYS, _accepts_any_text),
    (
        "a record with a uuid alone is accepted",
        Need.ALWAYS,
        _accepts_a_bare_uuid,
    ),
    (f"a batch of {MANY} is accepted", Need.ALWAYS, _accepts_many),
    (
        f"a batch ends within {base.LONGEST_BATCH:.0f} s",
        Need.ALWAYS,
        _ends_batches_in_time,
    ),
    (
        "looking ahead writes nothing",
        Need.ALWAYS,
        overlapping.looks_ahead_and_writes_nothing,
    ),
    ("an instance is unregistered", Need.ALWAYS, _unregisters),
    (
        "unregistering an unknown instance succeeds",
        Need.ALWAYS,
        _unregisters_unknown,
    ),
    ("entries are read as they were written", Need.READING, _reads_back),
    ("all entries are read", Need.READING, _reads_all),
    ("removed entries are not read", Need.READING, _reads_no_removed),
    (
        "a second comparison finds nothing",
        Need.READING,
        comparing.has_no_difference_when_written,
    ),
    (
        "a change is a difference until it is written",
        Need.READING,
        comparing.has_a_difference_until_written,
    ),
    ("entries are found by uuid", Need.READING, comparing.finds_by_uuid),
    ("an older state replaces nothing", Need.WRITERS, _ignores_older),
    (
        "an older state is no difference",
        Need.WRITERS,
        comparing.has_no_difference_when_older,
    ),
    (
        "the time of a state is read back",
        Need.WRITERS,
        comparing.tells_its_time,
    ),
    ("what a state leaves out is kept", Need.WRITERS, _keeps_unknown),
    (
        "soft-unregister removes only older entries",
        Need.WRITERS,
        _soft_unregister_ignores_newer,
    ),
    ("entries of other owners are not changed", Need.OWNERS, _refuses_foreign),
    ("entries of other owners are not listed", Need.OWNERS, _lists_own_only),
    (
        "entries of other owners are found by uuid",
        Need.OWNERS,
        comparing.finds_foreign,
    ),
)
