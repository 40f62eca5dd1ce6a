# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.delivery import nova_check
from nova_dirsvc_plugin.nova_api import server
from tests.unit import base


class QueueTest(base.TestCase):
    """Nova knows the states of some instances, and not of those before."""

    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.unknown = {}
        self.checker = nova_check.NovaChecker(self.ask, lambda: self.now)

    def ask(self, uuids):
        return {
            uuid: self.unknown.get(uuid)
            or events.HostState(
                events.Verb.REFRESH,
                events.HostRecord(instance_uuid=uuid),
                self.now,
            )
            for uuid in uuids
        }

    def steps_until_answered(self, error, count):
        """Ask about one behind so many whose state is unknown."""
        for number in range(count):
            self.unknown[f"unknown {number}"] = error
            self.checker.answer_for(f"unknown {number}", "message")
        self.checker.step()
        for step in range(2 * count):
            if self.checker.answer_for("known", "message"):
                return step
            self.now += 5
            self.checker.step()
        return None

    def test_one_behind_others_that_make_nova_fail_has_its_turn(self):
        error = events.StateUnknown("Nova's API fails (500)")
        self.assertIsNotNone(self.steps_until_answered(error, 100))

    def test_one_behind_more_than_are_kept_has_its_turn(self):
        error = events.StateUndecided("its cell is down")
        self.assertIsNotNone(self.steps_until_answered(error, nova_check.MOST))

    def test_those_that_nova_cannot_tell_now_delay_no_other(self):
        error = events.StateUndecided("its cell is down")
        self.assertLessEqual(self.steps_until_answered(error, 100), 4)

    def test_a_cell_that_is_down_is_no_outage_of_nova(self):
        answer = {"id": "a", "status": "UNKNOWN"}
        with self.assertRaises(events.StateUndecided):
            server.state_of("a", answer, 0.0, print)


class BoundTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.asked = []
        self.checker = nova_check.NovaChecker(
            self.ask, lambda: self.now, lambda low, high: high
        )

    def ask(self, uuids):
        self.asked += uuids
        return {uuid: server.gone(uuid, 0.0) for uuid in uuids}

    def ask_all(self):
        while self.checker.step():
            pass

    def verb(self, number):
        answer = self.checker.answer_for(str(number), "message")
        return answer and answer.verb

    def test_it_keeps_a_bounded_number_of_questions(self):
        for number in range(nova_check.MOST + 3):
            self.verb(number)
        self.ask_all()
        self.assertEqual(nova_check.MOST, len(self.asked))
        self.verb(nova_check.MOST)
        self.ask_all()
        self.assertEqual(str(nova_check.MOST), self.asked[-1])

    def test_it_keeps_a_bounded_number_of_answers_the_latest(self):
        for number in range(nova_check.MOST):
            self.verb(number)
        self.ask_all()
        self.verb(nova_check.MOST)
        self.ask_all()
        self.assertIsNone(self.verb(0))
        for number in (1, nova_check.MOST):
            self.assertEqual(events.Verb.UNREGISTER, self.verb(number))
