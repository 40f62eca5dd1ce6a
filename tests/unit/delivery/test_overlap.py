# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A batch is settled, and the next one begun, while a directory works."""

import itertools
import sqlite3
import threading

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import batch, dispatcher, retry
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories import memory
from tests import outboxes
from tests.unit import base
from tests.unit.delivery import test_dispatcher

REGISTER, REFRESH = events.Verb.REGISTER, events.Verb.REFRESH
UNREGISTER = events.Verb.UNREGISTER

#: Entries of a batch, and batches of a test.
SIZE, BATCHES = 4, 6


class Killed(BaseException):
    """The process ends here."""


class Waiting(memory.MemoryDirectory):
    """A directory whose answers are waited for.

    :ivar written: uuid and name of each state, in the order of their writes
    :ivar refused: instances of which an entry was there that was not looked
        for
    :ivar sizes: of the batches
    :ivar ahead: what was to be looked up for the next batch
    :ivar surprises: states of batches of which others were looked up
    :ivar killed_at: how many things happen before the process ends
    """

    def __init__(self):
        super().__init__(None, "nova")
        self.written = []
        self.refused = []
        self.sizes = []
        self.ahead = None
        self.surprises = []
        self.killed_at = None
        self.moments = 0

    def moment(self):
        self.moments += 1
        if self.killed_at == self.moments:
            raise Killed

    def apply_overlapping(self, states, meanwhile):
        self.moment()
        self.sizes.append(len(states))
        if self.ahead is not None:
            # What is raised here is found to be a fault of the driver.
            self.surprises += [one for one in states if one not in self.ahead]
        self.ahead = None
        half = len(states) // 2
        outcomes = self.apply(states[:half])
        self.moment()
        meanwhile()
        self.moment()
        outcomes += self.apply(states[half:])
        self.moment()
        return outcomes

    def look_ahead(self, states):
        self.moment()
        self.ahead = states

    def _apply(self, state):
        uuid = state.record.instance_uuid
        if state.verb is REGISTER and not state.known and uuid in self.content:
            self.refused.append(uuid)
        self.written.append((uuid, state.record.display_name))
        return super()._apply(state)


class Moody(test_dispatcher.Moody):
    """The directory of the other tests, whose answers are waited for."""

    def apply_overlapping(self, states, meanwhile):
        meanwhile()
        return self.apply(states)


class OverlappingStepTest(test_dispatcher.StepTest):
    """What holds for a step holds where steps overlap."""

    DIRECTORY = Moody


class OverlapTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.outbox = outbox.Outbox(self.folder / "outbox.db")
        self.directory = Waiting()
        self.start()

    def start(self):
        self.dispatcher = dispatcher.Dispatcher(
            "d",
            self.directory,
            self.outbox,
            retry.Settings(batch_size=SIZE),
            uniform=lambda low, high: low,
        )

    def put(self, verb, number, name=""):
        self.outbox.put(base.event(verb, f"{number:032x}", display_name=name))

    def put_many(self, count):
        for number in range(count):
            self.put(REGISTER, number)

    def finish(self):
        while self.dispatcher.step():
            pass


class OverlapTest(OverlapTestCase):
    def test_the_next_batch_is_begun_and_the_last_settled_meanwhile(self):
        self.put_many(3 * SIZE)
        self.dispatcher.step()
        # Done is what was not settled yet; the next one is looked up.
        self.assertEqual(SIZE, len(self.directory.content))
        self.assertEqual(SIZE, len(self.directory.ahead))
        self.assertEqual(3 * SIZE, self.outbox.pending("d"))
        self.dispatcher.step()
        self.assertEqual(2 * SIZE, len(self.directory.content))
        self.assertEqual(2 * SIZE, self.outbox.pending("d"))
        self.dispatcher.step()
        self.assertEqual(0, self.outbox.pending("d"))
        self.assertEqual([], self.directory.surprises)

    def test_what_is_delivered_alone_is_settled_at_once(self):
        self.put(REGISTER, 1)
        self.dispatcher.step()
        self.assertEqual(0, self.outbox.pending("d"))

    def test_who_ends_settles_what_is_done(self):
        self.put_many(3 * SIZE)
        stop = threading.Event()
        apply = self.directory.apply_overlapping

        def last(states, meanwhile):
            stop.set()
            return apply(states, meanwhile)

        self.directory.apply_overlapping = last
        self.dispatcher.run(stop)
        self.assertEqual(SIZE, len(self.directory.content))
        self.assertEqual(2 * SIZE, self.outbox.pending("d"))

    def test_the_events_of_an_instance_are_written_in_their_order(self):
        for name in range(3 * SIZE):
            self.put(REFRESH, 0, f"{name:02}")
            self.put(REFRESH, name + 1)
        self.finish()
        names = [
            name for uuid, name in self.directory.written if int(uuid, 16) == 0
        ]
        self.assertEqual(sorted(names), names)
        self.assertEqual(f"{3 * SIZE - 1:02}", names[-1])
        self.assertEqual(0, self.outbox.pending("d"))

    def test_what_waits_behind_one_put_off_is_not_written_before_it(self):
        self.put_many(SIZE)
        for number in range(SIZE):
            self.put(UNREGISTER, number)
        answer = self.directory._apply
        refused = []

        def busy_at_first(state):
            if len(refused) < SIZE:
                refused.append(state)
                return directories.Unavailable("busy")
            return answer(state)

        self.directory._apply = busy_at_first
        self.finish()
        self.finish()
        self.assertEqual({}, self.directory.content)

    def test_no_batch_is_settled_before_the_one_before(self):
        self.put_many(3 * SIZE)
        self.dispatcher.step()
        settle = self.outbox.settle
        asked = []

        def full(directory, claim, settlements):
            asked.append(claim.entries[0].number)
            raise outbox.OutboxError("disk full")

        self.outbox.settle = full
        self.assertRaises(outbox.OutboxError, self.dispatcher.step)
        # Meanwhile, and after the batch; the second is not even tried.
        self.assertEqual([1, 1], asked)
        self.outbox.settle = settle
        self.assertEqual(3 * SIZE, self.outbox.pending("d"))
        self.finish()
        self.assertEqual(0, self.outbox.pending("d"))
        self.assertEqual(3 * SIZE, len(self.directory.content))
        self.assertEqual([], self.directory.refused)

    def test_what_was_begun_is_dropped_when_the_directory_is_out(self):
        self.put_many(4 * SIZE)
        self.dispatcher.step()
        apply = self.directory.apply
        self.directory.apply = lambda states: [
            directories.Unavailable("out") for _ in states
        ]
        self.dispatcher.step()
        self.assertEqual(3 * SIZE, self.outbox.pending("d"))
        self.dispatcher.step()
        self.assertEqual([SIZE, SIZE, dispatcher.PROBE], self.directory.sizes)
        # Nor is another one begun.
        self.assertIsNone(self.directory.ahead)
        self.directory.apply = apply
        self.finish()
        self.finish()
        self.assertEqual(4 * SIZE, len(self.directory.content))
        self.assertEqual([], outboxes.buried(self.outbox, "d"))

    def test_the_driver_is_not_told_what_fails_meanwhile(self):
        self.put_many(3 * SIZE)
        claim = self.outbox.claim

        def fail(directory, limit, one_each, under_way):
            if under_way:
                raise ValueError("no event")
            return claim(directory, limit, one_each)

        self.outbox.claim = fail
        self.finish()
        # Each was written once.
        self.assertEqual(3 * SIZE, len(self.directory.written))
        self.assertEqual(0, self.outbox.pending("d"))

    def test_an_outbox_that_is_replaced_meanwhile_loses_nothing(self):
        self.put_many(3 * SIZE)
        self.dispatcher.step()
        path = self.outbox.path
        with sqlite3.connect(path) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.rename(self.folder / "old.db")
        self.assertRaises(outbox.OutboxError, self.dispatcher.step)
        self.put(REGISTER, 99)
        self.finish()
        self.assertEqual(3 * SIZE + 1, len(self.directory.content))


