# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The facts as metrics of Prometheus."""

import itertools
import platform
from collections.abc import Iterator, Sequence

import prometheus_client
from prometheus_client import core, registry

from nova_dirsvc_plugin.monitoring import activity, facts, histogram
from nova_dirsvc_plugin.monitoring.catalogue import METRICS, Metric, Type
from nova_dirsvc_plugin.outbox import State, health

#: The states that an entry may have for long.
_DEPTHS = (State.WAITING, State.DEFERRED, State.BURIED, State.CONFIRM)

#: Name of a metric, values of its labels, its value.
_Sample = tuple[str, Sequence[str], float | histogram.Histogram]


def exposition(
    found: facts.Facts, accept: str = "", *, process: bool = False
) -> tuple[str, bytes]:
    """Return the metrics for which there are facts.

    :param accept: the formats that are understood, as in HTTP; empty: the
        text format of Prometheus
    :param process: whether CPU and memory of this process belong to them
    :returns: the type of the content, and the content
    """
    encode, content_type = prometheus_client.exposition.choose_encoder(accept)
    known = registry.CollectorRegistry()
    known.register(_Collector(found))
    if process:
        prometheus_client.ProcessCollector(registry=known)
    return content_type, encode(known)


class _Collector(registry.Collector):
    """The metrics of some facts."""

    def __init__(self, found: facts.Facts) -> None:
        self._found = found

    def collect(self) -> Iterator[core.Metric]:
        found = sorted(_samples(self._found), key=_name)
        for name, samples in itertools.groupby(found, _name):
            yield _family(METRICS[name], list(samples))


def _name(sample: "_Sample") -> str:
    return sample[0]


def _family(metric: Metric, samples: Sequence[_Sample]) -> core.Metric:
    about = (metric.name, metric.help)
    distributions = core.HistogramMetricFamily(*about, labels=metric.labels)
    numbers: core.GaugeMetricFamily | core.CounterMetricFamily
    if metric.type is Type.COUNTER:
        numbers = core.CounterMetricFamily(*about, labels=metric.labels)
    else:
        numbers = core.GaugeMetricFamily(*about, labels=metric.labels)
    for _, labels, value in samples:
        if isinstance(value, histogram.Histogram):
            distributions.add_metric(labels, _buckets(value), value.seconds)
        else:
            numbers.add_metric(labels, value)
    return distributions if metric.type is Type.HISTOGRAM else numbers


def _buckets(value: histogram.Histogram) -> list[tuple[str, float]]:
    bounds = [*map(str, histogram.BOUNDS), "+Inf"]
    sums = itertools.accumulate(value.counts)
    return list(zip(bounds, map(float, sums), strict=True))


def _samples(found: facts.Facts) -> Iterator[_Sample]:
    yield "build_info", (found.release, platform.python_version()), 1
    yield "outbox_readable", (), not found.fault
    yield from _of_memory(found)
    if found.stored:
        yield from _of_outbox(found, found.stored)
    for one in found.directories:
        yield from _of_directory(one, found.at)
    if found.daemon:
        for name, seconds in found.daemon.idle.items():
            yield "dispatcher_idle_seconds", (name,), seconds
        yield "listener_processes", (), found.daemon.listeners
        yield "listener_active", (), found.daemon.active


def _of_memory(found: facts.Facts) -> Iterator[_Sample]:
    events = sum(one.events for one in found.in_memory)
    oldest = min((one.since for one in found.in_memory), default=found.at)
    yield "unstored_events", (), events
    yield "unstored_oldest_seconds", (), max(found.at - oldest, 0.0)


def _of_outbox(found: facts.Facts, stored: facts.Stored) -> Iterator[_Sample]:
    yield "outbox_stored", (), stored.last_number
    yield "outbox_bytes", (), stored.size
    yield "outbox_parked", (), stored.totals.parked
    latest = stored.latest
    if latest.stored_at is not None and latest.occurred_at is not None:
        yield "outbox_last_event_timestamp_seconds", (), latest.stored_at
        lag = max(latest.stored_at - latest.occurred_at, 0.0)
        yield "source_lag_seconds", (), lag


def _of_directory(one: facts.Directory, now: float) -> Iterator[_Sample]:
    name = one.name
    if one.known:
        yield from _of_known(name, one.known, now)
    if one.activity:
        yield from _of_activity(name, one.activity)
    if one.comparison:
        last = one.comparison
        yield "comparison_timestamp_seconds", (name,), last.compared_at
        yield "comparison_whole", (name,), last.whole
        yield "comparison_instances", (name,), last.instances
        yield "comparison_entries", (name,), last.entries
        for kind, number in last.found.items():
            yield "drift_entries", (name, kind), number
        yield "guard_stopped", (name,), bool(last.stops)


def _of_known(
    name: str, known: health.Directory, now: float
) -> Iterator[_Sample]:
    yield "directory_configured", (name,), known.configured
    delivered = health.delivers(known, now)
    if delivered is not None:
        yield "directory_delivered", (name,), delivered
    for state in _DEPTHS:
        number = getattr(known.count, state.value)
        yield "outbox_entries", (name, state.value), number
    oldest = now if known.count.oldest is None else known.count.oldest
    yield "outbox_oldest_seconds", (name,), max(now - oldest, 0.0)


def _of_activity(name: str, done: activity.Activity) -> Iterator[_Sample]:
    if done.available is not None:
        yield "directory_up", (name,), done.available
        yield "directory_asked_timestamp_seconds", (name,), done.asked_at
    for event_type, outcome, number in done.events:
        yield "events", (name, event_type, outcome), number
    for answer, number in done.answers.items():
        yield "attempts", (name, answer), number
    yield "batch_seconds", (name,), done.batches
    yield "delivery_seconds", (name,), done.from_outbox
    yield "end_to_end_seconds", (name,), done.from_nova
