# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of a series of measurements."""

import math
import os
import pathlib
import statistics
from collections.abc import Sequence


def spread(seconds: Sequence[float]) -> str:
    """Put durations into words, in milliseconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return (
        f"median {statistics.median(ordered) * 1e3:.3f} ms,"
        f" p99 {p99 * 1e3:.3f} ms, max {ordered[-1] * 1e3:.1f} ms"
    )


def peak_memory(pid: int | str = "self") -> str:
    """Return the largest resident size that a process has had."""
    return f"{peak_mebibytes(pid):.0f} MiB"


def peak_mebibytes(pid: int | str = "self") -> float:
    """Return the largest resident size that a process has had, in MiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return math.nan


def cpu_seconds(pid: int | str = "self") -> float:
    """Return the processor time that a process has had, user and system."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_memory(pid: int) -> str:
    """Return what a process and its children take now, shared pages once."""
    pids = [pid]
    for one in pids:
        for file in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            pids += map(int, file.read_text().split())
    kilobytes = 0
    for one in pids:
        text = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text()
        for line in text.splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return f"{kilobytes / 1024:.0f} MiB (PSS, {len(pids)} processes)"
