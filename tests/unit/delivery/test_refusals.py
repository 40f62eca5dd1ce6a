# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the directory refuses, and whether it is about the entry."""

import uuid

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, outage, retry
from nova_dirsvc_plugin.directories import base as directories
from tests import outboxes
from tests.unit.delivery import test_dispatcher

A, B = "a" * 32, "b" * 32
REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER

NO = directories.Rejected("no right to do that")


class RefusalTest(test_dispatcher.DispatcherTestCase):
    def refuse(self, *instances, answer=NO):
        for instance in instances:
            self.directory.answers[instance] = answer
            self.put(REGISTER, instance)

    def attempts(self, number):
        statement = "SELECT attempts FROM backlog WHERE number = ?"
        ((found,),) = outboxes.run_sql(self.outbox.path, statement, number)
        return found

    def buried(self):
        return outboxes.buried(self.outbox, "d")

    def steps_of(self, seconds, count):
        for _ in range(count):
            self.dispatcher.step()
            self.now += seconds

    def test_what_meets_all_counts_for_none_and_ends_with_the_repair(self):
        instances = [str(uuid.uuid4()) for _ in range(10)]
        self.refuse(*instances)
        self.steps(100)
        self.assertEqual([], self.buried())
        self.directory.answers.clear()
        self.now += retry.CAP
        while self.dispatcher.step():
            pass
        self.assertEqual(sorted(instances), self.held())

    def test_what_meets_all_is_said_once_a_minute_with_the_reason(self):
        self.refuse(A, B)
        self.steps_of(1, 100)
        self.assertEqual(2, self.log.output.count("WARNING"))
        self.assertIn(
            "2 entries were put off since the last report", self.log.output
        )
        self.assertIn("no right to do that (entry 1", self.log.output)
        self.assertIn(A, self.log.output)

    def test_while_all_is_refused_few_are_sent(self):
        self.refuse(*(str(uuid.uuid4()) for _ in range(10)))
        self.dispatcher.step()
        sent = []
        apply = self.directory.apply
        self.directory.apply = lambda states: (
            sent.append(len(states)) or apply(states)
        )
        self.steps(10)
        self.assertLessEqual(max(sent), dispatcher.PROBE)

    def test_one_that_is_refused_alone_waits_and_blocks_no_newer(self):
        self.refuse(A)
        self.steps(100)
        self.assertEqual([], self.buried())
        self.put(REGISTER, B)
        self.dispatcher.step()
        self.assertEqual([B], self.held())
        self.assertEqual(1, self.attempts(1))

    def test_what_was_taken_before_its_last_attempt_counts_once(self):
        self.refuse(A)
        self.put(REGISTER, B)
        self.steps(100)
        self.assertEqual(1, self.attempts(1))

    def test_what_was_taken_between_two_attempts_counts(self):
        self.refuse(A)
        self.dispatcher.step()
        self.put(REGISTER, B)
        self.dispatcher.step()
        self.assertEqual([B], self.held())
        self.assertEqual(0, self.attempts(1))
        self.now += 60
        self.dispatcher.step()
        self.assertEqual(1, self.attempts(1))

    def test_what_is_taken_later_in_a_batch_may_be_for_a_repair(self):
        self.refuse(A)
        self.put(REGISTER, B)
        self.dispatcher.step()
        self.assertEqual(([B], 0), (self.held(), self.attempts(1)))

    def test_removals_say_nothing_about_what_may_be_added(self):
        gone = [str(uuid.uuid4()) for _ in range(10)]
        for instance in gone:
            self.put(REGISTER, instance)
        self.steps(1)
        self.refuse(A, B)
        for instance in gone:
            self.put(UNREGISTER, instance)
            self.steps(1)
        self.assertEqual([], self.held())
        self.assertEqual([], self.buried())
        self.assertEqual(0, self.attempts(11))

    def test_what_needs_no_write_says_nothing_about_what_may_be(self):
        self.refuse(A)
        self.refuse(B, answer=directories.Done(operation=""))
        self.steps(10)
        self.assertEqual(0, self.attempts(1))

    def test_one_kind_that_is_refused_is_taken_up_within_seconds(self):
        """Nothing is added, while others are removed all the time."""
        added = [str(uuid.uuid4()) for _ in range(20)]
        gone = [str(uuid.uuid4()) for _ in range(200)]
        for start in range(0, 200, 10):
            for instance in gone[start : start + 10]:
                self.put(REGISTER, instance)
            self.steps(1)
        self.refuse(*added)
        for instance in gone:
            self.put(UNREGISTER, instance)
            self.steps_of(0.1, 1)
        self.assertEqual([], self.buried())
        self.directory.answers.clear()
        self.steps_of(0.1, 100)
        self.assertEqual(sorted(added), self.held())

    def test_a_refused_entry_is_tried_for_minutes(self):
        settings = retry.Settings()
        for chosen in (min, max):
            policy = retry.RetryPolicy(
                settings,
                self.clock,
                lambda low, high, chosen=chosen: chosen(low, high),
                confirms=True,
            )
            waits = [
                policy._refused_wait(tries)
                for tries in range(1, settings.max_attempts)
            ]
            self.assertGreater(sum(waits), 120)
            self.assertLess(sum(waits), 600)
            # An address that was given out again is free in a moment.
            self.assertLessEqual(waits[0], 5)

    def test_one_that_no_directory_could_take_is_buried_at_once(self):
        self.refuse(A, answer=directories.Rejected("huge", certain=True))
        self.dispatcher.step()
        ((_, reason),) = self.buried()
        self.assertEqual("huge", reason)

    def test_a_foreign_entry_waits_for_an_operator_and_is_said_to(self):
        self.refuse(A, answer=directories.Foreign("of another owner mark"))
        self.put(REGISTER, B)
        self.steps(100)
        self.assertEqual([B], self.held())
        self.assertEqual([], self.buried())
        self.assertIn("of another owner mark (entry 1", self.log.output)
        self.directory.answers.clear()
        self.steps(5)
        self.assertEqual([A, B], self.held())

    def test_no_memory_here_is_no_answer_of_the_directory(self):
        def fail(states):
            raise MemoryError

        self.put(REGISTER, A)
        self.directory.apply = fail
        self.steps(20)
        self.assertEqual([], self.buried())

    def test_a_second_removal_that_all_are_refused_is_done_later(self):
        self.outbox.put(
            test_dispatcher.base.event(UNREGISTER, A, occurred_at=self.now - 1)
        )
        self.steps(1)
        self.directory.answers[A] = NO
        self.now += 60 + directories.LONGEST_BATCH
        self.steps(3)
        self.directory.answers.clear()
        self.steps(1)
        self.assertIn("second removal done", self.log.output)

    def test_what_the_driver_raises_is_said_once_a_minute_and_counts(self):
        """Whatever the driver was about to do, it does it for others."""
        apply = self.directory.apply
        self.directory.apply = lambda states: [
            directories.Done("add") if outcome == directories.Done() else None
            for outcome in apply(states)
        ]
        self.directory.hated.add(A)
        self.put(REGISTER, A)
        for _ in range(100):
            self.put(REGISTER, str(uuid.uuid4()))
            self.steps_of(1, 1)
        self.assertEqual(1, self.log.output.count("Traceback"))
        ((_, reason),) = self.buried()
        self.assertEqual("RuntimeError: hated", reason)


