# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of an entry when a directory has answered."""

import dataclasses
from collections.abc import Callable

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.delivery import backoff, decision
from nova_dirsvc_plugin.directories import base

#: Why an entry is settled as another one is, whose number follows.
COVERED = "goes with entry"

#: Seconds within which a driver is done with what it was given.
GRACE = 60.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an operator may set.

    :ivar batch_size: entries that the driver is given at a time
    :ivar max_attempts: refusals after which an entry is buried
    :ivar late_after: seconds after which news is late
    """

    batch_size: int = 128
    max_attempts: int = 5
    late_after: float = 60.0


class Settler:
    """Turns a directory's outcomes into settlements.

    *Unavailable* is put off and never counts; *rejected* is tried a few
    times and then buried.

    :param repeats: whether a removal that is young is done once more
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        *,
        repeats: bool,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._uniform = uniform
        self._repeats = repeats

    def is_late(self, write: decision.Write) -> bool:
        """Tell whether Nova is to be asked before this is written."""
        return decision.is_late(
            write.wanted, self._clock(), self._settings.late_after
        )

    def settle(
        self, write: decision.Write, outcome: base.Outcome
    ) -> list[outbox.Settlement]:
        """Settle a write, and what it spoke for with it."""
        return self._with_covered(write, self._settlement(write, outcome))

    def put_off(
        self, write: decision.Write, reason: str
    ) -> list[outbox.Settlement]:
        """Settle a write that was not tried."""
        return self._with_covered(write, self._deferred(write.entry, reason))

    def _with_covered(
        self, write: decision.Write, lead: outbox.Settlement
    ) -> list[outbox.Settlement]:
        """Let what a write speaks for share its fate, but not its burial.

        What is left without what was refused may well be taken.
        """
        why = f"{COVERED} {lead.entry.number}"
        match lead.state:
            case outbox.State.DEFERRED:
                covered = dataclasses.replace(lead, reason=why, attempts=0)
            case outbox.State.BURIED:
                covered = outbox.Settlement(lead.entry, outbox.State.DEFERRED)
            case _:
                covered = outbox.Settlement(
                    lead.entry, outbox.State.SKIPPED, why
                )
        return [lead] + [
            dataclasses.replace(covered, entry=entry)
            for entry in write.covered
        ]

    def _settlement(
        self, write: decision.Write, outcome: base.Outcome
    ) -> outbox.Settlement:
        entry = write.entry
        if write.repeat:
            return self._repeated(entry, outcome)
        if isinstance(outcome, base.Done):
            return self._done(write)
        if isinstance(outcome, base.Unavailable):
            return self._unavailable(entry, outcome)
        deferred = self._deferred(entry, outcome.reason)
        attempts = entry.attempts + 1
        wait = backoff.full_jitter(
            attempts,
            self._uniform,
            backoff.REFUSED_BASE,
            backoff.REFUSED_CAP,
        )
        last = attempts >= self._settings.max_attempts
        return dataclasses.replace(
            deferred,
            state=outbox.State.BURIED if last else outbox.State.DEFERRED,
            attempts=attempts,
            not_before=self._clock() + wait,
        )

    def _unavailable(
        self, entry: outbox.Entry, outcome: base.Unavailable
    ) -> outbox.Settlement:
        """Put it off, for as long as the directory asks for at least."""
        deferred = self._deferred(entry, outcome.reason)
        return dataclasses.replace(
            deferred, not_before=deferred.not_before + outcome.retry_after
        )

    def _deferred(self, entry: outbox.Entry, reason: str) -> outbox.Settlement:
        deferrals = entry.deferrals + 1
        return outbox.Settlement(
            entry,
            outbox.State.DEFERRED,
            reason=reason,
            attempts=entry.attempts,
            deferrals=deferrals,
            not_before=self._clock()
            + backoff.full_jitter(deferrals, self._uniform),
        )

    def _done(self, write: decision.Write) -> outbox.Settlement:
        """Settle what was done; a removal that is young is done once more.

        Another process may be about to deliver older news of the instance.
        What it delivers unasked is younger than ``late_after``: so when that
        time is over, a second removal meets whatever came of it. Where it
        was Nova's answer alone, it is for those who have the news.
        """
        done = outbox.Settlement(write.entry, outbox.State.DONE, write.because)
        over = write.wanted.as_of + self._settings.late_after
        if (
            not self._repeats
            or write.by_nova_alone
            or not write.wanted.verb.removes
            or over < self._clock()
        ):
            return done
        return dataclasses.replace(
            done, state=outbox.State.REPEAT, not_before=over + GRACE
        )

    def _repeated(
        self, entry: outbox.Entry, outcome: base.Outcome
    ) -> outbox.Settlement:
        """Settle the second of two removals: what is refused now is none."""
        if isinstance(outcome, base.Unavailable):
            return dataclasses.replace(
                self._unavailable(entry, outcome), state=outbox.State.REPEAT
            )
        if isinstance(outcome, base.Rejected):
            why = f"not once more: {outcome.reason}"
            return outbox.Settlement(entry, outbox.State.SKIPPED, why)
        return outbox.Settlement(entry, outbox.State.DONE, "once more")
