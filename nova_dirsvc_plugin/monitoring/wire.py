# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a daemon has counted, on its way to the operator's tool: JSON."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin.monitoring import activity, facts, histogram


class NotUnderstood(ValueError):
    """It is not what a daemon of this release says."""


def encode(found: facts.Facts) -> str:
    """Return what :func:`decode` reads."""
    daemon = dataclasses.asdict(found.daemon) if found.daemon else None
    return json.dumps({"outbox": found.path, "daemon": daemon})


def decode(text: str) -> tuple[str, facts.Daemon]:
    """Return the path of a daemon's outbox, and what it has counted.

    :raises NotUnderstood: another program, or release, has said that
    """
    try:
        found = json.loads(text)
        daemon = dict(found["daemon"])
        daemon["activities"] = {
            str(name): _activity(one)
            for name, one in daemon["activities"].items()
        }
        return str(found["outbox"]), facts.Daemon(**daemon)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotUnderstood(str(error)) from error


def _activity(one: Mapping[str, Any]) -> activity.Activity:
    histograms = {
        name: _histogram(one[name])
        for name in ("batches", "from_outbox", "from_nova")
    }
    minutes = [
        activity.Minute(
            int(minute["begins_at"]), _histogram(minute["latencies"])
        )
        for minute in one["minutes"]
    ]
    return activity.Activity(**{**one, **histograms, "minutes": minutes})


def _histogram(one: Mapping[str, Any]) -> histogram.Histogram:
    counts = tuple(map(int, one["counts"]))
    if len(counts) != len(histogram.BOUNDS) + 1:
        raise NotUnderstood("its histograms have other bounds")
    return histogram.Histogram(counts, float(one["seconds"]))
