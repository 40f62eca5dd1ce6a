# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from nova_dirsvc_plugin.delivery import nova_check, retry
from nova_dirsvc_plugin.nova_api import client
from tests.unit import base


class FullJitterTest(base.TestCase):
    def test_the_bound_doubles_up_to_the_cap(self):
        bounds = [
            retry.full_jitter(tries, lambda low, high: high)
            for tries in (1, 2, 3, 4, 5, 6, 7, 10**6)
        ]
        self.assertEqual([0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0], bounds)

    def test_a_wait_may_be_nothing_at_all(self):
        self.assertEqual(0.0, retry.full_jitter(9, lambda low, high: low))


class OldestAnswerTest(base.TestCase):
    def test_nova_answers_within_the_time_that_a_removal_waits_for(self):
        self.assertLessEqual(client.ASK_LIMIT, nova_check.ASK_LIMIT)
        self.assertEqual(
            retry.OLDEST_ANSWER, nova_check.ASK_LIMIT + nova_check.ANSWER_VALID
        )
