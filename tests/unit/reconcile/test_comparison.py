# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is missing, differing, to be removed, in conflict, or unsure."""

from tests.unit import base
from tests.unit.reconcile import clouds


class ComparisonTest(base.TestCase):
    def test_an_instance_without_entry_is_missing(self):
        cloud = clouds.Cloud()
        one = cloud.boot()
        plan = cloud.plan()
        self.assertEqual([one], plan.items.uuids(clouds.Kind.MISSING))
