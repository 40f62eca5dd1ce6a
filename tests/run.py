#!/usr/bin/env python3
# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Run the test suites one after the other, and count."""

import argparse
import dataclasses
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOX = (sys.executable, "-m", "tox", "run", "-q", "-e")


@dataclasses.dataclass
class Count:
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        return (
            f"{self.passed} passed, {self.failed} failed,"
            f" {self.skipped} skipped"
        )


def stestr_count(output: str) -> Count:
    """Read the totals that stestr prints."""

    def total(word: str) -> int:
        return sum(map(int, re.findall(rf"^ - {word}: (\d+)$", output, re.M)))

    return Count(
        total("Passed") + total("Expected Fail"),
        total("Failed") + total("Unexpected Success"),
        total("Skipped"),
    )


def tap_count(output: str) -> Count:
    """Read the Test Anything Protocol, which bats speaks."""
    count = Count()
    for result, rest in re.findall(r"^(ok|not ok) \d+(.*)$", output, re.M):
        if result == "not ok":
            count.failed += 1
        elif re.search(r"# skip", rest, re.I):
            count.skipped += 1
        else:
            count.passed += 1
    return count


def unittest_count(output: str) -> Count:
    """Read the totals that Python's own test runner prints."""
    [total] = re.findall(r"^Ran (\d+) tests?", output, re.M) or ["0"]
    [words] = re.findall(r"^(?:OK|FAILED)\b(.*)$", output, re.M) or [""]

    def count(word: str) -> int:
        return sum(map(int, re.findall(rf"\b{word}=(\d+)", words)))

    bad, skipped = count("failures") + count("errors"), count("skipped")
    return Count(int(total) - bad - skipped, bad, skipped)


def check_count(output: str) -> Count:
    """A check that is one by itself; its exit status says how it ended."""
    return Count(passed=1)


SUITES = {
    "style": (check_count, (*TOX, "pep8")),
    "bash": (tap_count, (*TOX, "bash")),
    "zuul": (stestr_count, (*TOX, "zuul")),
    "types": (check_count, (*TOX, "mypy")),
    "docs": (check_count, (*TOX, "docs,releasenotes")),
    "unit": (stestr_count, (*TOX, "py3")),
    "functional": (stestr_count, (*TOX, "functional")),
    "nova-hooks": (stestr_count, (*TOX, "nova-hooks")),
    "nova-oldest": (unittest_count, (*TOX, "nova-oldest")),
    "nova-threads": (stestr_count, (*TOX, "nova-threads")),
    "nova-eventlet": (stestr_count, (*TOX, "nova-eventlet")),
    "integration": (stestr_count, (*TOX, "integration")),
    "faults": (unittest_count, (*TOX, "faults")),
    "tempest": (stestr_count, (*TOX, "tempest")),
    "tempest-rest": (stestr_count, (*TOX, "tempest-rest")),
}


def run(name: str) -> Count:
    """Run a suite, show what it prints, and count its tests.

    A suite that fails has at least one failure, and so has one that ran
    nothing.
    """
    count_of, command = SUITES[name]
    print(f"=== {name}: {' '.join(command[1:])}", flush=True)
    started = time.monotonic()
    lines = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    count = count_of("".join(lines))
    if process.returncode and not count.failed:
        count = Count(0, 1, count.skipped)
    elif not process.returncode and not count.passed:
        print(f"=== {name}: no test ran")
        count = Count(0, 1, count.skipped)
    seconds = time.monotonic() - started
    print(f"=== {name}: {count} in {seconds:.0f} s\n", flush=True)
    return count


def pocket(command: str) -> int:
    """Ask or tell the pocket cloud; give the exit status."""
    return subprocess.run(
        (sys.executable, "-m", "pocket", command),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "suite", nargs="*", help=f"of {', '.join(SUITES)}; default: all"
    )
    chosen = parser.parse_args().suite or list(SUITES)
    for unknown in set(chosen) - set(SUITES):
        parser.error(f"no suite {unknown!r}; there are {', '.join(SUITES)}")
    was_down = pocket("status") != 0
    try:
        counts = {name: run(name) for name in chosen}
    finally:
        if was_down:
            pocket("down")
    for name, count in counts.items():
        print(f"{name:14} {count}")
    total = sum(counts.values(), Count())
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
