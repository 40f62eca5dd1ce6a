# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Tells whether a refusal is about the entry or about the directory. Pure.

A directory that refuses all it is sent, or all of a kind, is not set up for
it: access rules or a schema are missing. That is the directory's state, as an
outage is. A refusal is about the entry where the directory takes the same of
another instance.
"""

import dataclasses
from collections.abc import Sequence

from nova_dirsvc_plugin.delivery import decision
from nova_dirsvc_plugin.directories import base

#: Writes of a kind that is refused that are tried in a batch.
_PROBE = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Held(base.Unavailable):
    """Refused, or not sent, as the directory takes no other either."""


class Refusals:
    """Remembers what a directory took, and which entries it refused."""

    def __init__(self) -> None:
        #: Counts the answers of the directory.
        self._answer = 0
        #: What was done -> the last answer that it was.
        self._taken: dict[tuple[bool, str], int] = {}
        #: Number of a refused entry -> the answer to its last attempt.
        self._tried: dict[int, int] = {}
        #: Whether it removes -> why all of that kind are refused.
        self._refusing: dict[bool, str] = {}

    def hold_back(
        self, writes: Sequence[decision.Write]
    ) -> tuple[list[decision.Write], list[tuple[decision.Write, Held]]]:
        """Choose what to send: few of a kind that the directory refuses.

        :returns: what to send, and what waits instead
        """
        send, held = [], []
        tried = dict.fromkeys(self._refusing, 0)
        for write in writes:
            kind = write.desired.verb.removes
            if tried.get(kind, 0) >= _PROBE:
                held.append((write, Held(self._refusing[kind])))
                continue
            if kind in tried:
                tried[kind] += 1
            send.append(write)
        return send, held

    def judge(
        self,
        writes: Sequence[decision.Write],
        outcomes: Sequence[base.Outcome],
    ) -> list[base.Outcome]:
        """Replace the refusals that are not about the entry.

        A refusal is about the entry if the directory took the same of
        another instance before it in this batch, or since it refused this
        entry before. What it took later, it took maybe as its access rules
        had been mended meanwhile.

        :param outcomes: the directory's, of these writes
        :returns: the outcomes, with :class:`Held` in their place
        """
        start = self._answer
        judged = []
        for write, outcome in zip(writes, outcomes, strict=True):
            self._answer += 1
            removes = write.desired.verb.removes
            if isinstance(outcome, base.Done) and outcome.operation:
                self._taken[removes, outcome.operation] = self._answer
                self._refusing.pop(removes, None)
            judged.append(self._judged(write, outcome, start))
        self._note_refusing(writes, judged, start)
        return judged

    def _judged(
        self, write: decision.Write, outcome: base.Outcome, start: int
    ) -> base.Outcome:
        number, removes = write.entry.number, write.desired.verb.removes
        before = self._tried.pop(number, start)
        if not isinstance(outcome, base.Rejected) or outcome.certain:
            return outcome
        self._tried[number] = self._answer
        taken = max(
            (
                answer
                for (kind, operation), answer in self._taken.items()
                if kind is removes and outcome.operation in ("", operation)
            ),
            default=0,
        )
        if taken > before:
            return outcome
        return Held(f"refused while no other was taken: {outcome.reason}")

    def _note_refusing(
        self,
        writes: Sequence[decision.Write],
        judged: Sequence[base.Outcome],
        start: int,
    ) -> None:
        """Conclude what the directory takes none of; one alone says little."""
        held: dict[bool, list[str]] = {False: [], True: []}
        for write, outcome in zip(writes, judged, strict=True):
            if isinstance(outcome, Held):
                held[write.desired.verb.removes].append(outcome.reason)
        for (kind, _), answer in self._taken.items():
            if answer > start:
                held[kind].clear()
        for kind, reasons in held.items():
            if len(reasons) > 1:
                self._refusing[kind] = reasons[0]
