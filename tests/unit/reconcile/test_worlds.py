# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever is wrong, nothing that lives is removed; then all is equal."""

import os
import random

from tests.unit import base
from tests.unit.reconcile import clouds, worlds

COUNT = int(os.environ.get("HISTORIES_WORLDS", "300"))
SEED = os.environ.get("HISTORIES_SEED", "1")


class WorldsTest(base.TestCase):
    def each(self):
        for number in range(COUNT):
            seed = f"{SEED}/{number}"
            yield worlds.World(random.Random(seed)), f"seed {seed}"

    def test_with_faults_nothing_that_lives_or_is_anothers_is_touched(self):
        removed = written = 0
        for world, seed in self.each():
            world.fail()
            made = world.read()
            world.live_on()
            before = world.of_others()
            plan = world.planned(made)
            self.assertEqual(set(), world.wrongly_removed(plan), seed)
            if not (world.removes and plan.reading.whole):
                self.assertEqual([], removals(plan), seed)
            removed += len(removals(plan))
            written += world.apply(plan)
            self.assertEqual(before, world.of_others(), seed)
        # The worlds are such that there is something to do.
        self.assertGreater(removed, COUNT / 3)
        self.assertGreater(written, COUNT)

    def test_without_faults_all_is_equal_after_one_run(self):
        for world, seed in self.each():
            self.settle(world, seed)

    def test_after_faults_all_is_equal_after_one_run(self):
        for world, seed in self.each():
            world.fail()
            world.apply(world.planned(world.read()))
            world.mend()
            self.settle(world, seed)

    def settle(self, world, seed):
        """See that one run makes all equal, and another writes nothing."""
        world.apply(world.planned(world.read()))
        again = world.planned(world.read())
        if again.reading.whole:
            self.assertEqual([], list(again.writes()), seed)
            self.assertEqual({}, world.unequal(), seed)


def removals(plan):
    return [one for one in plan.writes() if one.kind is clouds.Kind.REMOVAL]
