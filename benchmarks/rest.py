# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""From the outbox to a REST service, beside bare clients of the same service.

All write the same documents to the same example service on loopback, in
rounds, one after the other: this project's dispatcher and driver; the driver
alone; as many bare sessions of requests as the driver has connections, each
in a thread; and wrk, a load generator in C, which shows the highest rate of
the service.
"""

import collections
import contextlib
import os
import pathlib
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Protocol

import requests

from benchmarks import figures, path, wrk
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import document as rest_document
from tests.functional import rest_service

ROUNDS = 5

#: Sessions or connections, as many as the driver has by default.
CLIENTS = 8

#: Changes of one call of the driver, as by the dispatcher.
BATCH = 128

SESSIONS = f"{CLIENTS} bare sessions"

Rates = dict[tuple[str, str], list[float]]

#: uuid, document, headers
_Write = tuple[str, rest_document.Document, dict[str, str]]

_Send = Callable[[requests.Session, str, _Write], None]


class _Contender(Protocol):
    def round(self, count: int) -> dict[str, float]:
        """Register and unregister; give the seconds of each.

        A contender that cannot do one of them leaves it out.
        """


def run(arguments: Namespace) -> None:
    """Register and unregister, in rounds, and print rates and ratios."""
    count = arguments.events // ROUNDS
    with (
        tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder,
        rest_service.RestService() as server,
    ):
        contenders: dict[str, _Contender] = {
            "outbox to service": path.Ours(
                path.load(server.conf_file, "rest"), pathlib.Path(folder)
            ),
            "driver alone": _Driver(path.load(server.conf_file, "rest")),
            SESSIONS: _Sessions(server),
        }
        if wrk.is_there():
            contenders["wrk"] = wrk.Wrk(server, CLIENTS, pathlib.Path(folder))
        else:
            print(f"wrk is not installed and left out: {wrk.HOW_TO_HAVE_IT}")
        rates = _measure(contenders, count)
        _report(rates)
        print(f"{count * ROUNDS} registers and unregisters each")
        print(
            f"memory: this process {figures.peak_memory()},"
            f" with the service {figures.tree_memory(os.getpid())}"
        )


def _measure(contenders: dict[str, _Contender], count: int) -> Rates:
    """Measure each contender once a round."""
    rates: Rates = collections.defaultdict(list)
    for number in range(ROUNDS):
        for name, contender in contenders.items():
            for verb, seconds in contender.round(count).items():
                rates[verb, name].append(count / seconds)
        print(f"round {number + 1} of {ROUNDS} done", flush=True)
    return rates


def _report(rates: Rates) -> None:
    for (verb, name), values in sorted(rates.items()):
        bare = rates[verb, SESSIONS]
        ratio = statistics.median(
            mine / its for mine, its in zip(values, bare, strict=True)
        )
        print(
            f"{verb:10} {name:20} median {statistics.median(values):6.0f}/s"
            f"  (min {min(values):.0f}, max {max(values):.0f})"
            f"  {ratio:.2f} of the {SESSIONS}"
        )


# -- the contenders ----------------------------------------------------------


class _Driver:
    """The driver alone, without an outbox."""

    def __init__(self, directory: base.Directory) -> None:
        self._directory = directory

    def round(self, count: int) -> dict[str, float]:
        return {
            verb.value: self._apply(states)
            for verb, states in _changes(count).items()
        }

    def _apply(self, states: Sequence[events.HostState]) -> float:
        started = time.perf_counter()
        for first in range(0, len(states), BATCH):
            for outcome in self._directory.apply(
                states[first : first + BATCH]
            ):
                if not isinstance(outcome, base.Done):
                    raise RuntimeError(f"nothing was measured: {outcome}")
        return time.perf_counter() - started


class _Sessions:
    """Sessions of requests in threads, used as in its documentation."""

    def __init__(self, server: rest_service.RestService) -> None:
        self._url = server.url
        self._sessions = [server.session() for _ in range(CLIENTS)]

    def round(self, count: int) -> dict[str, float]:
        return {
            verb.value: self._all(
                [
                    (
                        state.record.instance_uuid,
                        rest_document.document(state, "nova"),
                        rest_document.metadata(state, "nova", b""),
                    )
                    for state in states
                ],
                _delete if verb.removes else _post,
            )
            for verb, states in _changes(count).items()
        }

    def _all(self, writes: Sequence[_Write], send: _Send) -> float:
        """Let each session send the writes that no other has taken."""
        waiting = collections.deque(writes)

        def work(session: requests.Session) -> None:
            with contextlib.suppress(IndexError):
                while True:
                    send(session, self._url, waiting.popleft())

        started = time.perf_counter()
        with futures.ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(work, self._sessions))
        return time.perf_counter() - started


def _post(session: requests.Session, url: str, write: _Write) -> None:
    _, document, headers = write
    session.post(url, json=document, headers=headers).raise_for_status()


def _delete(session: requests.Session, url: str, write: _Write) -> None:
    instance_uuid, _, headers = write
    session.delete(
        f"{url}/{instance_uuid}", headers=headers
    ).raise_for_status()


def _changes(count: int) -> dict[events.Verb, list[events.HostState]]:
    """Make the same registers and unregisters for each contender."""
    records = [path.record(number) for number in range(count)]
    return {
        verb: [
            events.HostState(verb, record, time.time()) for record in records
        ]
        for verb in (events.Verb.REGISTER, events.Verb.UNREGISTER)
    }
