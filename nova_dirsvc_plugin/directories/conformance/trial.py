# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of a check: apply a state to a directory, see what it holds."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base

LOG = logging.getLogger(__name__)

#: How often a pause that the directory asks for is kept, and how long at
#: most, in seconds.
_WAITS = 20
_LONGEST_WAIT = 30.0

#: The owner mark of a fictitious other cloud.
_OTHER = "conformance-of-another-cloud"


class Fails(Exception):
    """The check does not hold; the message says what was seen."""


class NotTried(Exception):
    """The check cannot be done here; the message says why."""


class Trial:
    """Two clouds that write to one directory.

    :param make: makes the driver for an owner mark
    :param owner: the mark of one of them, which the directory admits; it may
        admit no other
    :param now: epoch seconds, the time of the first state
    :param sleep: waits for some seconds, where the directory asks for it
    :ivar ours: the driver of that one
    :ivar theirs: the driver of the other
    :ivar now: as given
    :ivar longest_batch: seconds that the longest batch has taken
    """

    def __init__(
        self,
        make: Callable[[str], base.Directory],
        owner: str,
        now: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self.ours = make(owner)
        self.theirs = make(_OTHER)
        self.now = now
        self.longest_batch = 0.0
        self._made: dict[str, base.Directory] = {}

    def check_reachable(self) -> None:
        """Unregister an unknown instance, which changes nothing.

        :raises base.DirectoryUnavailable: the directory does not answer
        """
        state = events.HostState(
            events.Verb.UNREGISTER, self.record(), self.now
        )
        (outcome,) = self.apply(self.ours, [state])
        if isinstance(outcome, base.Unavailable):
            raise base.DirectoryUnavailable(outcome.reason)

    def record(self) -> events.HostRecord:
        """Make the record of a fictitious instance."""
        return fictitious_record("conformance")

    def theirs_record(self) -> events.HostRecord:
        """Register an instance of the other cloud's.

        :raises NotTried: the directory refuses that
        """
        record = self.record()
        try:
            self.apply_ok(events.Verb.REGISTER, record, by=self.theirs)
        except Fails as refused:
            raise NotTried(
                "an entry with another owner mark is refused here"
            ) from refused
        return record

    def apply_ok(
        self,
        verb: events.Verb,
        *records: events.HostRecord,
        seconds: float = 0.0,
        by: base.Directory | None = None,
        meanwhile: Callable[[], None] = base.nothing,
    ) -> None:
        """Apply states; each is to be Done.

        :param seconds: from the first state to this
        :param meanwhile: what else is done while the directory works
        """
        directory = by or self.ours
        for record in records:
            self._made[record.instance_uuid] = directory
        outcomes = self.apply(
            directory,
            [
                events.HostState(verb, record, self.now + seconds)
                for record in records
            ],
            meanwhile,
        )
        for outcome in outcomes:
            if not isinstance(outcome, base.Done):
                raise Fails(f"{verb}: {describe(outcome)}")

    def apply(
        self,
        directory: base.Directory,
        states: Sequence[events.HostState],
        meanwhile: Callable[[], None] = base.nothing,
    ) -> list[base.Outcome]:
        """Apply states; keep the pauses that the directory asks for."""
        outcomes = self._timed(directory, states, meanwhile)
        for _ in range(_WAITS):
            put_off = {
                index: outcome.retry_after
                for index, outcome in enumerate(outcomes)
                if isinstance(outcome, base.Unavailable)
            }
            longest = max(put_off.values(), default=0.0)
            if not longest:
                break
            self._sleep(min(longest, _LONGEST_WAIT))
            again = self._timed(
                directory, [states[index] for index in put_off]
            )
            for index, outcome in zip(put_off, again, strict=True):
                outcomes[index] = outcome
        return outcomes

    def _timed(
        self,
        directory: base.Directory,
        states: Sequence[events.HostState],
        meanwhile: Callable[[], None] = base.nothing,
    ) -> list[base.Outcome]:
        """Apply a batch, and note how long that takes."""
        started = time.monotonic()
        outcomes = list(directory.apply_overlapping(states, meanwhile))
        self.longest_batch = max(
            self.longest_batch, time.monotonic() - started
        )
        return outcomes

    def found(
        self, by: base.Directory | None = None
    ) -> dict[str, events.HostRecord]:
        records = (entry.record for entry in (by or self.ours).entries())
        return {record.instance_uuid: record for record in records}

    def expect(
        self, record: events.HostRecord, by: base.Directory | None = None
    ) -> None:
        found = self.found(by).get(record.instance_uuid)
        if found is None:
            raise Fails("the entry is not in the list")
        wanted, seen = record.essentials(), found.essentials()
        wrong = [
            f"{name} is {seen[name]!r}, not {wanted[name]!r}"
            for name in wanted
            if wanted[name] != seen[name]
        ]
        if wrong:
            raise Fails("; ".join(wrong))

    def expect_if_readable(self, record: events.HostRecord) -> None:
        try:
            self.expect(record)
        except (base.EntriesNotKept, base.DirectoryUnavailable):
            # Other checks are about reading.
            return

    def expect_none(self, record: events.HostRecord) -> None:
        if record.instance_uuid in self.found():
            raise Fails("the entry is in the list")

    def clean_up(self) -> None:
        """Remove all that was made, log what remains, and end."""
        for directory in (self.ours, self.theirs):
            states = [
                events.HostState(
                    events.Verb.UNREGISTER,
                    events.HostRecord(instance_uuid=instance_uuid),
                    self.now + 3,
                )
                for instance_uuid, made_by in self._made.items()
                if made_by is directory
            ]
            left = [
                state.record.instance_uuid
                for state, outcome in zip(
                    states, self.apply(directory, states), strict=True
                )
                if not isinstance(outcome, base.Done)
            ]
            if left:
                LOG.error(
                    "%d entries of this check remain: %s",
                    len(left),
                    ", ".join(left),
                )
            directory.close()


def fictitious_record(name: str) -> events.HostRecord:
    """Make the record of an instance that no Nova has."""
    return events.HostRecord(
        instance_uuid=str(uuid.uuid4()),
        display_name=name,
        host_name=name,
        project_id=uuid.uuid4().hex,
        project_name=name,
        user_id=uuid.uuid4().hex,
        user_name="nobody",
        user_remote_address="192.0.2.7",
        image_uuid=str(uuid.uuid4()),
        flavor_name="none",
        created_at="2026-01-01T00:00:00Z",
        addresses=(events.Address("192.0.2.54", "02:00:00:51:8e:ab", "none"),),
    )


def describe(outcome: base.Outcome) -> str:
    if isinstance(outcome, base.Done):
        return "done"
    return f"{type(outcome).__name__.lower()}: {outcome.reason}"
