# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a dispatcher is counted to have done."""

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, refusals, retry
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.monitoring import activity, histogram
from tests.unit import base

BEGIN = 60_000.0


class HistogramTest(base.TestCase):
    def count(self, *durations):
        counter = histogram.Counter()
        for one in durations:
            counter.add(one)
        return counter.read()

    def test_a_bound_is_in_its_class_and_a_clock_set_back_is_no_time(self):
        found = self.count(0.01, 0.011, -5.0)
        self.assertEqual([2, 1], list(found.counts[:2]))
        self.assertAlmostEqual(0.021, found.seconds)

    def test_a_share_is_within_a_bound_that_can_be_promised(self):
        found = self.count(*[0.03] * 95, *[0.3] * 5)
        self.assertEqual(0.05, found.within(0.95))
        self.assertEqual(0.5, found.within(0.96))

    def test_beyond_the_last_bound_nothing_is_promised(self):
        self.assertEqual(float("inf"), self.count(1e6).within(0.5))
        self.assertIsNone(self.count().within(0.95))


class Answering(memory.MemoryDirectory):
    """A directory that answers what it is told to."""

    answer = None

    def apply(self, states):
        done = super().apply(states)
        return [self.answer or one for one in done]


class MeterTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = BEGIN
        self.outbox = outbox.Outbox(
            self.folder / "outbox.db", clock=self.clock
        )
        self.directory = Answering(None, "nova")
        self.meter = activity.Meter("d", self.clock)
        self.dispatcher = dispatcher.Dispatcher(
            "d",
            self.directory,
            self.outbox,
            retry.Settings(max_attempts=1),
            clock=self.clock,
            uniform=lambda low, high: high,
            watch=self.meter,
        )

    def clock(self):
        return self.now

    def put(self, verb=events.Verb.REGISTER, uuid=None, ago=0.0, **fields):
        event = base.event(verb, uuid, occurred_at=self.now - ago, **fields)
        self.outbox.put(event)
        return event.record.instance_uuid


class MeterTest(MeterTestCase):
    def outcomes(self):
        found = self.meter.read().events
        return {outcome: number for _, outcome, number in found}

    def test_a_delivery_is_counted_with_both_of_its_latencies(self):
        self.put(ago=3.0)
        self.now += 0.3
        self.dispatcher.step()
        found = self.meter.read()
        self.assertEqual(
            [("instance.create.end", "delivered", 1)], found.events
        )
        self.assertAlmostEqual(0.3, found.from_outbox.seconds)
        self.assertAlmostEqual(3.3, found.from_nova.seconds)
        self.assertEqual(1, found.batches.total)
        self.assertEqual(1, found.answers["done"])

    def test_a_second_removal_is_no_second_delivery(self):
        one = self.put()
        self.dispatcher.step()
        self.put(events.Verb.UNREGISTER, one)
        self.dispatcher.step()
        self.assertEqual({"delivered": 2}, self.outcomes())
        self.now += 3600
        self.assertTrue(self.dispatcher.step())
        self.assertEqual({"delivered": 2}, self.outcomes())
        self.assertEqual(3, self.meter.read().answers["done"])
        self.assertEqual(2, self.meter.read().from_outbox.total)

    def test_an_outage_is_seen_with_its_reason_and_its_begin(self):
        self.assertIsNone(self.meter.read().available)
        self.put()
        self.dispatcher.step()
        began = self.now = BEGIN + 10
        self.directory.answer = contract.Unavailable("no route")
        self.put()
        self.dispatcher.step()
        self.now += 100
        self.put()
        self.dispatcher.step()
        found = self.meter.read()
        self.assertEqual(
            (False, began, "no route"),
            (found.available, found.since, found.reason),
        )
        self.assertEqual(self.now, found.asked_at)
        self.directory.answer = None
        self.now += 100
        self.dispatcher.step()
        found = self.meter.read()
        self.assertEqual(
            (True, self.now, ""),
            (found.available, found.since, found.reason),
        )

    def test_what_is_refused_by_all_counts_as_refused(self):
        self.directory.answer = contract.Rejected("no class")
        self.put()
        self.put()
        self.dispatcher.step()
        found = self.meter.read()
        self.assertEqual(2, found.answers["rejected"])
        self.assertIs(False, found.available)
        self.assertEqual("no class", found.reason)

    def test_each_answer_has_a_word(self):
        for answer, word in (
            (contract.NotSent(), "not_sent"),
            (contract.Foreign("theirs"), "foreign"),
            (refusals.Held("all"), "unavailable"),
        ):
            self.meter.answered([answer], 0.1, True)
            self.assertEqual(1, self.meter.read().answers[word])

    def test_types_of_events_are_bounded(self):
        for number in range(activity.MANY_TYPES + 50):
            entry = outbox.Entry.lost(number, "u", "damaged")
            event = events.Event(
                message_id=str(number),
                event_type=f"type {number}",
                verb=events.Verb.REGISTER,
                occurred_at=0.0,
                request_id="",
                record=entry.event.record,
            )
            self.meter.settled(
                [
                    outbox.Settlement(
                        outbox.Entry(number, event, self.now),
                        outbox.State.SKIPPED,
                    ),
                    outbox.Settlement(entry, outbox.State.BURIED),
                ]
            )
        found = self.meter.read().events
        self.assertEqual(
            activity.MANY_TYPES,
            len({event_type for event_type, _, _ in found}),
        )
        self.assertEqual(
            2 * (activity.MANY_TYPES + 50), sum(n for *_, n in found)
        )

    def test_what_is_for_another_directory_is_no_event_of_this_one(self):
        event = base.event()
        entry = outbox.Entry(1, event, self.now, directory="other")
        self.meter.settled([outbox.Settlement(entry, outbox.State.SKIPPED)])
        self.assertEqual({}, self.outcomes())


class MinutesTest(MeterTestCase):
    def minutes(self):
        return {
            minute.begins_at - int(BEGIN): minute.latencies.total
            for minute in self.meter.read().minutes
        }

    def deliver(self, count):
        for _ in range(count):
            self.put()
        self.dispatcher.step()

    def test_each_minute_has_its_own_deliveries(self):
        self.deliver(3)
        self.now += 59
        self.deliver(2)
        self.now += 1
        self.deliver(1)
        self.now += 120
        self.assertEqual({0: 5, 60: 1, 120: 0, 180: 0}, self.minutes())

    def test_only_the_last_hour_is_remembered(self):
        self.deliver(3)
        self.now += 1800
        self.deliver(2)
        self.now += 1800
        found = self.minutes()
        self.assertEqual(activity.MINUTES, len(found))
        self.assertEqual((60, 3600), (min(found), max(found)))
        self.assertEqual(2, sum(found.values()))

    def test_a_gap_of_hours_is_empty(self):
        self.deliver(3)
        self.now += 10 * 3600
        found = self.minutes()
        self.assertEqual(activity.MINUTES, len(found))
        self.assertEqual(0, sum(found.values()))

    def test_a_clock_that_is_set_back_counts_nothing_twice(self):
        self.now += 600
        self.deliver(3)
        self.now -= 300
        self.deliver(2)
        self.now += 600
        self.assertLessEqual(sum(self.minutes().values()), 5)
        self.assertEqual(5, self.meter.read().from_outbox.total)
