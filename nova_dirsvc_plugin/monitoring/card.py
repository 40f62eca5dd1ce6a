# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""One directory on the status page."""

from html import escape

from nova_dirsvc_plugin import readable
from nova_dirsvc_plugin.monitoring import activity, facts, plots
from nova_dirsvc_plugin.outbox import health

#: A state in a word, its class of style, and more about it.
State = tuple[str, str, str]


def state(one: facts.Directory, now: float) -> State:
    """Return what is to be said of a directory at first sight."""
    known, done = one.known, one.activity
    if known and not known.configured:
        return "no longer configured", "bad", ""
    if known and health.delivers(known, now) is False:
        return "nobody delivers", "bad", _seen(known, now)
    if done is None:
        return "not known", "still", "the daemon does not say"
    if done.available is None:
        return "not asked yet", "still", "nothing was written since the start"
    if done.available:
        ago = readable.span(now - done.asked_at)
        return "up", "good", f"last written {ago} ago"
    since = readable.moment(done.since, now)
    return (
        "down",
        "bad",
        f"for {readable.span(now - done.since)}, since {since}",
    )


def html(one: facts.Directory, now: float) -> str:
    """Return the card of a directory."""
    word, kind, more = state(one, now)
    reason = one.activity.reason if one.activity else ""
    off = " off" if kind == "bad" else ""
    return (
        f'<article class="card{off}"><div class="top"><h3>{text(one.name)}'
        f'</h3><p><span class="badge {kind}">{word}</span>'
        f' <span class="dim">{text(more)}</span></p></div>'
        + (f'<p class="why">{text(reason)}</p>' if reason else "")
        + (_numbers(one.known, now) if one.known else "")
        + (_plots(one.activity, now) if one.activity else "")
        + "</article>"
    )


def text(value: object) -> str:
    """Return a text as HTML, whatever is in it."""
    return escape(readable.clean(value))


def _seen(known: health.Directory, now: float) -> str:
    if known.holder is None or known.holder.seen is None:
        return ""
    return f"last seen {readable.span(now - known.holder.seen)} ago"


def _numbers(known: health.Directory, now: float) -> str:
    count = known.count
    age = None if count.oldest is None else now - count.oldest
    rows = [
        ("waiting", f"{count.waiting:,}", _is_zero(count.waiting)),
        ("deferred", f"{count.deferred:,}", _is_zero(count.deferred)),
        ("oldest", "–" if age is None else readable.span(age), _age(age)),  # noqa: RUF001
        ("buried", f"{count.buried:,}", "alarm" if count.buried else "zero"),
        ("to confirm", f"{count.confirm:,}", _is_zero(count.confirm)),
    ]
    return (
        '<dl class="numbers">'
        + "".join(
            f'<div><dt>{name}</dt><dd class="{kind}">{value}</dd></div>'
            for name, value, kind in rows
        )
        + "</dl>"
    )


def _is_zero(number: int) -> str:
    return "" if number else "zero"


def _age(age: float | None) -> str:
    if age is None:
        return "zero"
    return "alarm" if age > health.MAX_AGE else ""


def _plots(done: activity.Activity, now: float) -> str:
    minutes = done.minutes
    all_of_it = plots.hour(minutes)
    within = readable.bound(all_of_it.within(plots.SHARE))
    half = readable.bound(all_of_it.within(0.5))
    started = readable.moment(done.started_at, now)
    period = (
        "in the last hour"
        if len(minutes) >= activity.MINUTES
        else f"since {started}, when the daemon started"
    )
    return _figure(
        f"<b>{all_of_it.total:,}</b> events delivered {period}, by minute",
        plots.throughput(minutes),
    ) + _figure(
        f"Delivered within <b>{within}</b> ({plots.SHARE:.0%}) and"
        f" <b>{half}</b> (half) of being stored; by minute:"
        f" {plots.SHARE:.0%} within",
        plots.latency(minutes),
    )


def _figure(caption: str, plot: str) -> str:
    return (
        f"<figure><figcaption>{caption}</figcaption>{plot}"
        '<div class="hours" aria-hidden="true"><span>1 h ago</span>'
        "<span>30 min ago</span><span>now</span></div></figure>"
    )
