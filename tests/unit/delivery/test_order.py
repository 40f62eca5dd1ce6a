# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever order, delay, repetition and way: the same end state.

What a real Nova sent is cut off anywhere, and delivered through two outboxes
with a dispatcher each to one directory: late, twice, in any order, while
dispatchers stand still and Nova answers or does not. The directory must end
as if each event had been delivered when it happened.
"""

import dataclasses
import functools
import itertools
import logging
import pathlib
import random
import tempfile
import uuid as uuid_module

import fixtures
import hypothesis
import testtools
from hypothesis import strategies

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, nova_check, retry
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.notifications import parse
from tests import recordings
from tests.unit import base
from tests.unit.delivery import histories

#: Seconds; the dispatchers' setting.
LATE = 60.0

#: Instances of one example, delivered side by side.
TOGETHER = 8

#: Examples: a thousand instances; test_histories has more, of its own making.
EXAMPLES = 125


@functools.cache
def sequences():
    """Return what each recorded instance's notifications mean, in order."""
    found = []
    for name in recordings.SCENARIOS:
        if name == recordings.UNVERSIONED:
            continue
        told = {}
        for ctxt, message in recordings.scenario(name):
            event = None
            if parse.concerns(message["event_type"]):
                event = parse.parse(ctxt, message, lambda _: None)
            if event:
                told.setdefault(event.instance_uuid, []).append(event)
        found += told.values()
    return found


def in_order(told):
    """Return what is to be in the directory, by the simplest of means."""
    entry = None
    for event in told:
        if event.verb is events.Verb.UNREGISTER:
            return None
        if event.verb.removes:
            entry = None
        else:
            known = entry or event.record
            entry = event.record.completed(known)
    return entry


class World:
    """Two outboxes, their dispatchers, one directory, one Nova, one clock."""

    def __init__(self, folder, chance):
        self.now = 0.0
        self.chance = chance
        self.directory = memory.MemoryDirectory(None, "nova")
        self.truth = {}
        self.nova_answers = True
        self.asker = nova_check.NovaChecker(
            self.ask, lambda: self.now, chance.uniform
        )
        self.boxes = [
            outbox.Outbox(folder / f"{number}.db", clock=lambda: self.now)
            for number in range(2)
        ]
        self.dispatchers = [
            dispatcher.Dispatcher(
                "d",
                self.directory,
                box,
                retry.Settings(late_after=LATE),
                clock=lambda: self.now,
                uniform=chance.uniform,
                checker=self.asker,
            )
            for box in self.boxes
        ]

    def close(self):
        for box in self.boxes:
            box.close()

    def ask(self, uuids):
        """Answer as Nova would at this moment."""
        if not self.nova_answers:
            return {uuid: events.StateUnknown("Nova is out") for uuid in uuids}
        return {uuid: self.answer(uuid) for uuid in uuids}

    def answer(self, uuid):
        told = [
            event
            for event in self.truth[uuid]
            if event.occurred_at <= self.now
        ]
        if any(event.verb is events.Verb.UNREGISTER for event in told):
            verb = events.Verb.UNREGISTER
        else:
            verb = events.Verb.REFRESH
        record = in_order(told)
        if record is None:
            record = events.HostRecord(instance_uuid=uuid)
            if verb is events.Verb.REFRESH:
                verb = events.Verb.SOFT_UNREGISTER
        return events.HostState(verb, nameless(record), self.now)

    def play(self, deliveries):
        """Put each event when it arrives, and let dispatchers step.

        :param deliveries: (when, which outbox, event)
        """
        for when, which, event in sorted(
            deliveries, key=lambda item: item[:2]
        ):
            self.now = max(self.now, when)
            self.boxes[which].put(event)
            self.nova_answers = self.chance.random() < 0.8
            for worker in (*self.dispatchers, self.asker):
                if self.chance.random() < 0.5:
                    worker.step()
        self.nova_answers = True
        for _ in range(4):
            for _ in range(20):
                while any(worker.step() for worker in self.dispatchers):
                    pass
                while self.asker.step():
                    pass
                self.now += 5
            self.now += 2 * LATE

    def check(self, told):
        """Tell what is wrong with an instance's entry, if anything is."""
        kept = self.directory.content.get(told[0].instance_uuid)
        found, wanted = kept and kept.record, in_order(told)
        if found == wanted:
            return None
        if not (found and wanted):
            return f"found {found}, wanted {wanted}"
        if any(event.verb.removes for event in told):
            # Names that an entry had went with it; Nova's list has none.
            found, wanted = nameless(found), nameless(wanted)
        return [
            (field.name, getattr(found, field.name), value)
            for field in dataclasses.fields(found)
            if getattr(found, field.name)
            != (value := getattr(wanted, field.name))
        ] or None


