# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Events a second from the outbox into the directory, beside two references.

All three write the same entries to the same real server, in rounds, one
after the other: this project's dispatcher and driver; python-ldap with
requests in flight and nothing else, by the same account and TLS; and ldclt,
the C client of 389 DS. The times of a processor that the server and this
process take for each entry are less noisy than the rates.
"""

import dataclasses
import pathlib
import statistics
import tempfile
import time
import uuid
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from oslo_config import cfg

from benchmarks import figures, in_flight, ldclt, raw_ldap
from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import base, loading
from tests import outboxes
from tests.functional import directory389

ROUNDS = 5

#: What is measured, in its order. Redelivered is what a process that was
#: killed had delivered and not settled; confirmed, a removal that is done a
#: second time, of an entry that is gone.
VERBS = (
    "register",
    "refresh: one value",
    "refresh: only its time",
    "redelivery",
    "unregister",
    "confirmation",
)


@dataclasses.dataclass
class Measured:
    """What one contender took for one verb of one round.

    :ivar rate: entries a second
    :ivar server: milliseconds of a processor that the server took, an entry
    :ivar client: the same, of this process
    :ivar idle: share of the time with no request in flight
    """

    rate: float
    server: float
    client: float
    idle: float


class Contender(Protocol):
    def prepare(self, count: int) -> None:
        """Make what a round needs."""

    def measure(self, verb: str) -> float | None:
        """Do one verb; return the share of idle time, where it is known.

        :raises LookupError: it does not do that
        """


def run(arguments: Namespace) -> None:
    """Measure on 389 DS, and print rates and ratios."""
    with (
        directory389.Directory389() as server,
        tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder,
    ):
        driver = load(server.conf_file, "ldap")
        measure(
            {
                "outbox to directory": Ours(driver, pathlib.Path(folder)),
                "raw python-ldap": raw_ldap.Raw(server, record),
                "ldclt": ldclt.Ldclt(server, pathlib.Path(folder)),
            },
            server.pid,
            arguments.events // ROUNDS // 4 * 4,
        )


def measure(contenders: Mapping[str, Contender], pid: int, count: int) -> None:
    """Let contenders do all verbs, in rounds, and print the figures.

    :param pid: the server's
    :param count: entries of a round
    """
    found: dict[str, dict[str, list[Measured]]] = {
        verb: {name: [] for name in contenders} for verb in VERBS
    }
    for number in range(ROUNDS):
        for contender in contenders.values():
            contender.prepare(count)
        for name, contender in contenders.items():
            for verb in VERBS:
                try:
                    one = _measured(contender, verb, pid, count)
                except LookupError:
                    continue
                found[verb][name].append(one)
        print(f"round {number + 1} of {ROUNDS} done", flush=True)
    for verb, by_name in found.items():
        _report(verb, {name: by for name, by in by_name.items() if by})
    print(
        f"{count} entries a round; memory: this process"
        f" {figures.peak_memory()}, the server {figures.peak_memory(pid)}"
    )


def _measured(
    contender: Contender, verb: str, pid: int, count: int
) -> Measured:
    server, client = figures.cpu_seconds(pid), figures.cpu_seconds()
    started = time.perf_counter()
    idle = contender.measure(verb)
    seconds = time.perf_counter() - started
    return Measured(
        count / seconds,
        (figures.cpu_seconds(pid) - server) / count * 1e3,
        (figures.cpu_seconds() - client) / count * 1e3,
        0.0 if idle is None else idle,
    )


def _report(verb: str, found: Mapping[str, Sequence[Measured]]) -> None:
    ours, *references = found
    for name, values in found.items():
        rates = [one.rate for one in values]
        print(
            f"{verb:22} {name:19} median {statistics.median(rates):6.0f}/s"
            f" ({min(rates):.0f}-{max(rates):.0f}), CPU an entry: server"
            f" {_median(values, 'server'):.2f} ms, client"
            f" {_median(values, 'client'):.2f} ms,"
            f" nothing in flight {_median(values, 'idle'):.1%}"
        )
    for name in references:
        pairs = zip(found[ours], found[name], strict=True)
        ratios = sorted(mine.rate / theirs.rate for mine, theirs in pairs)
        print(
            f"{verb:22} ratio to {name}: {statistics.median(ratios):.2f}"
            f" ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        )


def _median(values: Sequence[Measured], name: str) -> float:
    return statistics.median(getattr(one, name) for one in values)


def record(number: int) -> events.HostRecord:
    """Make a record of the size that a real boot gives."""
    return events.HostRecord(
        instance_uuid=str(uuid.uuid4()),
        display_name=f"instance {number}",
        host_name=f"instance-{number}",
        project_id="7b22e328262041efa6253a178f743293",
        project_name="demo",
        user_id="8acf174811954db7b962293e68bae407",
        user_name="alice",
        image_uuid="5a1d32c6-2595-461c-bbd9-c94d0a4da72c",
        flavor_name="m1.tiny",
        availability_zone="nova",
        compute_host="pocket1",
        created_at="2026-11-22T10:27:53Z",
        launched_at="2026-11-22T10:27:55Z",
        addresses=(
            events.Address(
                f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
                f"fa:16:3e:{number >> 16 & 255:02x}"
                f":{number >> 8 & 255:02x}:{number & 255:02x}",
            ),
        ),
    )


def load(conf_file: pathlib.Path, name: str) -> base.Directory:
    """Make a driver with the options that an example has written."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[str(conf_file)])
    return loading.load(conf, name, "nova")


