# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Decides from a directory's answer whether an entry is tried again."""

import dataclasses
from collections.abc import Callable

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import decision, refusals
from nova_dirsvc_plugin.directories import base

#: Seconds: the upper bound of the first wait, and of any. An operator waits
#: no longer than the cap after a directory is available again.
BASE = 0.25
CAP = 5.0

#: The same for an entry that a directory has refused. Half of each is waited
#: at least: what stands in its way has minutes to go.
REFUSED_BASE = 4.0
REFUSED_FACTOR = 4.0
REFUSED_CAP = 240.0

#: Seconds that an answer of Nova's may be old when it is written: as long as
#: Nova may take for it, and as long as it is valid then.
OLDEST_ANSWER = 300.0

_AWAITS_NOVA = "waiting for Nova to confirm the state of a late event"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an operator may set.

    :ivar batch_size: entries that the driver gets at a time
    :ivar max_attempts: refusals after which an entry is buried
    :ivar late_after: seconds after which an event is late
    :ivar poll_interval: seconds between two looks into an outbox in which
        nothing seems to change
    """

    batch_size: int = 128
    max_attempts: int = 5
    late_after: float = 60.0
    poll_interval: float = 0.5


class RetryPolicy:
    """Turns a directory's outcomes into settlements.

    *Unavailable* defers and never counts; *rejected* is tried a few times
    and then buried; *foreign* waits for an operator.

    :param confirms: whether a recent removal is confirmed by a second one
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        *,
        confirms: bool,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._uniform = uniform
        self._confirms = confirms

    def is_late(self, write: decision.Write) -> bool:
        """Return whether Nova is to be asked before this is written."""
        return decision.is_late(
            write, self._clock(), self._settings.late_after
        )

    def resolve(
        self, write: decision.Write, outcome: base.Outcome
    ) -> list[outbox.Settlement]:
        """Settle a write and the entries that it covers."""
        if isinstance(outcome, base.NotSent):
            return _with_covered(write, _not_sent(write, outcome))
        resolve = self._confirmed if write.confirm else self._answered
        return _with_covered(write, resolve(write, outcome))

    def await_nova(self, write: decision.Write) -> list[outbox.Settlement]:
        """Defer a write until Nova has answered."""
        return _with_covered(
            write,
            self._deferred(
                write.entry, _AWAITS_NOVA, outbox.Cause.AWAITS_NOVA
            ),
        )

    def _answered(
        self, write: decision.Write, outcome: base.Outcome
    ) -> outbox.Settlement:
        match outcome:
            case base.Unavailable():
                return self._unavailable(write.entry, outcome)
            case base.Foreign():
                return self._foreign(write.entry, outcome)
            case base.Rejected():
                return self._rejected(write.entry, outcome)
            case base.Done():
                return self._done(write)

    def _unavailable(
        self, entry: outbox.Entry, outcome: base.Unavailable
    ) -> outbox.Settlement:
        """Defer it, at least for as long as the directory asks for."""
        if isinstance(outcome, refusals.Held):
            return self._deferred(entry, outcome.reason, outbox.Cause.HELD)
        deferred = self._deferred(
            entry, outcome.reason, outbox.Cause.UNAVAILABLE
        )
        return dataclasses.replace(
            deferred, not_before=deferred.not_before + outcome.retry_after
        )

    def _rejected(
        self, entry: outbox.Entry, outcome: base.Rejected
    ) -> outbox.Settlement:
        """Defer it, or bury it after the last attempt."""
        attempts = entry.attempts + 1
        is_last = outcome.certain or attempts >= self._settings.max_attempts
        return outbox.Settlement(
            entry,
            outbox.State.BURIED if is_last else outbox.State.DEFERRED,
            reason=outcome.reason,
            cause=outbox.Cause.REJECTED,
            attempts=attempts,
            deferrals=entry.deferrals + 1,
            not_before=self._clock() + self._refused_wait(attempts),
        )

    def _foreign(
        self, entry: outbox.Entry, outcome: base.Foreign
    ) -> outbox.Settlement:
        """Defer it without a count, until an operator has decided."""
        return dataclasses.replace(
            self._deferred(entry, outcome.reason, outbox.Cause.FOREIGN),
            not_before=self._clock() + self._refused_wait(entry.deferrals + 1),
        )

    def _refused_wait(self, tries: int) -> float:
        exponent = min(tries - 1, 16)
        bound = min(REFUSED_CAP, REFUSED_BASE * REFUSED_FACTOR**exponent)
        return self._uniform(bound / 2, bound)

    def _deferred(
        self, entry: outbox.Entry, reason: str, cause: outbox.Cause
    ) -> outbox.Settlement:
        deferrals = entry.deferrals + 1
        return outbox.Settlement(
            entry,
            outbox.State.DEFERRED,
            reason=reason,
            cause=cause,
            attempts=entry.attempts,
            deferrals=deferrals,
            not_before=self._clock() + full_jitter(deferrals, self._uniform),
        )

    def _done(self, write: decision.Write) -> outbox.Settlement:
        """Settle a write that was done; a removal is to be confirmed.

        Another process may be about to deliver an older event of the
        instance. It asks Nova about events older than ``late_after``, so a
        second removal after that time, or after that for which an answer of
        Nova's holds, and after the longest batch of a driver, removes
        whatever that process has added. That rests on no clock but our own:
        an old removal is confirmed, too. One that rests on Nova's answer
        alone is confirmed by the process that has the event.
        """
        if (
            not self._confirms
            or write.contradicts_outbox
            or not write.desired.verb.removes
        ):
            return outbox.Settlement(
                write.entry, outbox.State.DELIVERED, write.note
            )
        return self._to_confirm(write.entry, write.note)

    def _to_confirm(
        self, entry: outbox.Entry, reason: str
    ) -> outbox.Settlement:
        wait = max(self._settings.late_after, OLDEST_ANSWER)
        return outbox.Settlement(
            entry,
            outbox.State.CONFIRM,
            reason,
            not_before=self._clock() + wait + base.LONGEST_BATCH,
        )

    def _confirmed(
        self, write: decision.Write, outcome: base.Outcome
    ) -> outbox.Settlement:
        """Settle the second removal, which may be refused: there was one."""
        entry = write.entry
        match outcome:
            case base.Unavailable():
                return dataclasses.replace(
                    self._unavailable(entry, outcome),
                    state=outbox.State.CONFIRM,
                )
            case base.Rejected():
                return outbox.Settlement(
                    entry,
                    outbox.State.SKIPPED,
                    f"second removal refused: {outcome.reason}",
                    outbox.Cause.REJECTED,
                )
            case base.Done():
                reason = "second removal done"
                if entry.set_back:
                    # Maybe too early: the clock was set back since.
                    return dataclasses.replace(
                        self._to_confirm(entry, reason),
                        cause=outbox.Cause.CONFIRMED,
                    )
                return outbox.Settlement(
                    entry,
                    outbox.State.DELIVERED,
                    reason,
                    outbox.Cause.CONFIRMED,
                )


