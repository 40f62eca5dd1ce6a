# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Takes back what a run has written, as far as Nova lets it. Pure.

Entries become what they were before the run, by events of their own. What was
removed comes back only if Nova has the instance, and what was added goes only
if Nova does not.
"""

import dataclasses
import enum
import uuid

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.outbox import runs
from nova_dirsvc_plugin.reconcile import before_image

_Answer = events.HostState | events.StateUnknown


class Deed(enum.StrEnum):
    """What is done about an entry."""

    RESTORED = "restored"
    REMOVED = "removed"
    LEFT = "left"


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one entry of a run.

    :ivar repair: None if it is left as it is; its event gets its time when
        it is stored, so that it is not late
    :ivar reason: why it is left
    """

    instance_uuid: str
    deed: Deed
    repair: runs.Repair | None = None
    reason: str = ""


def step(
    instance_uuid: str,
    before: before_image.Image | None,
    answer: _Answer | None,
    now: base.Entry | None,
    owner: str,
    *,
    is_waiting: bool = False,
    is_overtaken: bool = False,
) -> Step:
    """Decide about one entry.

    :param before: the entry before the run; None: there was none
    :param answer: Nova's
    :param now: the entry as it is
    :param owner: our owner mark
    :param is_waiting: what the run has written is not delivered yet
    :param is_overtaken: Nova has said something later, delivered or not
    """
    reason = _why_left(before, answer, now, owner, is_waiting, is_overtaken)
    if reason:
        return Step(instance_uuid, Deed.LEFT, reason=reason)
    if before is None:
        verb, deed = events.Verb.SOFT_UNREGISTER, Deed.REMOVED
        record = events.HostRecord(instance_uuid=instance_uuid)
    else:
        verb = events.Verb.REFRESH if now else events.Verb.REGISTER
        deed, record = Deed.RESTORED, before_image.record(before)
    event = events.Event(
        message_id=str(uuid.uuid4()),
        event_type=events.UNDO,
        verb=verb,
        occurred_at=0.0,
        request_id="",
        record=record,
    )
    image = before_image.of(now, 0.0) if now else None
    return Step(instance_uuid, deed, runs.Repair(event, image))


def at(repair: runs.Repair, now: float) -> runs.Repair:
    """Return a repair whose event happens now.

    :param now: epoch seconds
    """
    before = repair.before
    return dataclasses.replace(
        repair,
        event=dataclasses.replace(repair.event, occurred_at=now),
        before=before and {**before, "written_as_of": now},
    )


def _why_left(
    before: before_image.Image | None,
    answer: _Answer | None,
    now: base.Entry | None,
    owner: str,
    is_waiting: bool,
    is_overtaken: bool,
) -> str:
    """Return why an entry is left as it is; empty if it is not."""
    if not isinstance(answer, events.HostState):
        return f"Nova does not say whether the instance is gone: {answer}"
    if now and (now.conflict or now.owner != owner):
        return now.conflict or "the entry has another owner mark"
    if is_overtaken:
        return "there is a later event"
    if before is None:
        if not answer.verb.removes:
            return "the run has added it, and Nova has the instance"
        return "" if now or is_waiting else "there is no entry"
    if answer.verb.removes:
        return "Nova says that the instance is gone"
    if now and before_image.was_changed_since(before, now):
        return "a later event has changed the entry"
    # It may be because what the run has written is still to come.
    if now and not is_waiting and before_image.is_equal(before, now):
        return "it is as it was before the run"
    return ""
