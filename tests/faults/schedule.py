# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""When what breaks, and for how long: from a seed, so that it can recur."""

import contextlib
import dataclasses
import os
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

#: Of the lives that a run has altogether, those in a real Nova.
REAL = 30


def seed() -> int:
    """Return FAULTS_SEED, or a fresh one that is kept there for children."""
    given = os.environ.setdefault(
        "FAULTS_SEED", str(random.SystemRandom().randrange(10**6))
    )
    return int(given)


def count() -> int:
    """Return how many lives a run has altogether."""
    return int(os.environ.get("FAULTS_COUNT", "500"))


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that breaks.

    :ivar at: seconds from the beginning
    :ivar what: in two or three words; names the action, too
    :ivar pause: seconds until it is mended
    """

    at: float
    what: str
    pause: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.what}, for {self.pause:.1f} s"


@dataclasses.dataclass(frozen=True)
class Kind:
    """What can be done to a part.

    :ivar begin: breaks it
    :ivar end: mends it, and returns when it is at work
    :ivar longest: seconds between the two, at most
    """

    begin: Callable[[], object]
    end: Callable[[], object]
    longest: float


#: What can be done to one part, by name; one at a time.
Kinds = Mapping[str, Kind]


def draw(
    rng: random.Random,
    parts: Mapping[str, Kinds],
    seconds: float,
    faults: Mapping[str, int],
) -> dict[str, list[Fault]]:
    """Draw for each part when what happens to it.

    :param parts: part -> what can be done to it
    :param seconds: within which all of it begins
    :param faults: part -> how many
    """
    drawn = {}
    for part, number in faults.items():
        kinds = parts[part]
        # Each kind in its turn: a few faults should show all of them.
        names = [list(kinds)[i % len(kinds)] for i in range(number)]
        rng.shuffle(names)
        slot = seconds / number
        drawn[part] = [
            Fault(
                round(slot * (position + rng.uniform(0.0, 0.6)), 1),
                name,
                round(kinds[name].longest * rng.uniform(0.25, 1.0), 1),
            )
            for position, name in enumerate(names)
        ]
    return drawn


def show(drawn: Mapping[str, Sequence[Fault]]) -> None:
    """Print the schedule, in order."""
    faults = [fault for part in drawn.values() for fault in part]
    for fault in sorted(faults, key=lambda fault: fault.at):
        print(f"    {fault}", flush=True)


class Saboteur:
    """Does to each part, in a thread of its own, what was drawn for it.

    :ivar done: (when it began, when it was over, what), epoch seconds
    """

    def __init__(
        self,
        parts: Mapping[str, Kinds],
        drawn: Mapping[str, Sequence[Fault]],
        say: Callable[[str], None],
    ) -> None:
        self._parts = parts
        self._drawn = drawn
        self._say = say
        self._stop = threading.Event()
        self._dismissed = threading.Event()
        self._began = 0.0
        self._troubles: list[str] = []
        self.done: list[tuple[float, float, str]] = []

    @contextlib.contextmanager
    def at_work(self, delay: float = 0.0) -> Iterator[None]:
        """Break things while the body runs; all is mended at its end.

        :param delay: seconds until it begins
        """
        self._began = time.monotonic() + delay
        at_rest = []
        for part in self._drawn:
            at_rest.append(threading.Event())
            threading.Thread(
                target=self._serve,
                args=(part, at_rest[-1]),
                name=part,
                daemon=True,
            ).start()
        try:
            yield
        except BaseException:
            self._stop.set()
            raise
        finally:
            for event in at_rest:
                event.wait()
        if self._troubles:
            raise AssertionError("\n".join(self._troubles))

    def dismiss(self) -> None:
        """End its threads, and with them what they have started."""
        self._dismissed.set()

    def _serve(self, part: str, at_rest: threading.Event) -> None:
        try:
            for fault in self._drawn[part]:
                self._stop.wait(self._began + fault.at - time.monotonic())
                if self._stop.is_set():
                    return
                self._do(self._parts[part][fault.what], fault)
        except Exception:
            self._troubles.append(f"{part}: {traceback.format_exc()}")
        finally:
            at_rest.set()
            # A child may be bound to the thread that has started it.
            self._dismissed.wait()

    def _do(self, kind: Kind, fault: Fault) -> None:
        began = time.time()
        kind.begin()
        self._stop.wait(fault.pause)
        kind.end()
        self.done.append((began, time.time(), fault.what))
        self._say(f"{fault.what}, mended after {time.time() - began:.1f} s")
