# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a directory service is to do, a function a thing.

The contract of :class:`directories.base.Directory`, seen from outside, with
instances that there never were. What was made is removed at the end.
"""

import dataclasses
import enum
import uuid
from collections.abc import Callable, Iterator

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.conformance.trial import (
    Fails,
    NotTried,
    Trial,
    said,
)

_REGISTER, _REFRESH = events.Verb.REGISTER, events.Verb.REFRESH
_UNREGISTER, _SOFTLY = events.Verb.UNREGISTER, events.Verb.SOFT_UNREGISTER

#: Entries that are written in one batch.
MANY = 100

#: What tenants may call an instance; NUL and halves of characters included.
_HOSTILE = '# né ,+"\\<>;=()*%{}\x00\ud800\r\n\U0001f600 名 ' + "x" * 220


class Need(enum.StrEnum):
    """When something has to hold."""

    ALWAYS = "always"
    READING = "to compare it with Nova"
    WRITERS = "with several daemons"
    OWNERS = "with several clouds"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check.

    :ivar holds: None when it was not tried
    :ivar detail: what was seen instead, or why it was not tried
    """

    check: str
    need: Need
    holds: bool | None
    detail: str = ""


def run(trial: Trial) -> Iterator[Finding]:
    """Try one thing after another, and remove what was made.

    :raises base.DirectoryUnavailable: it is out of reach from the start
    """
    try:
        trial.knock()
        for check, need, try_out in _CHECKS:
            yield _finding(trial, check, need, try_out)
    finally:
        trial.clean_up()


def _finding(
    trial: Trial, check: str, need: Need, try_out: Callable[[Trial], None]
) -> Finding:
    if need in (Need.WRITERS, Need.OWNERS) and trial.ours.APPEND_ONLY:
        return Finding(check, need, None, "it records what happens, whatever")
    try:
        try_out(trial)
    except (base.EntriesNotKept, NotTried) as why:
        return Finding(check, need, None, str(why))
    except (Fails, base.DirectoryUnavailable) as seen:
        return Finding(check, need, False, str(seen))
    return Finding(check, need, True)


# -- always ------------------------------------------------------------


def _registers(trial: Trial) -> None:
    trial.tell(_REGISTER, trial.record())


def _repeats(trial: Trial) -> None:
    one = trial.record()
    for _ in range(2):
        trial.tell(_REGISTER, one)
    trial.expect_if_readable(one)


def _refreshes(trial: Trial) -> None:
    one = trial.record()
    trial.tell(_REGISTER, one)
    newer = dataclasses.replace(one, image_uuid=str(uuid.uuid4()))
    trial.tell(_REFRESH, newer, seconds=1)
    trial.expect_if_readable(newer)


def _bears_any_letter(trial: Trial) -> None:
    plain = trial.record()
    trial.tell(_REGISTER, plain)
    hostile = dataclasses.replace(
        trial.record(),
        display_name=_HOSTILE,
        project_name=_HOSTILE,
        user_name=_HOSTILE,
    )
    trial.tell(_REGISTER, hostile)
    trial.expect_if_readable(plain)


def _bears_a_uuid_alone(trial: Trial) -> None:
    trial.tell(_REGISTER, events.HostRecord(instance_uuid=str(uuid.uuid4())))


def _takes_many(trial: Trial) -> None:
    trial.tell(_REGISTER, *(trial.record() for _ in range(MANY)))


def _unregisters(trial: Trial) -> None:
    one = trial.record()
    trial.tell(_REGISTER, one)
    trial.tell(_UNREGISTER, one)


def _knows_of_none(trial: Trial) -> None:
    trial.tell(_UNREGISTER, trial.record())


# -- to compare it with Nova -------------------------------------------


def _reads_back(trial: Trial) -> None:
    one = trial.record()
    trial.tell(_REGISTER, one)
    trial.expect(one)


def _reads_all(trial: Trial) -> None:
    records = [trial.record() for _ in range(MANY)]
    trial.tell(_REGISTER, *records)
    missing = {one.instance_uuid for one in records} - set(trial.found())
    if missing:
        raise Fails(f"{len(missing)} of {MANY} are not in the list")


def _reads_no_more(trial: Trial) -> None:
    one, gone = trial.record(), trial.record()
    trial.tell(_REGISTER, one, gone)
    trial.tell(_UNREGISTER, gone)
    trial.expect(one)
    trial.expect_none(gone)


# -- with several daemons ----------------------------------------------


def _heeds_time(trial: Trial) -> None:
    newer = trial.record()
    trial.tell(_REFRESH, newer, seconds=2)
    older = dataclasses.replace(newer, image_uuid=str(uuid.uuid4()))
    trial.tell(_REGISTER, older, seconds=1)
    trial.expect(newer)


def _completes(trial: Trial) -> None:
    one = trial.record()
    trial.tell(_REGISTER, one)
    silent = dataclasses.replace(
        one,
        image_uuid=str(uuid.uuid4()),
        user_name="",
        project_name="",
        user_remote_address="",
        addresses=None,
    )
    trial.tell(_REFRESH, silent, seconds=1)
    trial.expect(silent.completed(one))


def _heeds_time_softly(trial: Trial) -> None:
    newer, older = trial.record(), trial.record()
    trial.tell(_REGISTER, older)
    trial.tell(_REGISTER, newer, seconds=2)
    trial.tell(_SOFTLY, newer, older, seconds=1)
    trial.expect(newer)
    trial.expect_none(older)


# -- with several clouds -----------------------------------------------


def _heeds_owners(trial: Trial) -> None:
    theirs = trial.theirs_record()
    for verb in (_REFRESH, _UNREGISTER):
        change = base.Change(
            verb, dataclasses.replace(theirs, user_name="eve"), trial.now
        )
        (outcome,) = trial.apply(trial.ours, [change])
        if not isinstance(outcome, base.Rejected):
            raise Fails(f"{verb} was not refused: {said(outcome)}")
    trial.expect(theirs, by=trial.theirs)


def _lists_ours(trial: Trial) -> None:
    theirs = trial.theirs_record()
    trial.expect_none(theirs)


_CHECKS = (
    ("an instance is registered", Need.ALWAYS, _registers),
    ("to do so twice is to do so once", Need.ALWAYS, _repeats),
    ("what changed is taken", Need.ALWAYS, _refreshes),
    ("any letter is taken", Need.ALWAYS, _bears_any_letter),
    ("a uuid alone is taken", Need.ALWAYS, _bears_a_uuid_alone),
    (f"{MANY} at once are taken", Need.ALWAYS, _takes_many),
    ("an instance is unregistered", Need.ALWAYS, _unregisters),
    ("so is one that is not there", Need.ALWAYS, _knows_of_none),
    ("entries are read as written", Need.READING, _reads_back),
    ("all entries are read", Need.READING, _reads_all),
    ("what is gone is not read", Need.READING, _reads_no_more),
    ("older news replaces nothing", Need.WRITERS, _heeds_time),
    ("what news leaves out stays", Need.WRITERS, _completes),
    ("softly, only older goes", Need.WRITERS, _heeds_time_softly),
    ("others' entries stay theirs", Need.OWNERS, _heeds_owners),
    ("others' entries are not ours", Need.OWNERS, _lists_ours),
)
