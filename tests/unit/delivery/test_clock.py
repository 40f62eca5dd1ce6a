# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from nova_dirsvc_plugin.delivery import clock
from tests.unit import base


class SteadyClockTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.passed, self.offset = 0.0, 1e9
        self.clock = clock.SteadyClock(
            lambda: self.offset + self.passed, lambda: self.passed
        )

    def after(self, seconds):
        """Return how far the clock went, in steps of a second."""
        started = self.clock()
        for _ in range(seconds):
            self.passed += 1
            self.clock()
        return self.clock() - started

    def test_it_goes_as_time_does(self):
        self.assertAlmostEqual(60, self.after(60))

    def test_a_step_of_the_host_hardly_changes_a_wait(self):
        for step in (-3600, -5, 5, 3600):
            self.offset += step
            self.assertTrue(53 < self.after(60) < 67)

    def test_it_agrees_with_the_host_again(self):
        self.offset -= 600
        self.after(6001)
        self.assertAlmostEqual(self.offset + self.passed, self.clock())

    def test_a_host_that_hears_the_time_after_its_start_is_followed(self):
        self.clock()
        self.offset += 1e9
        self.assertAlmostEqual(2e9, self.clock())
