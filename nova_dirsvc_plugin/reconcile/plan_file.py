# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A plan as a file of JSON, and back. Pure.

The file is one object of JSON. Each item is on a line of its own, so that
many are read and written one by one; the last line has the digest of all
lines before. What the file says is checked to be of the form that is written
here, and nothing of it is ever run.
"""

import hashlib
import json
import math
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import summary as nova_summary
from nova_dirsvc_plugin.reconcile import plan as plans

#: Of the file's form; a file of another version is refused.
VERSION = "1"

_FORMAT = "nova-dirsvc-plan"

#: The end of the first line, and the beginning of the last.
_ITEMS = ', "items": ['
_END = '], "digest": '

_TEXTS = ("release", "plan_id", "directory", "owner", "policy")

_MALFORMED = "the plan is malformed: write it anew"


class WrongPlan(ValueError):
    """A file that is no plan, or not one for here; the message says why."""


def to_lines(plan: plans.Plan, release: str) -> Iterator[str]:
    """Return the lines of the file, each with its line feed, in ASCII.

    :param release: of this package
    """
    digest = hashlib.sha256()
    for line in _body(plan, release):
        digest.update(line.encode("ascii"))
        yield line
    yield f'{_END}"{digest.hexdigest()}"}}\n'


def from_lines(
    lines: Iterable[bytes],
    *,
    release: str,
    cloud: str,
    owner: str,
    directories: Collection[str],
) -> plans.Plan:
    """Read a plan for this release, cloud, owner mark and directories.

    :param lines: of a binary file
    :raises WrongPlan: it is not one
    """
    head, items = _checked(iter(lines))
    for what, found, here in (
        ("release", head["release"], [release]),
        ("cloud", head["reading"]["cloud"], [cloud]),
        ("owner mark", head["owner"], [owner]),
        ("directory", head["directory"], directories),
    ):
        if found not in here:
            raise WrongPlan(
                f"the plan is of another {what}, {found!r:.200}, than this:"
                f" {', '.join(here)}"
            )
    plan = _plan(head, items)
    if plan.plan_id != head["plan_id"]:
        raise WrongPlan(_MALFORMED)
    return plan


def _plan(head: Mapping[str, Any], items: plans.Items) -> plans.Plan:
    reading = head["reading"]
    return plans.Plan(
        directory=head["directory"],
        owner=head["owner"],
        policy=plans.Policy(head["policy"]),
        made_at=head["made_at"],
        reading=nova_summary.Summary(
            started_at=reading["started_at"],
            instances=reading["instances"],
            why_not_whole=tuple(reading["why_not_whole"]),
            cloud=reading["cloud"],
        ),
        entries=head["entries"],
        fitting=head["fitting"],
        items=items,
    )


def _body(plan: plans.Plan, release: str) -> Iterator[str]:
    reading = plan.reading
    head = json.dumps(
        {
            "format": _FORMAT,
            "version": VERSION,
            "release": release,
            "plan_id": plan.plan_id,
            "directory": plan.directory,
            "owner": plan.owner,
            "policy": plan.policy,
            "made_at": plan.made_at,
            "reading": {
                "started_at": reading.started_at,
                "instances": reading.instances,
                "why_not_whole": [*reading.why_not_whole],
                "cloud": reading.cloud,
            },
            "entries": plan.entries,
            "fitting": plan.fitting,
        }
    )
    yield f"{head[:-1]}{_ITEMS}\n"
    separator = " "
    for item in plan.items:
        yield f"{separator}{item.to_json()}\n"
        separator = ","


def _checked(lines: Iterator[bytes]) -> tuple[dict[str, Any], plans.Items]:
    """Read a file that is whole, and as it was written."""
    first = next(lines, b"")
    head = _head(first)
    digest = hashlib.sha256(first)
    items, malformed = plans.Items(), not _is_well_formed(head)
    for line in lines:
        if line.startswith(_END.encode()):
            break
        digest.update(line)
        try:
            items.put(_item(line))
        except ValueError:
            malformed = True
    else:
        raise WrongPlan("the plan is truncated: write it anew")
    if line != f'{_END}"{digest.hexdigest()}"}}\n'.encode() or next(
        lines, b""
    ):
        raise WrongPlan(
            "the plan has been changed since it was written: write it anew"
        )
    if malformed:
        raise WrongPlan(_MALFORMED)
    return head, items


def _head(line: bytes) -> dict[str, Any]:
    """Read the first line.

    :raises WrongPlan: it is not that of a plan of this version
    """
    text = line.decode("ascii", errors="replace").rstrip("\n")
    try:
        head = json.loads(f"{text.removesuffix(_ITEMS)}}}")
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise WrongPlan("the file is no plan of nova-dirsvc-manage")
    if head.get("version") != VERSION:
        raise WrongPlan(
            f"the plan has the form {head.get('version')!r:.20}, and this"
            f" release reads {VERSION!r}: write it anew"
        )
    return head


def _is_well_formed(head: Mapping[str, Any]) -> bool:
    reading = head.get("reading")
    if not isinstance(reading, dict):
        return False
    reasons = reading.get("why_not_whole")
    return (
        isinstance(reasons, list)
        and all(
            isinstance(text, str)
            for text in [
                *reasons,
                *(head.get(name) for name in _TEXTS),
                reading.get("cloud"),
            ]
        )
        and head["policy"] in [*plans.Policy]
        and all(
            type(number) in (int, float) and math.isfinite(number)
            for number in (
                head.get("made_at", ""),
                head.get("entries", ""),
                head.get("fitting", ""),
                reading.get("started_at", ""),
                reading.get("instances", ""),
            )
        )
    )


def _item(line: bytes) -> plans.Item:
    """Read an item.

    :raises ValueError: it is none, or what it would write is not about it
    """
    item = plans.Item.from_json(line.decode("ascii")[1:])
    if item.kind not in plans.Policy.SYNC.written:
        return item
    state, key = item.state, item.instance_uuid
    if state is None or not key == state.record.instance_uuid == str(
        uuid.UUID(key)
    ):
        raise ValueError("no state of that instance")
    if state.verb is events.Verb.UNREGISTER or state.verb.removes is not (
        item.kind is plans.Kind.REMOVAL
    ):
        raise ValueError(f"not the verb of an item {item.kind}")
    return item
