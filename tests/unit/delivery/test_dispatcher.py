# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import threading
import time
import uuid

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, nova_check, retry
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.outbox import admin, queries
from tests import outboxes, waiting
from tests.unit import base

A, B = "a" * 32, "b" * 32
REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER
REFRESH = events.Verb.REFRESH
SOFT_UNREGISTER = events.Verb.SOFT_UNREGISTER

#: Seconds after which a young removal is done a second time.
CONFIRMS_AFTER = retry.OLDEST_ANSWER + directories.LONGEST_BATCH


class Moody(memory.MemoryDirectory):
    """A directory in memory that can be out, and refuse or hate some."""

    def __init__(self):
        super().__init__(None, "nova")
        self.out = False
        self.answers = {}
        self.hated = set()
        self.breaks_on = None
        self.refuses = "bad"
        self.asked = 0

    def apply(self, states):
        self.asked += 1
        held = list(states)
        for place, state in enumerate(held):
            if state.record.instance_uuid == self.breaks_on:
                rest = len(held) - place
                return [
                    *super().apply(held[:place]),
                    *([directories.Unavailable("broken")] * rest),
                ]
        if self.out:
            return [directories.Unavailable("out")] * len(states)
        if self.hated & {state.record.instance_uuid for state in states}:
            raise RuntimeError("hated")
        return [self._one(state) for state in states]

    def _one(self, state):
        if state.record.display_name == self.refuses:
            return directories.Rejected("that name")
        answer = self.answers.get(state.record.instance_uuid)
        return answer or super().apply([state])[0]


class DispatcherTestCase(base.TestCase):
    DIRECTORY = Moody

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.outbox = outbox.Outbox(
            self.folder / "outbox.db", clock=self.clock
        )
        self.directory = self.DIRECTORY()
        self.claim_by(10)

    def claim_by(self, batch_size):
        """Let a dispatcher deliver so many entries at a time."""
        self.dispatcher = dispatcher.Dispatcher(
            "d",
            self.directory,
            self.outbox,
            retry.Settings(batch_size=batch_size, max_attempts=3),
            clock=self.clock,
            uniform=lambda low, high: high,
        )

    def clock(self):
        return self.now

    def put(self, verb, instance, **fields):
        return self.outbox.put(base.event(verb, instance, **fields))

    def name(self, instance):
        """Return the name that the directory has of an instance."""
        return self.directory.content[instance].record.display_name

    def steps(self, count):
        """Take steps; let a minute pass between them."""
        for _ in range(count):
            self.dispatcher.step()
            self.now += 60

    def held(self):
        return sorted(self.directory.content)

    def steps_among_others(self, count):
        """Take steps, each with a new instance that the directory takes."""
        for _ in range(count):
            self.put(REGISTER, str(uuid.uuid4()))
            self.steps(1)


