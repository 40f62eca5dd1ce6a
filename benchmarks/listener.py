# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What listeners take from a real RabbitMQ and store, beside bare ones.

Both read the same messages, boots of a real Nova, from quorum queues that
were filled before: first processes that do nothing but acknowledge, with
oslo.messaging's own batches of the same size; then ours.
"""

import logging
import multiprocessing
import pathlib
import statistics
import tempfile
import threading
import time
import uuid
from argparse import Namespace
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import oslo_messaging
from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.sources import listener
from tests import recordings, waiting
from tests.functional import rabbitmq

ROUNDS = 3
PROCESSES = (1, 4)
PUBLISHERS = 2

#: What a process does: with options, and where to count.
Work = Callable[[cfg.ConfigOpts, "Synchronized[int]"], Any]


def run(arguments: Namespace) -> None:
    """Empty full queues in rounds, and print rates and ratios."""
    count = arguments.events // PUBLISHERS * PUBLISHERS
    logging.disable(logging.WARNING)
    broker = rabbitmq.RabbitMq()
    # On the disk that holds the checkout: a tmpfs would flatter us.
    with tempfile.TemporaryDirectory(dir=pathlib.Path.cwd()) as name:
        try:
            broker.start()
            for processes in PROCESSES:
                _compare(broker, pathlib.Path(name), processes, count)
        finally:
            broker.remove()


def _compare(
    broker: rabbitmq.RabbitMq, folder: pathlib.Path, processes: int, count: int
) -> None:
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    published = []
    for number in range(ROUNDS):
        for name, work in (("bare", _bare), ("ours", _ours)):
            topic = f"{name}_{processes}_{number}"
            published.append(_fill(broker.url, topic, count))
            conf = folder / f"{topic}.conf"
            conf.write_text(_options(broker.url, topic, folder))
            rates[name].append(count / _timed(conf, work, processes, count))
            if name == "ours":
                _check(folder / f"{topic}.db", count)
    for name, values in rates.items():
        print(
            f"{processes} listening, {name}: median"
            f" {statistics.median(values):6.0f}/s"
            f"  (min {min(values):.0f}, max {max(values):.0f})"
        )
    pairs = zip(rates["ours"], rates["bare"], strict=True)
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    print(f"{processes} listening, ratio to bare: {ratio:.2f}")
    print(
        f"{count} messages a round; {PUBLISHERS} publishing, nobody"
        f" listening: median {statistics.median(published):.0f}/s",
        flush=True,
    )


def _options(url: str, topic: str, folder: pathlib.Path) -> str:
    return (
        f"[DEFAULT]\ntransport_url = {url}\n"
        "[oslo_messaging_rabbit]\nrabbit_quorum_queue = true\n"
        f"[nova_dirsvc]\noutbox = {folder / topic}.db\n"
        f"listener_topics = {topic}\n"
    )


def _fill(url: str, topic: str, count: int) -> float:
    """Publish, and give how many a second were."""
    started = time.perf_counter()
    workers = [
        multiprocessing.Process(
            target=_publish, args=(url, topic, count // PUBLISHERS)
        )
        for _ in range(PUBLISHERS)
    ]
    _run(workers, lambda: not any(one.is_alive() for one in workers))
    return count / (time.perf_counter() - started)


def _publish(url: str, topic: str, count: int) -> None:
    ctxt, boot = recordings.create_end()
    with rabbitmq.publisher(url, topic) as publisher:
        for _ in range(count):
            publisher.publish(ctxt, boot | {"message_id": str(uuid.uuid4())})


def _timed(
    conf: pathlib.Path, work: Work, processes: int, count: int
) -> float:
    """Return the seconds from the first message to the last."""
    counter = multiprocessing.Value("q", 0)
    workers = [
        multiprocessing.Process(target=_listen, args=(conf, work, counter))
        for _ in range(processes)
    ]
    moments: list[float] = []

    def done() -> bool:
        if counter.value and not moments:
            moments.append(time.perf_counter() - 0.02)
        return counter.value >= count

    _run(workers, done)
    return time.perf_counter() - moments[0]


def _run(
    workers: list[multiprocessing.Process], done: Callable[[], bool]
) -> None:
    for worker in workers:
        worker.start()
    try:
        waiting.until(done, "the measurement to end", 600)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _listen(
    path: pathlib.Path, work: Work, counter: "Synchronized[int]"
) -> None:
    conf = cfg.ConfigOpts()
    for group in (options.SOURCE_OPTS, options.LISTENER_OPTS):
        conf.register_opts(group, options.GROUP)
    conf(["--config-file", str(path)])
    for server in work(conf, counter):
        server.start(override_pool_size=1)
    threading.Event().wait()


def _ours(conf: cfg.ConfigOpts, counter: "Synchronized[int]") -> Any:
    entries = _Counting(conf.nova_dirsvc.outbox, counter)
    bus = listener.Bus(conf)
    return bus.servers(bus.store(entries, threading.Event()))


def _bare(conf: cfg.ConfigOpts, counter: "Synchronized[int]") -> Any:
    # The same number is sent ahead.
    listener.Bus(conf)
    group = conf.nova_dirsvc
    return [
        oslo_messaging.get_batch_notification_listener(
            oslo_messaging.get_notification_transport(conf),
            [
                oslo_messaging.Target(
                    exchange="nova", topic=group.listener_topics[0]
                )
            ],
            [_Endpoint(counter)],
            executor="threading",
            batch_size=group.listener_batch_size,
            batch_timeout=group.listener_batch_timeout,
        )
    ]


class _Endpoint:
    """Counts."""

    def __init__(self, counter: "Synchronized[int]") -> None:
        self._counter = counter

    def info(self, messages: list[Any]) -> None:
        with self._counter.get_lock():
            self._counter.value += len(messages)


class _Counting(outbox.Outbox):
    """Counts what it has stored."""

    def __init__(self, path: str, counter: "Synchronized[int]") -> None:
        super().__init__(path)
        self._counter = counter

    def put_all(self, items: Any) -> list[int | None]:
        numbers = super().put_all(items)
        with self._counter.get_lock():
            self._counter.value += len(numbers)
        return numbers


def _check(path: pathlib.Path, count: int) -> None:
    with outbox.Outbox(path)._session as database:
        ((stored,),) = database.execute("SELECT count(*) FROM entry")
    if stored != count:
        raise RuntimeError(f"{stored} of {count} are stored")
