# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Replayed lives, while all but Nova is killed, frozen and full.

Nova's services are processes with the real Notifier and either the real
notification driver, or a real RabbitMQ; the daemon and 389 DS are real.
"""

import os
import pathlib
import random
import tempfile
import time
import unittest
from typing import Any

import ldap

from tests import disks, waiting
from tests.faults import (
    comparison,
    evidence,
    fold,
    lives,
    parts,
    replayer,
    schedule,
)
from tests.functional import directory389, rabbitmq

#: Seconds in which the lives are told, and the faults begin.
SECONDS = 45.0

OWNER = directory389.Directory389.owner
TOPIC = "nova_dirsvc"

#: Processes of the daemon that listen.
WORKERS = 2


class ReplayedTestCase(unittest.TestCase):
    """A daemon, a directory and a disk of the test's own.

    :cvar DRIVER: what Nova's Notifier is told to load
    :cvar LISTENS: whether the daemon takes its events from the bus
    :cvar SHARE: each test replays that part of the lives
    """

    DRIVER = ""
    LISTENS = False
    SHARE = 1
    URL = "fake:/"

    def setUp(self) -> None:
        super().setUp()
        self.rng = random.Random(f"{schedule.seed()} {self.id()}")
        folder = tempfile.TemporaryDirectory(prefix="faults-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.began = time.monotonic()
        self.server = directory389.Directory389()
        self.server.setUp()
        self.addCleanup(self.server.cleanUp)
        self.disk = disks.SmallDisk(self.folder / "outbox", "48m")
        if os.geteuid() == 0:
            self.disk.setUp()
            self.addCleanup(self.disk.cleanUp)
        self.outbox = self.folder / "outbox" / "outbox.db"

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def start_daemon(self) -> parts.Daemon:
        own = self.folder / "sync.conf"
        own.write_text(
            f"[DEFAULT]\ntransport_url = {self.URL}\n"
            "[oslo_messaging_rabbit]\nrabbit_quorum_queue = true\n"
            "rabbit_interval_max = 1\n"
            f"[nova_dirsvc]\noutbox = {self.outbox}\n"
            f"listen = {self.LISTENS}\nlistener_workers = {WORKERS}\n"
            f"listener_topics = {TOPIC}\n"
            # One refusal would bury: no fault here is a reason for any.
            "max_attempts = 1\n"
            "[ldap]\noperation_timeout = 3\nconnection_timeout = 3\n"
        )
        self.log = self.folder / "nova-dirsvc-sync.log"
        daemon = parts.Daemon([self.server.conf_file, own], self.log, self.rng)
        self.addCleanup(daemon.end)
        daemon.start()
        if self.LISTENS:
            # A quorum queue that is younger than half a second does not
            # outlive its broker: wait until the daemon has made them all.
            waiting.until(
                lambda: daemon.said().count("Listening to") == WORKERS,
                "the daemon to listen",
            )
        return daemon

    def nova_conf(self) -> pathlib.Path:
        """Write what Nova's services are told."""
        path = self.folder / "nova.conf"
        path.write_text(
            f"[DEFAULT]\ntransport_url = {self.URL}\n"
            "control_exchange = nova\n"
            "[oslo_messaging_rabbit]\nrabbit_quorum_queue = true\n"
            "rabbit_interval_max = 1\n"
            "[oslo_messaging_notifications]\n"
            f"driver = {self.DRIVER}\ndriver = test\n"
            f"[nova_dirsvc]\noutbox = {self.outbox}\n"
        )
        return path

    def replay(
        self,
        broken: dict[str, schedule.Kinds],
        faults: dict[str, int],
    ) -> replayer.Replayer:
        """Tell lives while parts break; at the end all are at work again.

        :param broken: parts beside the daemon, the directory, the disk
        :param faults: part -> how often
        """
        self.daemon = self.start_daemon()
        kinds = {
            "daemon": self.daemon.kinds(),
            "directory": parts.of_directory(self.server, self.daemon),
            **broken,
        }
        if os.geteuid() == 0:
            full = schedule.Kind(self.disk.fill, self.disk.free, 6.0)
            kinds["disk"] = {"disk full": full}
        else:
            self.say("no disk is filled: only root may mount one")
            faults.pop("disk", None)
        number = count() // self.SHARE
        plan = lives.plan(self.rng, number, SECONDS)
        drawn = schedule.draw(self.rng, kinds, SECONDS, faults)
        self.say(
            f"{number} lives and {number // lives.STAYS} that stay,"
            f" {len(plan)} notifications; the faults:"
        )
        schedule.show(drawn)
        emitter = replayer.Replayer(
            self.folder,
            plan,
            self.nova_conf(),
            TOPIC,
        )
        saboteur = schedule.Saboteur(kinds, drawn, self.say)
        self.addCleanup(saboteur.dismiss)
        with emitter.at_work() as delay, saboteur.at_work(delay):
            pass
        self.say("all is emitted, and all is mended")
        return emitter

    def assert_delivered(self, emitter: replayer.Replayer) -> None:
        """Wait until the directory is as what was emitted asks for.

        What the bus has refused, and said so, is none of that.
        """
        emitted = emitter.emitted()
        instances = {one.instance for one in emitted}

        def look() -> comparison.Comparison:
            self.daemon.see_it_live()
            return comparison.compare(
                emitted,
                self.outbox,
                self.entries(),
                OWNER,
                instances,
                lambda one: one.message_id in emitter.refused,
            )

        seen = comparison.settled(look, self.say, waiting.LIMIT)
        if not seen:
            self.fail(
                f"FAULTS_SEED={schedule.seed()}\n"
                + evidence.report(
                    seen.all_different(),
                    emitted,
                    self.outbox,
                    [self.log, *self.folder.glob("nova-*.log")],
                )
            )

    def entries(self) -> dict[str, fold.Entry]:
        manager: Any = self.server.connect_as_manager()
        try:
            found = manager.search_s(
                self.server.hosts_tree_dn, ldap.SCOPE_ONELEVEL
            )
        finally:
            manager.unbind_s()
        return fold.entries(found)


