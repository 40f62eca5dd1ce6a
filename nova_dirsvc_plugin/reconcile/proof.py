# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Has Nova say of each entry to remove that its instance has none. Pure.

Absence from a list is a question, never an answer: a list leaves out, without
a word, the instances of a cell that is down.
"""

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.reconcile import guard
from nova_dirsvc_plugin.reconcile import plan as plans

Kind = plans.Kind

#: Candidates that are asked about first where they are more than the guard
#: allows, and at a time.
SAMPLE = 32
AT_A_TIME = 128

_Answer = events.HostState | events.StateUnknown

#: Returns Nova's state of each of some instances, by their uuids; never
#: raises.
Ask = Callable[[Sequence[str]], Mapping[str, _Answer]]


def _tell_nobody(count: int) -> None:
    """Show nothing."""


def prove(
    plan: plans.Plan,
    ask: Ask,
    limits: guard.Limits,
    progress: Callable[[int], None] = _tell_nobody,
    sample: Callable[[Sequence[str], int], list[str]] = random.sample,
) -> plans.Plan:
    """Return the plan with a removal or a doubt for each candidate.

    A candidate becomes a removal only if Nova, asked for that uuid, answers
    that it is deleted or not known (404), or that it is soft-deleted or was
    never launched, for which no entry is kept either. Removals, those of a
    plan of some time ago, are proven anew. Nova is not asked where nothing
    is to be removed.

    Where there are more candidates than the guard allows, a sample is asked
    about first: if one of these lives, or Nova cannot say, then the reading
    is not whole, and nothing is removed.

    :param progress: called with the number of candidates that are decided
    """
    keys = plan.items.uuids(Kind.CANDIDATE, Kind.REMOVAL)
    if not keys or plan.why_none_is_removed():
        return plans.held_back(plan)
    doubts: dict[str, str] = {}
    if len(keys) > limits.most_removals(plan.entries):
        doubts = _ask_about(sample(keys, min(SAMPLE, len(keys))), ask)
        if any(doubts.values()):
            return _not_whole(plan, len(keys), list(doubts.values()))
        progress(len(doubts))
    asked = len(doubts)
    rest = [key for key in keys if key not in doubts]
    doubts |= _ask_about(rest, ask, lambda count: progress(asked + count))
    items = plan.items.copy()
    for key in keys:
        kind = Kind.UNSURE if doubts[key] else Kind.REMOVAL
        items.judge(key, kind, doubts[key])
    return dataclasses.replace(plan, items=items)


def _not_whole(
    plan: plans.Plan, candidates: int, answers: Sequence[str]
) -> plans.Plan:
    """Return the plan of a reading that has left out what is there."""
    doubts = [doubt for doubt in answers if doubt]
    reading = plans.doubted(
        plan.reading,
        f"Nova was asked about {len(answers)} of {candidates} instances that"
        f" it has not listed, and {len(doubts)} of them may be there:"
        f" {doubts[0]}",
    )
    return plans.held_back(dataclasses.replace(plan, reading=reading))


def _ask_about(
    keys: Sequence[str],
    ask: Ask,
    progress: Callable[[int], None] = _tell_nobody,
) -> dict[str, str]:
    """Return for each instance why it may be there; empty if it is gone.

    Nova is asked no more once it has said nothing about a whole portion.
    """
    doubts: dict[str, str] = {}
    silent = ""
    for start in range(0, len(keys), AT_A_TIME):
        some = keys[start : start + AT_A_TIME]
        answers = {} if silent else ask(some)
        for key in some:
            doubts[key] = silent or _doubt(key, answers.get(key))
        if not silent and not any(map(_is_answer, answers.values())):
            silent = doubts[some[0]]
        progress(len(doubts))
    return doubts


def _doubt(key: str, answer: _Answer | None) -> str:
    if not isinstance(answer, events.HostState):
        return f"Nova does not say that the instance is gone: {answer}"
    if answer.record.instance_uuid != key:
        return "Nova's answer is about another instance"
    if not answer.verb.removes:
        return "Nova has the instance, and has not listed it"
    return ""


def _is_answer(answer: _Answer) -> bool:
    return isinstance(answer, events.HostState | events.StateUndecided)
