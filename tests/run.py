#!/usr/bin/env python3
# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Run the test suites, those of the pocket cloud beside the others, and count.

There is one pocket cloud: its suites run one after the other, in one lane. The
others run in a second lane. A lane that has no suite of its own left takes one
of the others. With two lanes, each line of output begins with its suite.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence

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
    "types": (check_count, (*TOX, "mypy")),
    "functional": (stestr_count, (*TOX, "functional")),
    "unit": (stestr_count, (*TOX, "py3")),
    "nova-threads": (stestr_count, (*TOX, "nova-threads")),
    "nova-eventlet": (stestr_count, (*TOX, "nova-eventlet")),
    "faults-replayed": (unittest_count, (*TOX, "faults-replayed")),
    "bash": (tap_count, (*TOX, "bash")),
    "nova-oldest": (unittest_count, (*TOX, "nova-oldest")),
    "zuul": (stestr_count, (*TOX, "zuul")),
    "docs": (check_count, (*TOX, "docs,releasenotes")),
    "nova-hooks": (stestr_count, (*TOX, "nova-hooks")),
    "integration": (stestr_count, (*TOX, "integration")),
    "faults": (unittest_count, (*TOX, "faults")),
    "tempest": (stestr_count, (*TOX, "tempest")),
    "tempest-rest": (stestr_count, (*TOX, "tempest-rest")),
    # A part of functional.
    "contract": (
        stestr_count,
        (*TOX, "functional", "--", "LdapDirectoryContractTest"),
    ),
}
ON_THE_CLOUD = ("integration", "faults", "tempest", "tempest-rest")
QUICK = ("unit", "style", "types", "contract")
ALL = tuple(name for name in SUITES if name != "contract")

#: Seconds that suites have to end when they are interrupted.
PATIENCE = 60


class Run:
    """A run of some suites.

    :ivar counts: of the suites that have ended
    :ivar seconds: that each of them took
    """

    def __init__(self, chosen: Sequence[str]) -> None:
        self.counts: dict[str, Count] = {}
        self.seconds: dict[str, float] = {}
        self._cloud = [name for name in chosen if name in ON_THE_CLOUD]
        self._others = [name for name in chosen if name not in ON_THE_CLOUD]
        self._prefixed = len(chosen) > 1
        self._width = max(map(len, chosen))
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._interrupted = False

    def all(self) -> None:
        """Run all of them, in two lanes."""
        lanes = [
            threading.Thread(target=self._lane, args=queues, daemon=True)
            for queues in ((self._cloud, self._others), (self._others,))
        ]
        for lane in lanes:
            lane.start()
        try:
            for lane in lanes:
                lane.join()
        except KeyboardInterrupt:
            self._interrupt()
            for lane in lanes:
                lane.join(PATIENCE)
            self._signal(signal.SIGKILL)
            raise

    def _lane(self, *queues: list[str]) -> None:
        while (name := self._take(queues)) is not None:
            try:
                self._suite(name)
            except Exception:
                self._say(name, traceback.format_exc())

    def _take(self, queues: Sequence[list[str]]) -> str | None:
        with self._lock:
            for queue in queues:
                if queue:
                    return queue.pop(0)
        return None

    def _suite(self, name: str) -> None:
        """Run a suite, show what it prints, and count its tests.

        A suite that fails has at least one failure, and so has one that ran
        nothing.
        """
        count_of, command = SUITES[name]
        started = time.monotonic()
        lines = []
        with self._lock:
            if self._interrupted:
                return
            process = self._start(command)
        self._say(name, f"=== {name}: {' '.join(command[1:])}")
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                self._say(name, line)
                lines.append(line)
        count = count_of("".join(lines))
        if process.returncode and not count.failed:
            count = Count(0, 1, count.skipped)
        elif not process.returncode and not count.passed:
            self._say(name, f"=== {name}: no test ran")
            count = Count(0, 1, count.skipped)
        self.counts[name] = count
        self.seconds[name] = time.monotonic() - started
        self._say(name, f"=== {name}: {count} in {self.seconds[name]:.0f} s")

    def _start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        """Start a suite as the leader of a process group of its own."""
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._processes.append(process)
        return process

    def _interrupt(self) -> None:
        """End the suites that run, and begin no other one."""
        with self._lock:
            self._interrupted = True
        self._signal(signal.SIGINT)

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            for process in self._processes:
                if process.poll() is None:
                    os.killpg(process.pid, number)

    def _say(self, name: str, text: str) -> None:
        prefix = f"{name:{self._width}} | " if self._prefixed else ""
        with self._lock:
            for line in text.splitlines():
                print(f"{prefix}{line}", flush=True)


def pocket(command: str) -> int:
    """Ask or tell the pocket cloud; give the exit status."""
    return subprocess.run(
        (sys.executable, "-m", "pocket", command),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).returncode


def share_downloads() -> None:
    """Let the pocket cloud, too, install from what tox has downloaded."""
    uv = pathlib.Path(sys.executable).with_name("uv")
    if uv.exists() and "UV_CACHE_DIR" not in os.environ:
        os.environ["UV_CACHE_DIR"] = subprocess.run(
            (uv, "cache", "dir"), capture_output=True, text=True, check=True
        ).stdout.strip()


def parse() -> list[str]:
    """Return the suites that are asked for, each once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "suite",
        nargs="*",
        help=f"of {', '.join(SUITES)}; quick: {', '.join(QUICK)};"
        " default: all but contract, which is a part of functional",
    )
    chosen: list[str] = []
    for name in parser.parse_args().suite or ALL:
        chosen += QUICK if name == "quick" else [name]
    for unknown in set(chosen) - set(SUITES):
        parser.error(f"no suite {unknown!r}; there are {', '.join(SUITES)}")
    return list(dict.fromkeys(chosen))


def main() -> int:
    chosen = parse()
    # A shell that starts this in the background lets it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    share_downloads()
    run = Run(chosen)
    was_down = pocket("status") != 0
    try:
        run.all()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 130
    finally:
        if was_down:
            pocket("down")
    for name in chosen:
        # A lane that died has failed.
        count = run.counts.setdefault(name, Count(failed=1))
        print(f"{name:15} {count}, {run.seconds.get(name, 0):.0f} s")
    total = sum(run.counts.values(), Count())
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