class KillTest(OverlapTestCase):
    """The process is killed at any moment, and started again."""

    def moments(self):
        """Deliver it all once, and return how many moments there are."""
        self.put_all()
        self.finish()
        return self.directory.moments

    def put_all(self):
        numbers = itertools.cycle(range(2 * SIZE))
        self.put_many(2 * SIZE)
        for name in range(BATCHES * SIZE):
            self.put(REFRESH, next(numbers), f"{name:02}")

    def test_all_is_delivered_in_order_and_nothing_is_sent_to_be_refused(
        self,
    ):
        for moment in range(1, self.moments() + 1):
            self.outbox = outbox.Outbox(self.folder / f"{moment}.db")
            self.directory = Waiting()
            self.directory.killed_at = moment
            self.put_all()
            self.start()
            self.assertRaises(Killed, self.finish)
            self.start()
            self.finish()
            self.assertEqual(0, self.outbox.pending("d"))
            self.assertEqual([], self.directory.refused)
            last = BATCHES * SIZE - 2 * SIZE
            self.assertEqual(
                [f"{last + number:02}" for number in range(2 * SIZE)],
                [
                    self.directory.content[f"{n:032x}"].record.display_name
                    for n in range(2 * SIZE)
                ],
            )


class KnownTest(OverlapTestCase):
    """A driver is told which entries may be there."""

    def known(self):
        """Deliver what is stored; return what was marked as known."""
        seen = {}
        apply = self.directory._apply

        def note(state):
            seen[int(state.record.instance_uuid, 16)] = state.known
            return apply(state)

        self.directory._apply = note
        self.finish()
        self.directory._apply = apply
        return seen

    def test_what_is_new_after_the_first_batches_is_not(self):
        self.put_many(batch.UNDER_WAY * SIZE + 3)
        self.start()
        seen = self.known()
        self.assertEqual(
            [True] * batch.UNDER_WAY * SIZE, [*seen.values()][:-3]
        )
        self.assertEqual([False] * 3, [*seen.values()][-3:])

    def test_what_was_stored_since_the_start_is_not(self):
        self.put(REGISTER, 1)
        self.start()
        self.put(REGISTER, 2)
        self.assertEqual({1: True, 2: False}, self.known())

    def test_one_with_an_event_of_before_the_start_is(self):
        self.put(REGISTER, 1)
        self.start()
        self.put(REGISTER, 1, "again")
        self.assertEqual({1: True}, self.known())

    def test_what_was_begun_and_given_back_is(self):
        self.put_many(batch.UNDER_WAY * SIZE)
        self.start()
        apply = self.directory._apply
        self.directory._apply = lambda state: directories.Unavailable("out")
        self.dispatcher.step()
        self.directory._apply = apply
        self.assertEqual({True}, set(self.known().values()))

    def test_what_was_delivered_before_is(self):
        self.put_many(batch.UNDER_WAY * SIZE + 3)
        self.finish()
        number = batch.UNDER_WAY * SIZE + 2
        self.put(REGISTER, number, "again")
        self.put(REGISTER, 99)
        self.assertEqual({number: True, 99: False}, self.known())

    def test_what_was_tried_before_is(self):
        self.put_many(batch.UNDER_WAY * SIZE)
        self.finish()
        self.put(REGISTER, 99)
        apply = self.directory._apply
        self.directory._apply = lambda state: directories.Unavailable("lost")
        self.dispatcher.step()
        self.directory._apply = apply
        self.assertEqual({99: True}, self.known())