class StepTest(DispatcherTestCase):
    def test_what_is_put_is_delivered_in_order_of_each_instance(self):
        self.put(REGISTER, A)
        self.put(REGISTER, B)
        self.put(UNREGISTER, A)
        self.steps(2)
        self.assertEqual([B], self.held())
        self.assertFalse(self.dispatcher.step())

    def test_each_delivery_is_said_once_with_number_verb_and_uuid(self):
        self.put(REGISTER, A)
        self.steps(2)
        self.assertEqual(
            f"INFO Outbox entry 1: register instance {A}: delivered:"
            " directory d\n",
            self.log.output,
        )

    def test_what_asks_to_be_left_alone_is_left_alone_that_long(self):
        self.put(REGISTER, A)
        self.directory.answers[A] = directories.Unavailable("busy", 100.0)
        self.dispatcher.step()
        self.directory.answers.clear()
        self.now += 99
        self.assertFalse(self.dispatcher.step())
        self.now += 2
        self.assertTrue(self.dispatcher.step())
        self.assertEqual([A], self.held())

    def test_an_outage_counts_nothing_and_buries_nothing(self):
        self.put(REGISTER, A)
        self.directory.out = True
        self.steps(100)
        self.assertEqual([], outboxes.buried(self.outbox, "d"))
        self.directory.out = False
        (entry,) = self.outbox.claim("d", 10).entries
        self.assertEqual(0, entry.attempts)
        self.steps(1)
        self.assertEqual([A], self.held())

    def test_an_outage_is_reported_at_once_and_then_once_a_minute(self):
        self.put(REGISTER, A)
        self.directory.out = True
        for _ in range(100):
            self.dispatcher.step()
            self.now += 1
        self.assertEqual(2, self.log.output.count("unavailable"))
        self.assertIn("unavailable, 1 entries are waiting", self.log.output)
        self.assertIn(
            f"out (first waiting entry: register instance {A})",
            self.log.output,
        )

    def test_one_change_that_is_unavailable_delays_no_other(self):
        self.directory.answers[A] = directories.Unavailable("busy")
        self.put(REGISTER, A)
        self.put(REGISTER, B)
        self.steps(50)
        self.assertEqual([B], self.held())
        self.assertEqual([], outboxes.buried(self.outbox, "d"))
        del self.directory.answers[A]
        self.steps(1)
        self.assertEqual([A, B], self.held())

    def test_a_rejected_change_is_buried_after_so_many_attempts(self):
        self.directory.answers[A] = directories.Rejected("no such class")
        self.put(REGISTER, B)
        self.put(REGISTER, A)
        self.steps_among_others(2)
        self.assertEqual([], outboxes.buried(self.outbox, "d"))
        self.steps_among_others(1)
        ((entry, reason),) = outboxes.buried(self.outbox, "d")
        self.assertEqual((A, 3), (entry.event.instance_uuid, entry.attempts))
        self.assertEqual("no such class", reason)
        self.assertEqual(4, len(self.held()))
        self.assertIn(
            f"ERROR Outbox entry 2: register instance {A}: buried: directory"
            " d: no such class",
            self.log.output,
        )

    def test_what_went_with_a_refused_entry_is_tried_without_it(self):
        self.put(REGISTER, A, display_name="good")
        self.put(REFRESH, A, display_name="bad")
        self.steps_among_others(10)
        self.assertEqual(1, len(outboxes.buried(self.outbox, "d")))
        self.assertEqual("good", self.name(A))
        self.assertEqual(0, self.outbox.pending("d"))

    def test_nothing_is_skipped_for_what_waits_and_is_then_refused(self):
        self.claim_by(2)
        self.put(REGISTER, B)
        self.put(REGISTER, A, display_name="good")
        self.put(REFRESH, A, display_name="bad")
        self.steps_among_others(10)
        self.assertEqual(1, len(outboxes.buried(self.outbox, "d")))
        self.assertEqual("good", self.name(A))

    def test_nothing_is_skipped_for_what_an_operator_then_drops(self):
        self.claim_by(2)
        self.put(REGISTER, B)
        self.put(REGISTER, A)
        number = self.put(REFRESH, A)
        self.dispatcher.step()
        self.directory.out = True
        self.dispatcher.step()
        operator = admin.OutboxAdmin(self.outbox.path)
        with operator.snapshot() as database:
            items = queries.items(database, ["d"], number=number)
        self.assertEqual(1, len(operator.drop(items)))
        self.directory.out = False
        self.steps(10)
        self.assertEqual([A, B], self.held())

    def test_two_unregisters_of_one_time_do_not_skip_each_other(self):
        self.claim_by(2)
        self.put(REGISTER, A)
        self.steps(1)
        self.put(REGISTER, B)
        for _ in range(2):
            self.put(UNREGISTER, A, occurred_at=900.0)
        self.steps(3)
        self.assertEqual([B], self.held())

    def test_of_two_events_of_one_time_the_removal_decides(self):
        for verbs in ((REFRESH, SOFT_UNREGISTER), (SOFT_UNREGISTER, REFRESH)):
            for names in (("1", "2"), ("2", "1")):
                for pause in (0, 1):
                    instance = uuid.uuid4().hex
                    for verb, name in zip(verbs, names, strict=True):
                        self.put(
                            verb,
                            instance,
                            message_id=f"{name} {instance}",
                            occurred_at=900.0,
                        )
                        self.steps(pause)
                    self.steps(1)
                    self.assertEqual([], self.held())

    def test_a_clock_here_that_is_behind_does_not_decide_the_order(self):
        for behind in (2, 59, 3600, 86400, 3 * 10**8):
            for names in (("first", "second"), ("second", "first")):
                instance, started = uuid.uuid4().hex, self.now
                for name in names:
                    self.put(
                        REFRESH,
                        instance,
                        occurred_at=started + behind + len(name),
                        display_name=name,
                    )
                    self.now += 0.5
                    self.dispatcher.step()
                self.assertEqual("second", self.name(instance))

    def test_without_an_answer_a_clock_that_is_not_ahead_is_believed(self):
        self.put(REGISTER, A, occurred_at=self.now + 3600, display_name="one")
        self.steps(1)
        self.put(REFRESH, A, occurred_at=self.now, display_name="two")
        self.steps(1)
        self.assertEqual("two", self.name(A))
        self.put(SOFT_UNREGISTER, A, occurred_at=self.now - 1)
        self.steps(1)
        self.assertEqual([], self.held())

    def test_attempts_are_apart_by_the_back_off(self):
        self.directory.answers[A] = directories.Rejected("no")
        self.put(REGISTER, A)
        self.put(REGISTER, B)
        self.dispatcher.step()
        self.assertFalse(self.dispatcher.step())
        self.now += 4.1
        self.assertTrue(self.dispatcher.step())

    def test_an_unregister_waits_for_the_register_before_it(self):
        self.directory.answers[A] = directories.Unavailable("busy")
        self.put(REGISTER, A)
        self.put(UNREGISTER, A)
        self.steps(3)
        del self.directory.answers[A]
        self.steps(2)
        self.assertEqual([], self.held())
        self.assertEqual(0, self.outbox.pending("d"))

    def test_a_driver_that_raises_on_one_loses_none_of_the_others(self):
        self.directory.hated.add(A)
        for instance in (B, A, "c" * 32):
            self.put(REGISTER, instance)
        self.steps_among_others(3)
        self.assertLessEqual({B, "c" * 32}, set(self.held()))
        ((_, reason),) = outboxes.buried(self.outbox, "d")
        self.assertEqual("RuntimeError: hated", reason)

    def test_a_register_after_the_unregister_is_skipped_and_said(self):
        self.put(UNREGISTER, A)
        self.steps(1)
        self.put(REGISTER, A)
        self.steps(2)
        self.assertEqual([], self.held())
        self.assertIn(
            f"DEBUG Outbox entry 2: register instance {A}: skipped: directory"
            " d: instance already unregistered",
            self.log.output,
        )

    def test_what_breaks_the_connection_blocks_none_behind_it(self):
        self.directory.breaks_on = A
        self.put(REGISTER, A)
        others = [f"{number:032x}" for number in range(30)]
        for instance in others:
            self.put(REGISTER, instance)
        self.steps(60)
        self.assertEqual(others, self.held())

    def test_many_that_are_put_off_leave_room_for_new_ones(self):
        for number in range(40):
            self.directory.answers[f"{number:032x}"] = directories.Unavailable(
                "no"
            )
            self.put(REGISTER, f"{number:032x}")
        self.steps(20)
        self.put(REGISTER, B)
        self.steps(20)
        self.assertEqual([B], self.held())


