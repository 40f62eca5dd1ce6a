# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What needs an operator, the most urgent first, for the page and the text."""

from collections.abc import Iterator

from nova_dirsvc_plugin import readable
from nova_dirsvc_plugin.monitoring import facts
from nova_dirsvc_plugin.outbox import health


def problems(found: facts.Facts) -> list[health.Problem]:
    """Conclude from all facts what an operator has to do something about."""
    known = found.stored.problems if found.stored else ()
    return [
        *(one for one in known if one.kind.stops),
        *_of_daemon(found),
        *_of_guard(found),
        *(one for one in known if not one.kind.stops),
        *_of_conflicts(found),
    ]


def _of_daemon(found: facts.Facts) -> Iterator[health.Problem]:
    """Yield what the outbox alone does not show."""
    if found.fault:
        yield _problem("", found.fault, "see what is wrong with the file")
    for one in found.directories:
        done = one.activity
        if done and done.available is False:
            since = readable.moment(done.since, found.at)
            yield _problem(
                one.name,
                f"it takes nothing since {since} ({done.reason})",
                "its events wait, and come within seconds after its return:"
                f" see nova-dirsvc-manage check-directory {one.name}",
            )
    daemon = found.daemon
    if daemon and daemon.active < daemon.listeners:
        yield _problem(
            "",
            f"{daemon.active} of {daemon.listeners} processes consume the"
            " message bus",
            "see the log of nova-dirsvc-sync for the reason",
        )


def _of_guard(found: facts.Facts) -> Iterator[health.Problem]:
    for one in found.directories:
        last = one.comparison
        if last and last.stops:
            yield _problem(
                one.name,
                f"the guard has stopped its reconcile: {last.stops[0]}",
                "see nova-dirsvc-manage reconcile --dry-run",
            )


def _of_conflicts(found: facts.Facts) -> Iterator[health.Problem]:
    for one in found.directories:
        last = one.comparison
        if last and last.found.get("conflict"):
            yield _problem(
                one.name,
                "entries that need its administrator:"
                f" {last.found['conflict']}",
                "see nova-dirsvc-manage audit",
            )


def _problem(directory: str, finding: str, remedy: str) -> health.Problem:
    return health.Problem(health.Kind.LATE, directory, finding, remedy)