class TestThroughTheDriver(ReplayedTestCase):
    DRIVER = "nova_dirsvc"

    def test_the_directory_ends_as_the_emitted_events_ask_for(self) -> None:
        emitter = self.replay({}, {"daemon": 5, "directory": 4, "disk": 3})
        self.assert_delivered(emitter)
        # What came again was looked up before it was written.
        self.server.stop()
        said = self.server.access_log.read_text()
        self.assertIn("RESULT err=0 tag=105", said)
        self.assertNotIn("RESULT err=68 tag=105", said)


class BusTestCase(ReplayedTestCase):
    DRIVER = "messagingv2"
    LISTENS = True
    SHARE = 2

    def setUp(self) -> None:
        super().setUp()
        self.broker = rabbitmq.RabbitMq()
        self.addCleanup(self.broker.remove)
        self.broker.start()
        self.URL = self.broker.url


class TestThroughTheBus(BusTestCase):
    def test_the_directory_ends_as_the_emitted_events_ask_for(self) -> None:
        emitter = self.replay({}, {"daemon": 3, "directory": 4, "disk": 2})
        self.assert_delivered(emitter)

    def test_so_it_does_but_for_what_a_bus_that_dies_refused(self) -> None:
        emitter = self.replay(
            {
                "bus": {
                    "RabbitMQ killed": schedule.Kind(
                        self.broker.kill_at_once, self.broker.start, 2.0
                    )
                }
            },
            {"daemon": 3, "directory": 2, "disk": 1, "bus": 2},
        )
        emitted = emitter.emitted()
        lost = [one for one in emitted if one.message_id in emitter.refused]
        self.say(f"the bus refused {len(lost)} notifications")
        for one in lost:
            print(
                f"    {one.instance} {one.message['event_type']}"
                f" {one.at:%H:%M:%S.%f}"
            )
        self.assert_delivered(emitter)


def count() -> int:
    """Return how many lives are replayed."""
    return max(schedule.count() - schedule.REAL, 8)
