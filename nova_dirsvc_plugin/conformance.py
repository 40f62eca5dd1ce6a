# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Tries out what a directory service does, with entries of its own.

The contract of :class:`directories.base.Directory`, seen from outside: with
instances that there never were, and owner marks that no cloud has. What was
made is removed at the end.
"""

import dataclasses
import enum
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

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


class _Fails(Exception):
    """It does not hold; the message says what was seen."""


class _NotTried(Exception):
    """It cannot be told; the message says why."""


class Conformance:
    """One run of all checks.

    :param make: makes the driver for an owner mark
    :param now: epoch seconds, the time of the first news
    :param name: makes the owner marks one run's own
    """

    def __init__(
        self, make: Callable[[str], base.Directory], now: float, name: str
    ) -> None:
        self._owner = f"conformance-{name}"
        self._ours = make(self._owner)
        self._theirs = make(f"{self._owner}-other")
        self._now = now
        self._made: dict[str, base.Directory] = {}

    def run(self) -> Iterator[Finding]:
        """Try one thing after another.

        :raises base.DirectoryUnavailable: it is out of reach from the start
        """
        try:
            self._knock()
            for check, need, try_out in self._checks():
                yield self._finding(check, need, try_out)
        finally:
            self._clean_up()
            self._ours.close()
            self._theirs.close()

    def _checks(
        self,
    ) -> Sequence[tuple[str, Need, Callable[[], None]]]:
        always, reading = Need.ALWAYS, Need.READING
        writers, owners = Need.WRITERS, Need.OWNERS
        return (
            ("an instance is registered", always, self._registers),
            ("to do so twice is to do so once", always, self._repeats),
            ("what changed is taken", always, self._refreshes),
            ("any letter is taken", always, self._bears_any_letter),
            ("a uuid alone is taken", always, self._bears_a_uuid_alone),
            (f"{MANY} at once are taken", always, self._takes_many),
            ("an instance is unregistered", always, self._unregisters),
            ("so is one that is not there", always, self._knows_of_none),
            ("entries are read as written", reading, self._reads_back),
            ("all entries are read", reading, self._reads_all),
            ("what is gone is not read", reading, self._reads_no_more),
            ("older news replaces nothing", writers, self._heeds_time),
            ("what news leaves out stays", writers, self._completes),
            ("softly, only older goes", writers, self._heeds_time_softly),
            ("others' entries stay theirs", owners, self._heeds_owners),
            ("others' entries are not ours", owners, self._lists_ours),
        )

    def _finding(
        self, check: str, need: Need, try_out: Callable[[], None]
    ) -> Finding:
        try:
            if need in (Need.WRITERS, Need.OWNERS) and (
                self._ours.RECORDS_EVENTS
            ):
                raise _NotTried("it records what happens, whatever that is")
            try_out()
        except _Fails as seen:
            return Finding(check, need, False, str(seen))
        except (_NotTried, base.EntriesNotKept) as why:
            return Finding(check, need, None, str(why))
        except base.DirectoryUnavailable as error:
            return Finding(check, need, False, str(error))
        return Finding(check, need, True)

    # -- always ------------------------------------------------------------

    def _registers(self) -> None:
        self._tell(_REGISTER, self._record())

    def _repeats(self) -> None:
        one = self._record()
        for _ in range(2):
            self._tell(_REGISTER, one)
        self._expect_if_readable(one)

    def _refreshes(self) -> None:
        one = self._record()
        self._tell(_REGISTER, one)
        newer = dataclasses.replace(one, image_uuid=str(uuid.uuid4()))
        self._tell(_REFRESH, newer, seconds=1)
        self._expect_if_readable(newer)

    def _bears_any_letter(self) -> None:
        plain = self._record()
        self._tell(_REGISTER, plain)
        hostile = dataclasses.replace(
            self._record(),
            display_name=_HOSTILE,
            project_name=_HOSTILE,
            user_name=_HOSTILE,
        )
        self._tell(_REGISTER, hostile)
        self._expect_if_readable(plain)

    def _bears_a_uuid_alone(self) -> None:
        self._tell(
            _REGISTER, events.HostRecord(instance_uuid=str(uuid.uuid4()))
        )

    def _takes_many(self) -> None:
        self._tell(_REGISTER, *(self._record() for _ in range(MANY)))

    def _unregisters(self) -> None:
        one = self._record()
        self._tell(_REGISTER, one)
        self._tell(_UNREGISTER, one)

    def _knows_of_none(self) -> None:
        self._tell(_UNREGISTER, self._record())

    # -- to compare it with Nova -------------------------------------------

    def _reads_back(self) -> None:
        one = self._record()
        self._tell(_REGISTER, one)
        self._expect(one)

    def _reads_all(self) -> None:
        records = [self._record() for _ in range(MANY)]
        self._tell(_REGISTER, *records)
        missing = {one.instance_uuid for one in records} - set(self._found())
        if missing:
            raise _Fails(f"{len(missing)} of {MANY} are not in the list")

    def _reads_no_more(self) -> None:
        one, gone = self._record(), self._record()
        self._tell(_REGISTER, one, gone)
        self._tell(_UNREGISTER, gone)
        self._expect(one)
        self._expect_none(gone)

    # -- with several daemons ----------------------------------------------

    def _heeds_time(self) -> None:
        newer = self._record()
        self._tell(_REFRESH, newer, seconds=2)
        older = dataclasses.replace(newer, image_uuid=str(uuid.uuid4()))
        self._tell(_REGISTER, older, seconds=1)
        self._expect(newer)

    def _completes(self) -> None:
        one = self._record()
        self._tell(_REGISTER, one)
        silent = dataclasses.replace(
            one,
            image_uuid=str(uuid.uuid4()),
            user_name="",
            project_name="",
            user_remote_address="",
            addresses=None,
        )
        self._tell(_REFRESH, silent, seconds=1)
        self._expect(silent.completed(one))

    def _heeds_time_softly(self) -> None:
        newer, older = self._record(), self._record()
        self._tell(_REGISTER, older)
        self._tell(_REGISTER, newer, seconds=2)
        self._tell(_SOFTLY, newer, older, seconds=1)
        self._expect(newer)
        self._expect_none(older)

    # -- with several clouds -----------------------------------------------

    def _heeds_owners(self) -> None:
        theirs = self._record()
        self._tell(_REGISTER, theirs, by=self._theirs)
        for verb in (_REFRESH, _UNREGISTER):
            change = base.Change(
                verb, dataclasses.replace(theirs, user_name="eve"), self._now
            )
            (outcome,) = self._ours.apply([change])
            if not isinstance(outcome, base.Rejected):
                raise _Fails(f"{verb} was not refused: {_said(outcome)}")
        self._expect(theirs, by=self._theirs)

    def _lists_ours(self) -> None:
        theirs = self._record()
        self._tell(_REGISTER, theirs, by=self._theirs)
        self._expect_none(theirs)

    # -- steps -------------------------------------------------------------

    def _knock(self) -> None:
        """Do something harmless, to see whether there is anybody.

        :raises base.DirectoryUnavailable: there is not
        """
        change = base.Change(_UNREGISTER, self._record(), self._now)
        (outcome,) = self._ours.apply([change])
        if isinstance(outcome, base.Unavailable):
            raise base.DirectoryUnavailable(outcome.reason)

    def _record(self) -> events.HostRecord:
        """Make the record of an instance that there never was."""
        return events.HostRecord(
            instance_uuid=str(uuid.uuid4()),
            display_name="conformance",
            host_name="conformance",
            project_id=uuid.uuid4().hex,
            project_name="conformance",
            user_id=uuid.uuid4().hex,
            user_name="nobody",
            user_remote_address="192.0.2.7",
            image_uuid=str(uuid.uuid4()),
            flavor_name="none",
            created_at="2026-01-01T00:00:00Z",
            addresses=(
                events.Address("192.0.2.54", "02:00:00:51:8e:ab", "none"),
            ),
        )

    def _tell(
        self,
        verb: events.Verb,
        *records: events.HostRecord,
        seconds: float = 0.0,
        by: base.Directory | None = None,
    ) -> None:
        """Apply news; it is to be Done.

        :param seconds: from the first news to this
        """
        directory = by or self._ours
        for record in records:
            self._made[record.instance_uuid] = directory
        outcomes = directory.apply(
            [
                base.Change(verb, record, self._now + seconds)
                for record in records
            ]
        )
        for outcome in outcomes:
            if not isinstance(outcome, base.Done):
                raise _Fails(f"{verb}: {_said(outcome)}")

    def _found(
        self, by: base.Directory | None = None
    ) -> dict[str, events.HostRecord]:
        entries = (by or self._ours).entries()
        return {entry.instance_uuid: entry for entry in entries}

    def _expect(
        self, record: events.HostRecord, by: base.Directory | None = None
    ) -> None:
        found = self._found(by).get(record.instance_uuid)
        if found is None:
            raise _Fails("the entry is not in the list")
        wanted, seen = record.essentials(), found.essentials()
        wrong = [
            f"{name} is {seen[name]!r}, not {wanted[name]!r}"
            for name in wanted
            if wanted[name] != seen[name]
        ]
        if wrong:
            raise _Fails("; ".join(wrong))

    def _expect_if_readable(self, record: events.HostRecord) -> None:
        try:
            self._expect(record)
        except base.EntriesNotKept:
            return

    def _expect_none(self, record: events.HostRecord) -> None:
        if record.instance_uuid in self._found():
            raise _Fails("the entry is in the list")

    def _clean_up(self) -> None:
        """Remove all that was made; say what could not be."""
        for directory in (self._ours, self._theirs):
            changes = [
                base.Change(
                    _UNREGISTER,
                    events.HostRecord(instance_uuid=instance_uuid),
                    self._now + 3,
                )
                for instance_uuid, made_by in self._made.items()
                if made_by is directory
            ]
            left = [
                change.record.instance_uuid
                for change, outcome in zip(
                    changes, directory.apply(changes), strict=True
                )
                if not isinstance(outcome, base.Done)
            ]
            if left:
                LOG.error(
                    "%d entries of this check are left: %s",
                    len(left),
                    ", ".join(left),
                )


def _said(outcome: base.Outcome) -> str:
    if isinstance(outcome, base.Done):
        return "done"
    return f"{type(outcome).__name__.lower()}: {outcome.reason}"
