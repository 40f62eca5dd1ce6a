# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The facts as one page of HTML, which needs no script and loads nothing."""

import importlib.resources
import re
import socket
from collections.abc import Iterable, Sequence

from nova_dirsvc_plugin import readable
from nova_dirsvc_plugin.monitoring import attention, card, facts
from nova_dirsvc_plugin.monitoring.card import text
from nova_dirsvc_plugin.outbox import comparisons, health, queries

#: Seconds after which a browser asks for it again.
REFRESH = 30

_STYLE = (
    importlib.resources.files(__package__).joinpath("page.css").read_text()
)

#: A command in a sentence, up to what cannot be of it.
_COMMAND = re.compile(r"nova-dirsvc-manage [\w .=/-]*[\w=/-]")

#: The kinds of differences, in the words of the table.
_KINDS = ("missing", "differing", "removal", "conflict", "unsure")


def html(found: facts.Facts) -> str:
    """Return the page."""
    problems = attention.problems(found)
    title = f"{len(problems)} to do" if problems else "all well"
    at = readable.stamp(found.at, "seconds")
    cards = "".join(card.html(one, found.at) for one in found.directories)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="refresh" content="{REFRESH}">'
        f"<title>nova-dirsvc: {title}</title><style>{_STYLE}</style></head>"
        f"<body><header><h1>nova-dirsvc on {text(socket.gethostname())}</h1>"
        f'<p class="dim">As of {at}, renewed every {REFRESH} s</p></header>'
        f"<main>{_verdict(problems)}<h2>Directories</h2>"
        f'<div class="cards">{cards}</div>{_buried(found)}{_drift(found)}'
        f"{_sources(found)}</main>{_footer(found)}</body></html>"
    )


def _verdict(problems: Sequence[health.Problem]) -> str:
    if not problems:
        return (
            '<section class="verdict good"><h2>All well: nothing needs an'
            " operator</h2></section>"
        )
    items = "".join(
        f"<li><strong>{text(one.directory or 'outbox')}</strong>:"
        f" {_sentence(one.finding)}. {_sentence(_upper(one.remedy))}.</li>"
        for one in problems
    )
    count = f"{len(problems)} thing{'s need' if problems[1:] else ' needs'}"
    return (
        f'<section class="verdict bad"><h2>{count} an operator</h2>'
        f"<ul>{items}</ul></section>"
    )


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _sentence(said: str) -> str:
    """Return a sentence with its commands as code."""
    return _COMMAND.sub(r"<code>\g<0></code>", text(said.rstrip(".")))


def _buried(found: facts.Facts) -> str:
    heading = "<h2>Last refused for good</h2>"
    if not found.stored or not found.stored.buried:
        return f'{heading}<p class="dim">None.</p>'
    return (
        heading
        + _table(
            ("Entry", "Directory", "When", "Event", "Reason", "To go on"),
            [_buried_row(one, found.at) for one in found.stored.buried],
            numbers={0},
        )
        + '<p class="dim">Correct the cause, then deliver it again; or'
        " <code>outbox drop</code> what is not wanted.</p>"
    )


def _buried_row(one: queries.Item, now: float) -> list[str]:
    at = one.deferred_at or one.stored_at
    return [
        f"{one.number}",
        text(one.directory),
        f'{readable.span(now - at)} ago<br><span class="dim">'
        f"{readable.moment(at, now)}</span>",
        f'{text(one.verb)} ({text(one.event_type)})<br><span class="dim">'
        f"instance {text(one.instance_uuid)}</span>",
        text(one.reason),
        f"<code>nova-dirsvc-manage outbox retry {one.number}</code>",
    ]


def _drift(found: facts.Facts) -> str:
    compared = [one.comparison for one in found.directories if one.comparison]
    heading = "<h2>Last comparison with Nova</h2>"
    if not compared:
        return (
            f'{heading}<p class="dim">None yet. <code>nova-dirsvc-manage audit'
            "</code> compares, and changes nothing.</p>"
        )
    head = ("Directory", "When", "Instances", "Entries", *map(_upper, _KINDS))
    rows = [_drift_row(one, found.at) for one in compared]
    return heading + _table(
        (*head, "Guard"), rows, numbers=set(range(2, len(head)))
    )


def _drift_row(one: comparisons.Comparison, now: float) -> list[str]:
    whole = "" if one.whole else "<br><b>the reading of Nova was not whole</b>"
    guard = "never asked"
    if one.guarded_at:
        guard = "let it pass"
    if one.stops:
        guard = f"<b>stopped</b> {_sentence(one.stops[0])}"
    numbers = [one.found.get(kind, 0) for kind in _KINDS]
    return [
        text(one.directory),
        f'{readable.span(now - one.compared_at)} ago<br><span class="dim">'
        f"{readable.moment(one.compared_at, now)}</span>{whole}",
        f"{one.instances:,}",
        f"{one.entries:,}",
        *(f"<b>{number:,}</b>" if number else "0" for number in numbers),
        guard,
    ]


def _sources(found: facts.Facts) -> str:
    rows = [
        f"<div><dt>{name}</dt><dd{_style(value)}>{text(value)}</dd></div>"
        for name, value in sources(found)
    ]
    return f'<h2>Sources</h2><dl class="numbers">{"".join(rows)}</dl>'


def _style(value: str) -> str:
    return ' class="zero"' if value in ("0", "none") else ""


def sources(found: facts.Facts) -> Iterable[tuple[str, str]]:
    """Return what is known of those that store events: name and value."""
    stored = found.stored
    if stored:
        latest = stored.latest
        if latest.stored_at is None or latest.occurred_at is None:
            yield "last event of Nova's", "none"
        else:
            ago = readable.span(found.at - latest.stored_at)
            lag = max(latest.stored_at - latest.occurred_at, 0.0)
            yield "last event of Nova's", f"{ago} ago"
            yield "stored after it happened", f"{lag:.1f} s"
        yield "entries stored", f"{stored.last_number:,}"
        yield "parked", f"{stored.totals.parked:,}"
    events = sum(one.events for one in found.in_memory)
    yield "in Nova's memory, not stored", f"{events:,}"
    if found.daemon and found.daemon.listeners:
        daemon = found.daemon
        yield "consume the bus", f"{daemon.active} of {daemon.listeners}"


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], numbers: set[int]
) -> str:
    """Return a table of cells that are HTML.

    :param numbers: the columns that have numbers
    """
    kinds = [
        ' class="number"' if place in numbers else ""
        for place in range(len(head))
    ]
    titles = "".join(
        f'<th scope="col"{kind}>{name}</th>'
        for name, kind in zip(head, kinds, strict=True)
    )
    lines = "".join(
        "<tr>"
        + "".join(
            f'<td data-label="{name}"{kind}><div>{cell}</div></td>'
            for name, kind, cell in zip(head, kinds, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody>"
        "</table>"
    )


def _footer(found: facts.Facts) -> str:
    size = f", {found.stored.size / 2**20:.1f} MiB" if found.stored else ""
    running = ""
    if found.daemon:
        started = readable.stamp(found.daemon.started_at, "seconds")
        running = f" runs since {started};"
    return (
        f"<footer>nova-dirsvc-sync {text(found.release)}{running} outbox"
        f' {text(found.path)}{size}. For programs: <a href="/metrics">metrics'
        '</a>, <a href="/readyz">ready</a>, <a href="/healthz">alive</a>.'
        "</footer>"
    )
