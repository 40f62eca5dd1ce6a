# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The whole path from the outbox to the directory, beside two references.

All three write the same entries to the same real 389 DS, in rounds, one
after the other: this project's dispatcher and driver; python-ldap with
requests in flight and nothing else; and ldclt, the C client of 389 DS.
"""

import collections
import pathlib
import statistics
import tempfile
import time
import uuid
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

from oslo_config import cfg

from benchmarks import figures, ldclt
from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import base, loading
from nova_dirsvc_plugin.directories.ldap import entry
from tests import outboxes
from tests.functional import directory389

ROUNDS = 5

Times = dict[str, list[float]]


def run(arguments: Namespace) -> None:
    """Register and unregister, in rounds, and print rates and ratios."""
    count = arguments.events // ROUNDS // 4 * 4
    with (
        directory389.Directory389() as server,
        tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as folder,
    ):
        contenders = {
            "outbox to directory": Ours(
                load(server.conf_file, "ldap"), pathlib.Path(folder)
            ),
            "raw python-ldap": _Raw(server),
            "ldclt": ldclt.Ldclt(server, pathlib.Path(folder)),
        }
        rates: dict[str, Times] = {
            name: {"register": [], "unregister": []} for name in contenders
        }
        for number in range(ROUNDS):
            for name, contender in contenders.items():
                seconds = contender.round(count)
                for verb, value in seconds.items():
                    rates[name][verb].append(count / value)
            print(f"round {number + 1} of {ROUNDS} done", flush=True)
        _report(rates, count * ROUNDS)
        pid = server.pid_file.read_text().strip()
        print(
            f"memory: this process {figures.peak_memory()},"
            f" ns-slapd {figures.peak_memory(pid)}"
        )


def _report(rates: dict[str, Times], count: int) -> None:
    ours, *references = rates
    for verb in ("register", "unregister"):
        for name in rates:
            values = rates[name][verb]
            print(
                f"{verb:10} {name:20} median {statistics.median(values):6.0f}"
                f"/s  (min {min(values):.0f}, max {max(values):.0f})"
            )
        best = max(
            references, key=lambda name: statistics.median(rates[name][verb])
        )
        pairs = zip(rates[ours][verb], rates[best][verb], strict=True)
        ratio = statistics.median(mine / theirs for mine, theirs in pairs)
        print(f"{verb:10} ratio to the better reference ({best}): {ratio:.2f}")
    print(f"{count} registers and {count} unregisters each")


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

    def __init__(
        self, directory: base.Directory, folder: pathlib.Path
    ) -> None:
        self._directory = directory
        self._folder = folder

    def round(self, count: int) -> dict[str, float]:
        # Removals are done once more after some minutes: in another outbox.
        box = outbox.Outbox(self._folder / f"outbox-{uuid.uuid4()}.db")
        records = [record(number) for number in range(count)]
        return {
            verb.value: self._deliver(box, verb, records)
            for verb in (events.Verb.REGISTER, events.Verb.UNREGISTER)
        }

    def _deliver(
        self,
        box: outbox.Outbox,
        verb: events.Verb,
        records: Sequence[events.HostRecord],
    ) -> float:
        for item in records:
            box.put(
                events.Event(
                    message_id=str(uuid.uuid4()),
                    event_type="instance.create.end",
                    verb=verb,
                    occurred_at=time.time(),
                    request_id="req-8217bf15-5838-4524-872f-3592fa99abb3",
                    record=item,
                )
            )
        worker = dispatcher.Dispatcher(
            "measured", self._directory, box, retry.Settings()
        )
        started = time.perf_counter()
        while worker.step():
            pass
        seconds = time.perf_counter() - started
        if box.pending("measured") or outboxes.buried(box, "measured"):
            raise RuntimeError("not all was delivered: nothing was measured")
        return seconds


class _Raw:
    """python-ldap with requests in flight on one connection."""

    WINDOW = 32

    def __init__(self, server: directory389.Directory389) -> None:
        self._connection: Any = server.connect()
        self._tree = server.hosts_tree_dn

    def round(self, count: int) -> dict[str, float]:
        entries = []
        for number in range(count):
            item = record(number)
            attributes = entry.attributes(item, "nova", 0.0)
            dn = entry.dn(item.instance_uuid, self._tree)
            entries.append((dn, list(attributes.items())))
        return {
            "register": self._all(
                [
                    lambda dn=dn, values=values: self._connection.add_ext(
                        dn, values
                    )
                    for dn, values in entries
                ]
            ),
            "unregister": self._all(
                [
                    lambda dn=dn: self._connection.delete_ext(dn)
                    for dn, _ in entries
                ]
            ),
        }

    def _all(self, requests: Sequence[Callable[[], int]]) -> float:
        started = time.perf_counter()
        flying: collections.deque[int] = collections.deque()
        for request in requests:
            flying.append(request())
            if len(flying) == self.WINDOW:
                self._connection.result3(flying.popleft())
        for ticket in flying:
            self._connection.result3(ticket)
        return time.perf_counter() - started
