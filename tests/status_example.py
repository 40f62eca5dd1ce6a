# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A cloud on a bad day, as the status page of its daemon shows it.

``python -m tests.status_example FILE`` writes the page that the documentation
has pictures of.
"""

import pathlib
import random
import sys
import tempfile
import uuid

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.monitoring import activity, facts, page
from nova_dirsvc_plugin.outbox import admin, comparisons, lock
from tests.unit import base

#: 2026-11-26 18:00:20 UTC
NOW = 1_795_716_020.0

#: A name of an instance that a tenant has chosen for us.
HOSTILE = "<script>alert(1)</script>"

REFUSAL = (
    "Object class violation: attribute 'novaHostName' of"
    f" 'cn={HOSTILE}' is not allowed"
)


class Busy(memory.MemoryDirectory):
    """A directory that is out when it is told to be, and refuses one name.

    :ivar out: why it takes nothing; empty: it does
    """

    out = ""

    def apply(self, states):
        if self.out:
            return [contract.Unavailable(self.out)] * len(states)
        return [
            contract.Rejected(REFUSAL, certain=True)
            if state.record.display_name == HOSTILE
            else super(Busy, self).apply([state])[0]
            for state in states
        ]


class Cloud:
    """An outbox with two directories, of which one is out at the end.

    :param minutes: that its daemon has run
    """

    def __init__(self, folder: pathlib.Path, minutes: int = 75) -> None:
        self.path = folder / "outbox.db"
        self.now = self.started_at = NOW - 60.0 * minutes
        self._random = random.Random(1)
        self._outbox = outbox.Outbox(self.path, clock=self.clock)
        self.directories = {"ldap": Busy(None, "x"), "rest": Busy(None, "x")}
        self.meters = {
            name: activity.Meter(name, self.clock) for name in self.directories
        }
        self._dispatchers = [
            dispatcher.Dispatcher(
                name,
                directory,
                self._outbox,
                retry.Settings(),
                clock=self.clock,
                watch=self.meters[name],
            )
            for name, directory in self.directories.items()
        ]
        self._locks = [
            lock.DirectoryLock(str(self.path), name)
            for name in self.directories
        ]
        for one in self._locks:
            one.acquire()
        for minute in range(minutes):
            self._live(minutes - minute)
        self.now = NOW
        self._compare()

    def clock(self) -> float:
        return self.now

    def facts(self) -> facts.Facts:
        daemon = facts.Daemon(
            process=4711,
            release="1.0.0",
            started_at=self.started_at,
            activities={
                name: meter.read() for name, meter in self.meters.items()
            },
            idle=dict.fromkeys(self.directories, 0.2),
            listeners=2,
            active=2,
        )
        return facts.collect(
            self.path, lambda known: [*self.directories], daemon, self.now
        )

    def close(self) -> None:
        for one in self._locks:
            one.release()
        self._outbox.close()

    def _live(self, left: int) -> None:
        """Let a minute pass.

        :param left: minutes that are left, with this one
        """
        begin = NOW - 60.0 * left
        if left == 12:
            self.directories[
                "rest"
            ].out = "https://cmdb.example.org/hosts: connection refused"
        busy = 30 if 38 < left < 44 else 6
        for third in range(3):
            self.now = begin = begin + 19.0
            count = self._random.randint(0, busy)
            self._outbox.put_all(
                self._event(
                    HOSTILE if left in (9, 31) and not n + third else "web"
                )
                for n in range(count)
            )
            self.now += self._random.choice((0.02, 0.04, 0.06))
            if busy > 6:
                self.now += 4.0
            for one in self._dispatchers:
                one.step()

    def _event(self, name: str) -> events.Event:
        lag = self._random.uniform(0.05, 0.3)
        return base.event(
            instance_uuid=str(uuid.UUID(int=self._random.getrandbits(128))),
            occurred_at=self.now - lag,
            display_name=name,
        )

    def _compare(self) -> None:
        box = admin.OutboxAdmin(self.path)
        for name, entries, found in (
            ("ldap", 412, {"differing": 3, "conflict": 1}),
            ("rest", 473, {"removal": 61}),
        ):
            comparisons.note(
                box,
                comparisons.Comparison(
                    name, NOW - 2500.0, True, 412, entries, found
                ),
            )
            stops = (
                [
                    "61 of 473 entries would be removed, after 0 others within"
                    " the last hour: more than 47."
                ]
                if name == "rest"
                else []
            )
            comparisons.note_guard(box, name, NOW - 2499.0, stops)


def main() -> None:
    page.socket.gethostname = lambda: "controller-1"
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(pathlib.Path(folder))
        pathlib.Path(sys.argv[1]).write_text(page.html(cloud.facts()))
        cloud.close()


if __name__ == "__main__":
    main()
