# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The metrics: their names, labels and meanings, as the documentation has."""

import dataclasses
import enum

PREFIX = "nova_dirsvc_"


class Type(enum.StrEnum):
    """A type of metric of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclasses.dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    :ivar name: with the prefix, without the suffix of a counter
    """

    name: str
    type: Type
    labels: tuple[str, ...]
    help: str


#: Name without the prefix -> type, labels, help. Known from the outbox alone.
OF_OUTBOX = {
    "build_info": (
        Type.GAUGE,
        ("version", "python"),
        "Always 1; the release of nova-dirsvc-plugin and of Python.",
    ),
    "outbox_readable": (
        Type.GAUGE,
        (),
        "Whether the outbox could be read.",
    ),
    "outbox_entries": (
        Type.GAUGE,
        ("directory", "state"),
        "Entries that are not done with, by their state.",
    ),
    "outbox_oldest_seconds": (
        Type.GAUGE,
        ("directory",),
        "Age of the oldest waiting or deferred entry; 0 if there is none.",
    ),
    "outbox_stored": (
        Type.COUNTER,
        (),
        "Entries that were ever stored in this outbox.",
    ),
    "outbox_parked": (
        Type.GAUGE,
        (),
        "Notifications that could not be understood.",
    ),
    "outbox_bytes": (
        Type.GAUGE,
        (),
        "Size of the outbox with its write-ahead log.",
    ),
    "outbox_last_event_timestamp_seconds": (
        Type.GAUGE,
        (),
        "When the latest of Nova's events was stored.",
    ),
    "source_lag_seconds": (
        Type.GAUGE,
        (),
        "Of the latest of Nova's events: the time from Nova's timestamp until"
        " it was stored.",
    ),
    "unstored_events": (
        Type.GAUGE,
        (),
        "Events that Nova's processes keep in memory because they cannot be"
        " stored.",
    ),
    "unstored_oldest_seconds": (
        Type.GAUGE,
        (),
        "Age of the oldest event in memory; 0 if there is none.",
    ),
    "directory_configured": (
        Type.GAUGE,
        ("directory",),
        "Whether the options name the directory. One that they no longer name"
        " keeps its entries in the outbox.",
    ),
    "directory_delivered": (
        Type.GAUGE,
        ("directory",),
        "Whether a process delivers to the directory, whether or not the"
        " directory takes it; absent if that cannot be seen.",
    ),
    "comparison_timestamp_seconds": (
        Type.GAUGE,
        ("directory",),
        "When the directory was last compared with all of Nova, by an audit"
        " or a reconcile.",
    ),
    "comparison_whole": (
        Type.GAUGE,
        ("directory",),
        "Whether the reading of Nova was whole then.",
    ),
    "comparison_instances": (
        Type.GAUGE,
        ("directory",),
        "Instances that Nova listed then.",
    ),
    "comparison_entries": (
        Type.GAUGE,
        ("directory",),
        "Entries with this cloud's owner mark then.",
    ),
    "drift_entries": (
        Type.GAUGE,
        ("directory", "kind"),
        "Differences that were found then, by their kind.",
    ),
    "guard_stopped": (
        Type.GAUGE,
        ("directory",),
        "Whether the guard stopped the last reconcile.",
    ),
}

#: The same, counted by the daemon since it was started.
_OF_DAEMON = {
    "directory_up": (
        Type.GAUGE,
        ("directory",),
        "Whether the directory took the last batch; absent before the first.",
    ),
    "directory_asked_timestamp_seconds": (
        Type.GAUGE,
        ("directory",),
        "When the last batch was given to the directory.",
    ),
    "dispatcher_idle_seconds": (
        Type.GAUGE,
        ("directory",),
        "Time since the directory's dispatcher last looked for work. It looks"
        " each half second, and after each batch.",
    ),
    "events": (
        Type.COUNTER,
        ("directory", "event_type", "outcome"),
        "Times that an entry got a state, by the type of its event. An entry"
        " is delivered, skipped or buried once, and deferred any number of"
        " times.",
    ),
    "attempts": (
        Type.COUNTER,
        ("directory", "answer"),
        "Writes that were given to the directory, by its answer.",
    ),
    "batch_seconds": (
        Type.HISTOGRAM,
        ("directory",),
        "Time that the directory took for a batch.",
    ),
    "delivery_seconds": (
        Type.HISTOGRAM,
        ("directory",),
        "Time from the outbox to the directory, of delivered events.",
    ),
    "end_to_end_seconds": (
        Type.HISTOGRAM,
        ("directory",),
        "Time from Nova's timestamp to the directory, of delivered events.",
    ),
    "listener_processes": (
        Type.GAUGE,
        (),
        "Processes that should consume the message bus.",
    ),
    "listener_active": (
        Type.GAUGE,
        (),
        "Those of them that consume it and can store what comes. A lost"
        " connection is restored by oslo.messaging and is not seen here.",
    ),
}

#: Name without the prefix -> metric.
METRICS = {
    name: Metric(PREFIX + name, *about)
    for name, about in (OF_OUTBOX | _OF_DAEMON).items()
}