def nameless(record):
    return dataclasses.replace(record, user_name="", project_name="")


def renamed(told, chance):
    """Return the same events of an instance of its own."""
    uuid = str(uuid_module.UUID(int=chance.getrandbits(128)))
    return [
        dataclasses.replace(
            event,
            message_id=f"{event.message_id} {uuid}",
            record=dataclasses.replace(event.record, instance_uuid=uuid),
        )
        for event in told
    ]


def scattered(told, chance):
    """Deliver each event at least once, somewhere, some time later."""
    longest = chance.choice([0.1, 5.0, LATE, 20 * LATE])
    for event in told:
        for _ in range(chance.choice([1, 1, 1, 2, 3])):
            delay = chance.uniform(0, longest)
            yield event.occurred_at + delay, chance.randrange(2), event


class OrderTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        # More than a test's report can carry.
        self.useFixture(fixtures.FakeLogger(level=logging.ERROR))

    def world(self, chance):
        folder = tempfile.TemporaryDirectory(dir=histories.fast_folder())
        self.addCleanup(folder.cleanup)
        world = World(pathlib.Path(folder.name), chance)
        self.addCleanup(world.close)
        return world

    @hypothesis.settings(
        max_examples=EXAMPLES,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(seed=strategies.integers(0, 2**64))
    def test_what_nova_sent_ends_the_same_however_it_comes(self, seed):
        chance = random.Random(seed)
        world = self.world(chance)
        cases = []
        for _ in range(TOGETHER):
            whole = renamed(chance.choice(sequences()), chance)
            cases.append(whole[: chance.randint(1, len(whole))])
        world.truth = {told[0].instance_uuid: told for told in cases}
        world.play(
            [item for told in cases for item in scattered(told, chance)]
        )
        for told in cases:
            self.assertIsNone(world.check(told))
        world.close()

    def test_every_permutation_and_every_split_of_a_life_ends_the_same(self):
        chance = random.Random(1)
        world = self.world(chance)
        for length, pause in itertools.product(range(1, 6), (0.5, LATE)):
            cases, deliveries = [], []
            for order in itertools.permutations(range(length)):
                # The outboxes are alike: the first event goes to the second.
                for split in range(1, 2**length, 2):
                    told = renamed(life(length), chance)
                    cases.append(told)
                    deliveries += [
                        (
                            told[-1].occurred_at + place * pause,
                            split >> index & 1,
                            told[index],
                        )
                        for place, index in enumerate(order)
                    ]
            world.now = 0.0
            world.truth = {told[0].instance_uuid: told for told in cases}
            world.play(deliveries)
            wrong = [told for told in cases if world.check(told)]
            self.assertEqual([], wrong[:1])


def life(length):
    """Return the first events of an instance's life, a second apart."""
    verbs = events.Verb
    told = [
        (verbs.REGISTER, "one", "alice"),
        (verbs.REFRESH, "two", ""),
        (verbs.SOFT_UNREGISTER, "two", ""),
        (verbs.RESTORE, "one", ""),
        (verbs.UNREGISTER, "one", "alice"),
    ]
    return [
        base.event(
            verb, occurred_at=1000.0 + n, display_name=name, user_name=user
        )
        for n, (verb, name, user) in enumerate(told[:length])
    ]
