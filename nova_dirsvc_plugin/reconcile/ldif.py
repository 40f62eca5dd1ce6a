# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Writes LDIF (RFC 2849). Pure.

Values may be anything that a tenant or a directory wrote: what is not safe is
written in base64. Texts are those of :class:`directories.base.Entry`: bytes
that are no UTF-8 are there by ``surrogateescape``.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from nova_dirsvc_plugin import events, untrusted_text
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.reconcile import plan as plans

#: Attribute -> values, in the directory's words.
Content = Mapping[str, Sequence[str]]

#: Columns of a line.
_WIDTH = 76

#: Values that are written as they are: printable ASCII that does not begin
#: like something else, and does not end with a blank.
_SAFE = re.compile("(?![ :<])[ -~]*(?<! )")

#: Names of attributes: of LDAP with their options, and those with underscores
#: that other directories have.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(;[A-Za-z0-9-]+)*")


def header(*comments: str) -> str:
    """Return the beginning of a file, with lines of explanation."""
    return f"version: 1\n{_comments(comments)}\n"


def entry(dn: str, content: Content, *comments: str) -> str:
    """Return the record of an entry as it is."""
    return _record(dn, comments, _attributes(content))


def add(dn: str, content: Content, *comments: str) -> str:
    """Return the record that adds an entry."""
    lines = [_line("changetype", "add"), *_attributes(content)]
    return _record(dn, comments, lines)


def delete(dn: str, *comments: str) -> str:
    """Return the record that removes an entry."""
    return _record(dn, comments, [_line("changetype", "delete")])


def modify(
    dn: str, differences: Iterable[base.Difference], *comments: str
) -> str:
    """Return the record that replaces values of an entry."""
    lines = [_line("changetype", "modify")]
    for one in differences:
        if _is_name(one.attribute):
            lines.append(_line("replace", one.attribute))
            lines += [_line(one.attribute, value) for value in one.new]
            lines.append("-\n")
        else:
            lines.append(_left_out(one.attribute))
    return _record(dn, comments, lines)


def of_plan(
    plan: plans.Plan,
    added: Callable[[events.HostState], tuple[str, Content]],
) -> Iterator[str]:
    """Return the records of what a plan would write.

    :param added: returns the DN and the content of a new entry
    """
    yield header(
        f"Plan {plan.plan_id} for {plan.directory}, owner mark {plan.owner}"
    )
    for item in plan.writes():
        comment = f"instance {item.instance_uuid}: {item.kind}"
        if item.entry is None:
            assert item.state is not None  # noqa: S101 - it is to be written
            dn, content = added(item.state)
            yield add(dn, content, comment)
        elif item.kind is plans.Kind.REMOVAL:
            yield delete(item.entry.name, comment)
        else:
            yield modify(item.entry.name, item.differences, comment)


def of_before_images(
    images: Iterable[tuple[str, str, Mapping[str, Any] | None]],
    *comments: str,
) -> Iterator[str]:
    """Return the records of entries as they were before a run.

    :param images: instance uuid, the verb of the write, and the entry as it
        was: name, owner, as_of, content; None where there was none
    """
    yield header(*comments)
    for instance_uuid, verb, before in images:
        if before is None:
            yield _comments([f"instance {instance_uuid}: had no entry"]) + "\n"
        else:
            yield entry(
                before["name"],
                before["content"],
                f"instance {instance_uuid}: before the {verb}",
            )


def _record(dn: str, comments: Iterable[str], lines: Iterable[str]) -> str:
    return "".join([_comments(comments), _line("dn", dn), *lines, "\n"])


def _attributes(content: Content) -> Iterator[str]:
    for name, values in content.items():
        if _is_name(name):
            for value in values:
                yield _line(name, value)
        else:
            yield _left_out(name)


def _is_name(attribute: str) -> bool:
    return bool(_NAME.fullmatch(attribute))


def _left_out(attribute: str) -> str:
    return _comments([f"left out, no name of an attribute: {attribute!r}"])


def _line(name: str, value: str) -> str:
    """Return a value's line, folded."""
    if _SAFE.fullmatch(value):
        text = f"{name}: {value}" if value else f"{name}:"
    else:
        text = f"{name}:: {base64.b64encode(_bytes(value)).decode('ascii')}"
    folded = [text[:_WIDTH]]
    for start in range(_WIDTH, len(text), _WIDTH - 1):
        folded.append(f" {text[start : start + _WIDTH - 1]}")
    return "\n".join(folded) + "\n"


def _bytes(value: str) -> bytes:
    """Return the bytes that a directory had, or UTF-8 with any half pair."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")


def _comments(comments: Iterable[str]) -> str:
    lines = []
    for comment in comments:
        clean = untrusted_text.on_one_line(comment)
        text = clean.encode("ascii", "backslashreplace").decode("ascii")
        lines.append(f"# {text}\n")
    return "".join(lines)