class LogTest(test_dispatcher.DispatcherTestCase):
    """What is unavailable while others are taken makes few lines."""

    def lines_of(self, *instances):
        for instance in instances:
            self.directory.answers[instance] = directories.Unavailable("500")
            self.put(REGISTER, instance)
        for _ in range(100):
            self.put(REGISTER, str(uuid.uuid4()))
            self.dispatcher.step()
            self.now += 0.5
            self.dispatcher.step()
            self.now += 0.5
        return [
            line
            for line in self.log.output.splitlines()
            if "WARNING" in line or "available" in line
        ]

    def test_one_is_reported_once_a_minute(self):
        lines = self.lines_of(A)
        self.assertEqual(2, len(lines))
        for line in lines:
            self.assertIn("it takes others meanwhile: 500 (entry 1", line)

    def test_many_are_no_outage_that_ends_and_begins_all_the_time(self):
        lines = self.lines_of(*(f"{number:032x}" for number in range(50)))
        self.assertLessEqual(len(lines), 6)

    def test_an_outbox_that_fails_now_and_then_is_reported_once_a_minute(self):
        trouble = outage.OutboxOutage(
            "d", self.outbox, self.clock, lambda low, high: high
        )
        for _ in range(100):
            trouble.mark_failed(outbox.OutboxError("locked"))
            trouble.mark_over()
            self.now += 1
        self.assertEqual(2, self.log.output.count("WARNING"))
        self.assertEqual(2, self.log.output.count("available again"))