class SlowDirectoryTest(DispatcherTestCase):
    """A directory that has time for a few states in each batch only."""

    def setUp(self):
        super().setUp()
        self.time_for = 4
        apply = self.directory.apply

        def slow(states):
            done = list(apply(states[: self.time_for]))
            return done + [directories.NotSent()] * (len(states) - len(done))

        self.directory.apply = slow

    def test_what_was_not_sent_waits_and_counts_nothing(self):
        for number in range(10):
            self.put(REGISTER, f"{number:032x}")
        self.dispatcher.step()
        self.assertEqual(4, len(self.held()))
        self.assertNotIn("WARNING", self.log.output)
        self.assertEqual(6, self.outbox.pending("d"))
        entries = self.outbox.claim("d", 10).entries
        self.assertEqual(
            {(0, 0)}, {(e.attempts, e.deferrals) for e in entries}
        )
        while self.dispatcher.step():
            pass
        self.assertEqual(10, len(self.held()))

    def test_one_that_finishes_nothing_of_a_full_batch_gets_smaller_ones(self):
        def finishes_only_few(states, apply=self.directory.apply):
            if len(states) > 2:
                return [directories.NotSent()] * len(states)
            return apply(states)

        self.directory.apply = finishes_only_few
        for number in range(10):
            self.put(REGISTER, f"{number:032x}")
        self.steps(60)
        self.assertEqual(10, len(self.held()))


