# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The last hour of a directory as two small plots: SVG, without a script.

A plot has a slot for each minute. A minute of which nothing is known is grey;
the last one is not over and is pale.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

from nova_dirsvc_plugin import readable
from nova_dirsvc_plugin.monitoring import activity, histogram

#: Of a plot, in its own units: a slot, a mark in it, the height.
_SLOT, _MARK, HEIGHT = 10, 8, 64
_WIDTH = _SLOT * activity.MINUTES

#: The share of events whose latency is shown, and the smallest latency.
SHARE = 0.95
_SMALLEST = 0.01

#: Where the scale of latencies has a line.
_LINES = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 86400.0)

#: A place on the scale, 0 below and 1 above, and its label.
_Tick = tuple[float, str]


def throughput(minutes: Sequence[activity.Minute]) -> str:
    """Return a plot of the events that were delivered in each minute."""
    counts = [one.latencies.total for one in minutes]
    top = _round_up(max(counts, default=0))
    ticks = [(0.0, "0"), (1.0, f"{top}")]
    if top % 2 == 0:
        ticks.insert(1, (0.5, f"{top // 2}"))
    marks = [(0.0, count / top if count else None) for count in counts]
    said = (
        f"Events delivered in each minute: {sum(counts)} in all, at most"
        f" {max(counts, default=0)} in a minute"
    )
    return _plot(said, ticks, marks)


def latency(minutes: Sequence[activity.Minute]) -> str:
    """Return a plot of the latency that most events did not exceed."""
    bounds = [one.latencies.within(SHARE) for one in minutes]
    finite = [one for one in bounds if one and math.isfinite(one)]
    beyond = any(one and math.isinf(one) for one in bounds)
    largest = _LINES[-1] if beyond else max(finite, default=1.0)
    top = next(line for line in _LINES[2:] if line >= largest)
    ticks = [
        (_place(line, top), readable.bound(line))
        for line in _LINES
        if line <= top
    ]
    marks = [_dash(one, top) for one in bounds]
    worst = readable.bound(max(filter(None, bounds), default=None))
    said = (
        "Latency of each minute, from the outbox to the directory, within"
        f" which {SHARE:.0%} of the events came; at most {worst}"
    )
    return _plot(said, ticks, marks)


def hour(minutes: Sequence[activity.Minute]) -> histogram.Histogram:
    """Return all that was delivered in some minutes."""
    found = histogram.Histogram()
    for one in minutes:
        counts = zip(found.counts, one.latencies.counts, strict=True)
        found = histogram.Histogram(
            tuple(map(sum, counts)), found.seconds + one.latencies.seconds
        )
    return found


def _dash(value: float | None, top: float) -> tuple[float, float | None]:
    if value is None:
        return 0.0, None
    place = _place(min(value, top), top)
    return max(place - 5 / HEIGHT, 0.0), max(place, 5 / HEIGHT)


def _place(seconds: float, top: float) -> float:
    return math.log(seconds / _SMALLEST) / math.log(top / _SMALLEST)


def _round_up(number: int) -> int:
    """Return the next of 1, 2, 4, 6, 8, 10, 20, 40 and so on."""
    size = 1
    while True:
        for factor in (1, 2, 4, 6, 8):
            if number <= factor * size:
                return factor * size
        size *= 10


def _plot(
    said: str,
    ticks: Sequence[_Tick],
    marks: Sequence[tuple[float, float | None]],
) -> str:
    """Return a plot with its scale.

    :param said: what is to be seen there, in words
    :param marks: lower and upper end of each minute, the last one first to
        the right; without an upper end there is none
    """
    labels = "".join(
        f'<span style="bottom:{place:.1%}">{escape(label)}</span>'
        for place, label in ticks
    )
    return (
        f'<div class="plot"><div class="scale" aria-hidden="true">{labels}'
        f'</div><svg viewBox="0 0 {_WIDTH} {HEIGHT}" role="img"'
        f' preserveAspectRatio="none" aria-label="{escape(said)}">'
        f"{''.join(_lines(ticks))}{''.join(_marks(marks))}</svg></div>"
    )


def _lines(ticks: Sequence[_Tick]) -> Iterator[str]:
    for place, _ in ticks:
        y = HEIGHT * (1 - place)
        yield f'<path d="M0 {y:.1f}H{_WIDTH}"/>'


def _marks(marks: Sequence[tuple[float, float | None]]) -> Iterator[str]:
    unknown = activity.MINUTES - len(marks)
    if unknown:
        yield (
            f'<rect class="unknown" width="{unknown * _SLOT}"'
            f' height="{HEIGHT}"/>'
        )
    for place, (low, high) in enumerate(marks, unknown):
        if high is None:
            continue
        kind = ' class="part"' if place == activity.MINUTES - 1 else ""
        # What there is can be seen, however little it is.
        size = max(HEIGHT * (high - low), 1.5)
        yield (
            f'<rect{kind} x="{place * _SLOT + 1}" width="{_MARK}"'
            f' y="{HEIGHT * (1 - low) - size:.1f}" height="{size:.1f}"/>'
        )
