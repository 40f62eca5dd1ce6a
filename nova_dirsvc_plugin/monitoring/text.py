# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The facts as text, on one screen: what the page says, without its plots."""

from collections.abc import Iterator, Sequence

from nova_dirsvc_plugin import readable
from nova_dirsvc_plugin.monitoring import (
    attention,
    card,
    facts,
    page,
    plots,
)

#: Buried entries that are shown.
_FEW = 3

_HEAD = (
    *("DIRECTORY", "STATE", "WAITING", "DEFERRED", "OLDEST", "BURIED"),
    *("DELIVERED/H", "95% WITHIN", "DRIFT"),
)


def lines(found: facts.Facts) -> Iterator[str]:
    """Return the lines; no name or reason in them moves a cursor."""
    at = readable.stamp(found.at, "seconds")
    yield f"nova-dirsvc, as of {at}: {_daemon(found)}"
    yield ""
    yield from _table(
        _HEAD, [_row(one, found.at) for one in found.directories]
    )
    yield ""
    for name, value in page.sources(found):
        yield f"{name}: {value}"
    yield ""
    problems = attention.problems(found)
    if not problems:
        yield "All well: nothing needs an operator."
    for one in problems:
        yield (
            f"! {readable.clean(one.directory or 'outbox')}:"
            f" {readable.clean(one.finding)}: {readable.clean(one.remedy)}"
        )
    for item in (found.stored.buried if found.stored else ())[:_FEW]:
        yield (
            f"  buried {item.number}, {readable.clean(item.directory)}:"
            f" {readable.clean(item.verb)} instance"
            f" {readable.clean(item.instance_uuid)}:"
            f" {readable.clean(item.reason)}"
        )


def _daemon(found: facts.Facts) -> str:
    if found.daemon is None:
        return "no daemon answers here, so the outbox alone is known"
    return (
        f"nova-dirsvc-sync {readable.clean(found.daemon.release)}, process"
        f" {found.daemon.process}, runs for"
        f" {readable.span(found.at - found.daemon.started_at)}"
    )


def _row(one: facts.Directory, now: float) -> list[str]:
    word, _, more = card.state(one, now)
    count = one.known.count if one.known else None
    age = now - count.oldest if count and count.oldest is not None else None
    hour = plots.hour(one.activity.minutes) if one.activity else None
    drift = "-"
    if one.comparison:
        kinds = ("missing", "differing", "removal", "conflict")
        total = sum(one.comparison.found.get(kind, 0) for kind in kinds)
        ago = readable.span(now - one.comparison.compared_at)
        drift = f"{total}, {ago} ago"
    return [
        readable.clean(one.name),
        f"{word}: {more}" if more else word,
        *((str(count.waiting), str(count.deferred)) if count else ("-", "-")),
        "-" if age is None else readable.span(age),
        str(count.buried) if count else "-",
        str(hour.total) if hour else "-",
        readable.bound(hour.within(plots.SHARE)) if hour else "-",
        drift,
    ]


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[str]:
    widths = [
        max(map(len, column)) for column in zip(head, *rows, strict=True)
    ]
    for row in (head, *rows):
        cells = zip(row, widths, strict=True)
        yield "  ".join(f"{cell:<{width}}" for cell, width in cells).rstrip()