class LateNewsTest(DispatcherTestCase):
    """A young removal is done twice; Nova is asked about what is old."""

    def setUp(self):
        super().setUp()
        self.answers = {}
        self.asked = []
        self.asker = nova_check.NovaChecker(
            self.ask, self.clock, lambda low, high: high
        )
        self.dispatcher = dispatcher.Dispatcher(
            "d",
            self.directory,
            self.outbox,
            retry.Settings(late_after=60.0),
            clock=self.clock,
            uniform=lambda low, high: high,
            checker=self.asker,
        )

    def steps(self, count):
        """Take steps, and let Nova be asked between them."""
        for _ in range(count):
            self.dispatcher.step()
            self.now += 5
            self.asker.step()
            self.dispatcher.step()

    def ask(self, uuids):
        self.asked += uuids
        return {uuid: self.answers[uuid] for uuid in uuids}

    def news(self, verb, instance, age, **fields):
        self.put(verb, instance, occurred_at=self.now - age, **fields)

    def nova_says(self, verb, instance, **fields):
        self.answers[instance] = events.HostState(
            verb,
            events.HostRecord(instance_uuid=instance, **fields),
            self.now,
        )

    def test_young_news_is_not_asked_about(self):
        self.news(REGISTER, A, age=59)
        self.steps(1)
        self.assertEqual([], self.asked)
        self.assertEqual([A], self.held())

    def test_old_news_of_an_instance_that_is_gone_makes_no_entry(self):
        self.nova_says(UNREGISTER, A)
        self.news(REGISTER, A, age=61)
        self.steps(1)
        self.assertEqual([A], self.asked)
        self.assertEqual([], self.held())

    def test_old_news_is_replaced_by_novas_but_for_the_names(self):
        self.nova_says(REFRESH, A, display_name="now")
        self.news(REGISTER, A, 61, display_name="then", user_name="alice")
        self.steps(1)
        record = self.directory.content[A].record
        self.assertEqual(
            ("now", "alice"), (record.display_name, record.user_name)
        )

    def test_a_delete_that_nova_only_says_it_ended_is_asked_about(self):
        self.nova_says(REFRESH, A)
        self.news(REGISTER, A, age=5)
        self.steps(1)
        self.news(SOFT_UNREGISTER, A, age=0)
        self.steps(1)
        self.assertEqual([A], self.held())

    def test_that_an_instance_is_deleted_is_not_asked_about(self):
        self.news(UNREGISTER, A, age=1000)
        self.steps(1)
        self.assertEqual([], self.asked)

    def test_nova_out_of_reach_puts_off_what_is_late_and_nothing_else(self):
        self.answers[A] = events.StateUnknown("nova-api is down")
        self.news(REGISTER, A, age=61)
        self.news(REGISTER, B, age=1)
        self.steps(11)
        self.assertEqual([B], self.held())
        self.assertEqual([], outboxes.buried(self.outbox, "d"))
        self.assertEqual(
            1,
            self.log.output.count("Nova to confirm their state: nova-api is"),
        )
        self.nova_says(REFRESH, A)
        self.steps(1)
        self.assertEqual([A, B], self.held())

    def test_a_young_removal_is_done_once_more_when_its_time_is_over(self):
        self.news(UNREGISTER, A, age=1)
        self.dispatcher.step()
        self.directory.apply(
            [
                events.HostState(
                    REGISTER, events.HostRecord(instance_uuid=A), self.now
                )
            ]
        )
        self.assertFalse(self.dispatcher.step())
        self.now += CONFIRMS_AFTER
        self.dispatcher.step()
        self.assertEqual([], self.held())
        self.assertIn(
            "delivered: directory d: second removal done", self.log.output
        )
        self.now += 1000
        self.assertFalse(self.dispatcher.step())

    def test_an_old_removal_too_is_done_twice(self):
        """It may be our clock that is ahead, and not the removal old."""
        self.news(UNREGISTER, A, age=3600)
        self.dispatcher.step()
        self.now += 1000
        self.assertTrue(self.dispatcher.step())
        self.assertIn("second removal done", self.log.output)

    def test_a_second_removal_after_a_step_back_is_done_once_more(self):
        self.news(UNREGISTER, A, age=1)
        self.dispatcher.step()
        self.now -= 600
        self.assertTrue(self.dispatcher.step())
        self.assertFalse(self.dispatcher.step())
        self.now += CONFIRMS_AFTER
        self.assertTrue(self.dispatcher.step())
        self.now += 1000
        self.assertFalse(self.dispatcher.step())

    def test_of_two_removals_alike_one_is_confirmed(self):
        for verb in (UNREGISTER, SOFT_UNREGISTER):
            instance = uuid.uuid4().hex
            self.nova_says(verb, instance)
            at = self.now - 5
            for _ in range(2):
                self.put(verb, instance, occurred_at=at)
                self.steps(1)
            self.now += 1000
            self.steps(1)
            self.assertIn(
                f"{verb} instance {instance}: delivered: directory d: second"
                " removal done",
                self.log.output,
            )

    def test_a_removal_that_nova_denies_confirms_none_before_it(self):
        self.nova_says(SOFT_UNREGISTER, A)
        self.news(SOFT_UNREGISTER, A, age=0)
        self.steps(2)
        self.nova_says(REFRESH, A)
        self.news(events.Verb.RESTORE, A, age=0)
        self.steps(1)
        self.news(SOFT_UNREGISTER, A, age=0)
        self.steps(1)
        self.assertEqual([A], self.held())
        self.now += 1000
        self.steps(1)
        self.assertEqual([A], self.held())

    def test_news_of_the_future_is_checked_delivered_and_named(self):
        self.nova_says(REFRESH, A, display_name="now")
        self.news(REGISTER, A, -3600, display_name="then", compute_host="c1")
        self.steps(1)
        self.assertEqual("now", self.name(A))
        self.assertEqual(1, self.log.output.count("WARNING"))
        self.assertIn(
            f"WARNING Outbox entry 1: register instance {A}: its time is 3600"
            " s ahead of the clock of this host: check this clock and that of"
            " the Nova host that sent it (compute host c1)",
            self.log.output,
        )

    def test_what_a_wrong_clock_has_dated_does_not_freeze_the_entry(self):
        for ahead in (30, 3600, 10**9):
            instance = uuid.uuid4().hex
            self.news(REGISTER, instance, -ahead, display_name="first")
            self.nova_says(REFRESH, instance, display_name="first")
            self.steps(1)
            self.now += 5
            self.news(REFRESH, instance, age=0, display_name="second")
            self.nova_says(REFRESH, instance, display_name="second")
            self.steps(1)
            self.assertEqual("second", self.name(instance))
            self.now += 5
            self.news(SOFT_UNREGISTER, instance, age=0)
            self.nova_says(SOFT_UNREGISTER, instance)
            self.steps(1)
            self.assertEqual([], self.held())

    def test_a_time_before_1970_is_one_that_any_directory_can_write(self):
        for occurred_at in (-1.0, -31e9, -62135647200.0):
            instance = uuid.uuid4().hex
            self.news(REGISTER, instance, self.now - occurred_at)
            self.nova_says(REFRESH, instance)
            self.steps(1)
            self.assertEqual(0.0, self.directory.content[instance].as_of)

    def test_a_removal_is_done_after_one_of_the_future_that_nova_denied(self):
        self.news(REGISTER, A, age=5)
        self.steps(1)
        for verb, age in ((REFRESH, -(10**9)), (SOFT_UNREGISTER, 0)):
            self.news(SOFT_UNREGISTER, A, age)
            self.nova_says(verb, A)
            self.steps(1)
        self.assertEqual([], self.held())

    def test_an_event_is_asked_about_where_both_clocks_were_wrong(self):
        self.news(REGISTER, A, age=5, display_name="first")
        self.steps(1)
        self.nova_says(REFRESH, A, display_name="first")
        self.now += 3000
        self.news(SOFT_UNREGISTER, A, age=-(10**9))
        self.now -= 3000
        self.steps(1)
        self.now += 3000
        self.news(REFRESH, A, age=3000, display_name="second")
        self.now -= 3000
        self.nova_says(REFRESH, A, display_name="second")
        self.steps(1)
        self.assertEqual("second", self.name(A))

    def test_a_soft_delete_of_the_future_waits_for_no_clock(self):
        self.news(REGISTER, A, age=5)
        self.steps(1)
        self.news(SOFT_UNREGISTER, A, age=-86400)
        self.nova_says(SOFT_UNREGISTER, A)
        self.steps(1)
        self.assertEqual([], self.held())

    def test_an_answer_holds_however_long_it_took(self):
        ask = self.asker._ask

        def slow(uuids):
            self.now += 59.9
            return ask(uuids)

        self.asker._ask = slow
        self.nova_says(REFRESH, A)
        self.news(REGISTER, A, age=100)
        self.steps(1)
        self.assertEqual(([A], [A]), (self.asked, self.held()))
        self.assertIn(
            "WARNING Nova took 59.9 s to answer about 1 instances",
            self.log.output,
        )

    def test_an_answer_holds_until_the_turn_of_its_instance(self):
        self.nova_says(REFRESH, A)
        self.news(REGISTER, A, age=100)
        self.dispatcher.step()
        self.asker.step()
        self.now += 200
        self.dispatcher.step()
        self.assertEqual(([A], [A]), (self.asked, self.held()))

    def test_an_answer_does_not_hold_for_ever(self):
        self.nova_says(REFRESH, A)
        self.news(REGISTER, A, age=100)
        self.dispatcher.step()
        self.asker.step()
        self.now += nova_check.ANSWER_VALID
        self.nova_says(UNREGISTER, A)
        self.steps(1)
        self.assertEqual(([A, A], []), (self.asked, self.held()))

    def test_many_late_events_are_delivered_however_long_a_round_takes(self):
        self.dispatcher._limit = self.dispatcher._batch_size = 2
        instances = [uuid.uuid4().hex for _ in range(60)]
        for instance in instances:
            self.nova_says(REFRESH, instance)
            self.news(REGISTER, instance, age=100)
            self.dispatcher.step()
        for _ in range(3 * len(instances)):
            self.dispatcher.step()
            self.now += 3
            self.asker.step()
        self.assertEqual(sorted(instances), self.held())

    def test_an_answer_is_later_than_the_last_event(self):
        self.nova_says(REFRESH, A, display_name="before")
        self.news(REFRESH, A, age=100, display_name="one")
        self.dispatcher.step()
        self.asker.step()
        self.nova_says(REFRESH, A, display_name="after")
        self.news(REFRESH, A, age=90, display_name="two")
        self.steps(2)
        self.assertEqual("after", self.name(A))

    def test_a_removal_is_not_done_once_more_after_a_restore(self):
        self.nova_says(SOFT_UNREGISTER, A)
        self.news(SOFT_UNREGISTER, A, age=1)
        self.dispatcher.step()
        self.now += 2
        self.news(events.Verb.RESTORE, A, age=1)
        self.dispatcher.step()
        self.now += CONFIRMS_AFTER
        self.dispatcher.step()
        self.assertEqual([A], self.held())

    def test_a_removal_is_done_once_more_after_an_outage_at_that_time(self):
        self.news(UNREGISTER, A, age=1)
        self.dispatcher.step()
        self.directory.out = True
        self.now += CONFIRMS_AFTER
        self.dispatcher.step()
        self.directory.out = False
        self.now += 60
        self.assertTrue(self.dispatcher.step())
        self.assertIn(
            "delivered: directory d: second removal done", self.log.output
        )

    def test_of_many_events_at_once_one_is_written(self):
        for name in ("o", "tw", "three"):
            self.put(
                REFRESH,
                A,
                display_name=name,
                occurred_at=self.now - 1 / len(name),
            )
        self.dispatcher.step()
        self.assertEqual(1, self.directory.asked)
        self.assertEqual("three", self.name(A))
        self.assertIn(
            "skipped: directory d: covered by entry 3", self.log.output
        )


