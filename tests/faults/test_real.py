# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Real boots and deletes on the pocket cloud, while parts of it are killed."""

import random
import time
import unittest
from collections.abc import Collection

from tests import waiting
from tests.faults import cloud, comparison, evidence, fold, schedule

#: Clients at the same time; more make it no faster on a small machine.
CLIENTS = 4

#: Seconds in which the faults begin; the lives take what they take.
SECONDS = 45.0

#: One in so many lives stays, so that there are entries to compare; a
#: project may have ten instances, those of the clients at work among them.
STAYS = 6

#: Lives that there must be at least, however busy the machine is.
ENOUGH = 8

#: Seconds that a notification can have been under way when its service was
#: killed. As long as the bus is down, it is as long as that.
UNDER_WAY = 1.0


class TestRealLives(unittest.TestCase):
    cloud: cloud.Cloud

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.cloud = cloud.Cloud()
        cls.cloud.sweep()

    def setUp(self) -> None:
        super().setUp()
        self.began = time.monotonic()
        self.rng = random.Random(f"{schedule.seed()} {self.id()}")

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def test_the_directory_ends_as_the_emitted_events_ask_for(self) -> None:
        self.live({"daemon": 4, "directory": 4})
        missing = self.assert_delivered()
        self.assertEqual({}, missing)
        self.assertGreaterEqual(len(self.lives.servers), ENOUGH)
        self.assert_nova_agrees()

    def test_so_it_does_when_nova_compute_and_rabbitmq_are_killed(
        self,
    ) -> None:
        self.live({"daemon": 2, "directory": 2, "compute": 2, "bus": 1})
        cut_off = self.assert_delivered(self.under_way())
        self.say(f"cut off by a kill, inside notify(): {len(cut_off)}")
        for one in cut_off.values():
            print(f"    {one.instance} {one.message['event_type']}")
        self.tell_what_nova_never_said()

    def live(self, faults: dict[str, int]) -> None:
        """Live while parts break; at the end all are at work again.

        :param faults: part -> how often
        """
        kinds = self.cloud.kinds()
        drawn = schedule.draw(self.rng, kinds, SECONDS, faults)
        number = min(schedule.REAL, schedule.count())
        self.say(f"{number} lives, {number // STAYS} stay; the faults:")
        schedule.show(drawn)
        self.lives = cloud.Lives(self.cloud, self.rng, self.say)
        self.addCleanup(self.lives.clear)
        self.saboteur = schedule.Saboteur(kinds, drawn, self.say)
        self.addCleanup(self.saboteur.dismiss)
        record = self.cloud.recorded()
        record.__enter__()
        self.addCleanup(record.__exit__, None, None, None)
        with self.saboteur.at_work():
            self.lives.live(number, CLIENTS, STAYS)
        self.say(f"{len(self.lives.servers)} lives are lived, all is mended")

    def assert_delivered(
        self, under_way: Collection[tuple[float, float]] = ()
    ) -> dict[str, fold.Emitted]:
        """Wait until the directory is as what Nova emitted asks for.

        :param under_way: when a notification may have been cut off
        :returns: what was cut off, by message id
        """

        def look() -> comparison.Comparison:
            return comparison.compare(
                self.emitted(),
                self.cloud.outbox,
                self.cloud.entries(),
                cloud.OWNER,
                self.lives.servers,
                lambda one: any(
                    begin <= one.at.timestamp() <= end
                    for begin, end in under_way
                ),
            )

        seen = comparison.settled(look, self.say, waiting.LIMIT)
        if not seen:
            self.fail(
                f"FAULTS_SEED={schedule.seed()}\n"
                + evidence.report(
                    seen.all_different(),
                    seen.emitted,
                    self.cloud.outbox,
                    self.cloud.logs,
                )
            )
        return seen.excused

    def emitted(self) -> list[fold.Emitted]:
        return [
            one
            for one in self.cloud.emitted()
            if one.instance in self.lives.servers
        ]

    def under_way(self) -> list[tuple[float, float]]:
        """Return the times within which notify() may have been cut off."""
        spans = []
        downs = [
            (begin, end)
            for begin, end, what in self.saboteur.done
            if what == "RabbitMQ killed"
        ]
        for killed, _, what in self.saboteur.done:
            if what == "nova-compute killed":
                since = [
                    begin for begin, end in downs if begin <= killed <= end
                ]
                spans.append(
                    (min([killed, *since]) - UNDER_WAY, killed + UNDER_WAY)
                )
        return spans

    def assert_nova_agrees(self) -> None:
        """Nothing was lost: so the entries are Nova's instances."""
        active = [
            instance
            for instance, status in self.lives.known_to_nova().items()
            if status == "ACTIVE"
        ]
        self.assertEqual(sorted(active), self.own_entries())

    def own_entries(self) -> list[str]:
        return sorted(self.cloud.entries().keys() & set(self.lives.servers))

    def tell_what_nova_never_said(self) -> None:
        """Count and name where Nova and the directory differ.

        The directory is as the emitted events ask for: so Nova did not emit
        what is missing here.
        """
        known = self.lives.known_to_nova()
        entries = self.own_entries()
        told = {
            instance: "Nova has it, and never said that it was launched"
            for instance, status in known.items()
            if instance not in entries and status == "ACTIVE"
        } | {
            instance: "Nova has it no longer, and never said so"
            for instance in entries
            if instance not in known
        }
        self.say(
            f"Nova has {len(known)} instances, the directory {len(entries)};"
            f" never emitted: {len(told)}"
        )
        for instance, why in told.items():
            print(f"    {instance}: {why}")
        for instance, status in known.items():
            if status != "ACTIVE":
                print(f"    {instance}: {status} in Nova")
        for instance, note in self.lives.notes.items():
            print(f"    {instance}: {note}")
