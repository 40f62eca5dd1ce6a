# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Values as a person reads them, whatever shows them."""

import datetime


def clean(text: object) -> str:
    """Escape what would move the cursor, or cannot be printed at all.

    Names are the tenants' own, and reasons may quote them.
    """
    return "".join(
        char
        if char.isprintable()
        else char.encode("unicode_escape").decode("ascii")
        for char in str(text)
    )


def stamp(at: float | None, timespec: str = "milliseconds") -> str:
    """Write epoch seconds in UTC; an unknown time is empty."""
    if not at:
        return ""
    try:
        moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        return clean(at)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def moment(at: float, now: float) -> str:
    """Write epoch seconds in UTC, without the date if that is today's."""
    written, today = stamp(at, "seconds"), stamp(now, "seconds")
    date, _, time = written.partition("T")
    return time if time and today.startswith(date) else written


def span(seconds: float) -> str:
    """Write a duration in its two largest units."""
    left = max(int(seconds), 0)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def bound(seconds: float | None) -> str:
    """Write the bound of a class of durations; None: there is none."""
    if seconds is None:
        return "–"  # noqa: RUF001 - a dash in the place of a number
    if seconds == float("inf"):
        return "> 1 d"
    return f"{seconds:g} s" if seconds < 60 else span(seconds)