class RunTest(DispatcherTestCase):
    """The loop around the step, in a thread, with a real clock."""

    def clock(self):
        return time.time()

    def start(self):
        self.stop = threading.Event()
        thread = threading.Thread(
            target=self.dispatcher.run, args=(self.stop,), daemon=True
        )
        thread.start()
        self.addCleanup(thread.join, waiting.LIMIT)
        self.addCleanup(self.stop.set)
        return thread

    def other_process(self):
        return outbox.Outbox(self.outbox.path)

    def test_an_event_put_by_another_is_delivered_without_being_told(self):
        self.start()
        self.other_process().put(base.event(REGISTER, A))
        waiting.until(self.held, "the entry")

    def test_it_delivers_again_when_the_directory_has_come_back(self):
        self.directory.out = True
        self.start()
        self.other_process().put(base.event(REGISTER, A))
        waiting.until(lambda: self.directory.asked > 1, "a second try")
        self.directory.out = False
        waiting.until(self.held, "the entry")
        self.assertIn("available again", self.log.output)

    def test_an_outbox_that_cannot_be_used_is_waited_for(self):
        self.outbox.close()
        path = self.outbox.path
        for file in path.parent.iterdir():
            file.unlink()
        path.mkdir()
        self.start()
        waiting.until(lambda: "unavailable" in self.log.output, "the warning")
        path.rmdir()
        self.other_process().put(base.event(REGISTER, A))
        waiting.until(self.held, "the entry")
        waiting.until(
            lambda: f"INFO Outbox {path}: available again" in self.log.output,
            "the end of the outage to be logged",
        )
        self.assertIn(
            f"WARNING Outbox {path}: unavailable, deliveries to directory d",
            self.log.output,
        )
        self.assertNotIn("Directory d: ", self.log.output)

    def test_what_cannot_be_settled_is_no_outage_of_the_directory(self):
        self.put(REGISTER, A)
        outboxes.run_sql(
            self.outbox.path,
            "CREATE TRIGGER full BEFORE INSERT ON journal"
            " BEGIN SELECT raise(ABORT, 'disk is full'); END",
        )
        self.start()
        waiting.until(lambda: "unavailable" in self.log.output, "the warning")
        outboxes.run_sql(self.outbox.path, "DROP TRIGGER full")
        waiting.until(lambda: not self.outbox.pending("d"), "it to be settled")
        self.assertIn("disk is full", self.log.output)
        self.assertNotIn("Directory d: ", self.log.output)

    def test_it_ends_when_told_to(self):
        thread = self.start()
        self.stop.set()
        thread.join(waiting.LIMIT)
        self.assertFalse(thread.is_alive())