def _not_sent(
    write: decision.Write, outcome: base.NotSent
) -> outbox.Settlement:
    """Leave a write for the next batch: there was no attempt."""
    entry = write.entry
    return outbox.Settlement(
        entry,
        outbox.State.CONFIRM if write.confirm else outbox.State.WAITING,
        outcome.reason,
        outbox.Cause.NOT_SENT,
        attempts=entry.attempts,
        deferrals=entry.deferrals + write.confirm,
    )


def _with_covered(
    write: decision.Write, lead: outbox.Settlement
) -> list[outbox.Settlement]:
    """Settle covered entries as the write that covers them, but bury none.

    Without the entry that was refused, the directory may take the others.
    """
    if not write.covered:
        return [lead]
    reason = f"covered by entry {lead.entry.number}"
    match lead.state:
        case outbox.State.DEFERRED:
            covered = dataclasses.replace(
                lead, reason=reason, cause=outbox.Cause.COVERED, attempts=0
            )
        case outbox.State.BURIED | outbox.State.WAITING:
            covered = outbox.Settlement(lead.entry, outbox.State.WAITING)
        case _:
            covered = outbox.Settlement(
                lead.entry, outbox.State.SKIPPED, reason, outbox.Cause.COVERED
            )
    return [lead] + [
        dataclasses.replace(covered, entry=entry) for entry in write.covered
    ]


def full_jitter(
    tries: int,
    uniform: Callable[[float, float], float],
    cap: float = CAP,
) -> float:
    """Draw a wait: exponential, capped, anywhere below the bound.

    So daemons that lost the same server do not return all at once.
    (M. Brooker, "Exponential Backoff And Jitter", 2015.)

    :param tries: failed attempts so far, 1 or more
    :param uniform: draws from an interval, like :func:`random.uniform`
    :param cap: seconds, the bound of any
    :returns: seconds
    """
    exponent = min(max(tries, 1) - 1, 16)
    return uniform(0.0, min(cap, BASE * 2.0**exponent))