class Ours:
    """The dispatcher as the daemon runs it, on an outbox that is full."""

    #: Entries that a process that is killed has not settled, at most.
    NOT_SETTLED = 2 * retry.Settings().batch_size

    def __init__(
        self, directory: base.Directory, folder: pathlib.Path
    ) -> None:
        self._directory: Any = directory
        self._folder = folder
        self._boxes: dict[str, list[outbox.Outbox]] = {}
        self._watch: in_flight.InFlight | None = None

    def prepare(self, count: int) -> None:
        """Store what is delivered in a round, each kind in an outbox."""
        records = [record(number) for number in range(count)]
        changed = [
            dataclasses.replace(one, flavor_name="m1.small") for one in records
        ]
        now = time.time()
        for verb, (asked, items, at) in {
            "register": (events.Verb.REGISTER, records, now),
            "refresh: one value": (events.Verb.REFRESH, changed, now + 1),
            "refresh: only its time": (events.Verb.REFRESH, changed, now + 2),
            "redelivery": (events.Verb.REGISTER, changed, now + 2),
            "unregister": (events.Verb.UNREGISTER, records, now + 3),
            "confirmation": (events.Verb.UNREGISTER, records, now + 3),
        }.items():
            size = self.NOT_SETTLED if verb == "redelivery" else count
            self._boxes[verb] = [
                self._stored(asked, items[start : start + size], at)
                for start in range(0, count, size)
            ]

    def measure(self, verb: str) -> float:
        if self._watch is None:
            self._directory._connection.open()
            connection = self._directory._connection._connection
            self._watch = in_flight.InFlight(connection)
        self._watch.begin()
        for box in self._boxes[verb]:
            self._deliver(box)
        return self._watch.idle()

    def round(self, count: int) -> dict[str, float]:
        """Register and unregister; return the seconds of each."""
        self.prepare(count)
        seconds = {}
        for verb in ("register", "unregister"):
            started = time.perf_counter()
            for box in self._boxes[verb]:
                self._deliver(box)
            seconds[verb] = time.perf_counter() - started
        return seconds

    def _stored(
        self, verb: events.Verb, items: Sequence[events.HostRecord], at: float
    ) -> outbox.Outbox:
        box = outbox.Outbox(self._folder / f"outbox-{uuid.uuid4()}.db")
        box.put_all(
            events.Event(
                message_id=str(uuid.uuid4()),
                event_type="instance.create.end",
                verb=verb,
                occurred_at=at,
                request_id="req-8217bf15-5838-4524-872f-3592fa99abb3",
                record=item,
            )
            for item in items
        )
        return box

    def _deliver(self, box: outbox.Outbox) -> None:
        """Deliver what is stored, as a process does that was started."""
        worker = dispatcher.Dispatcher(
            "measured", self._directory, box, retry.Settings()
        )
        while worker.step():
            pass
        if box.pending("measured") or outboxes.buried(box, "measured"):
            raise RuntimeError("not all was delivered: nothing was measured")
