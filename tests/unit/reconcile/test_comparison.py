# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is missing, differing, to be removed, in conflict, or unsure."""

import dataclasses

from nova_dirsvc_plugin import events
from tests.unit import base
from tests.unit.reconcile import clouds

Kind = clouds.Kind
Policy = clouds.Policy


class ComparisonTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = clouds.Cloud()

    def only(self, plan, kind, key):
        """Return the only item of a plan."""
        self.assertEqual([(kind, key)], seen(plan))
        (item,) = plan.items
        return item

    def test_equal_entries_are_no_items(self):
        for _ in range(3):
            self.cloud.boot(register=True)
        plan = self.cloud.plan()
        self.assertEqual([], seen(plan))
        self.assertEqual(3, plan.entries)
        self.assertTrue(plan.is_empty)

    def test_an_instance_without_entry_is_missing(self):
        key = self.cloud.boot()
        item = self.only(self.cloud.plan(), Kind.MISSING, key)
        self.assertEqual(self.cloud.states[key].record, item.state.record)
        self.assertEqual(clouds.READ_AT, item.state.as_of)
        self.assertIsNone(item.entry)

    def test_a_difference_names_the_attribute_old_and_new(self):
        key = self.cloud.boot()
        self.cloud.register(key, display_name="old")
        item = self.only(self.cloud.plan(), Kind.DIFFERING, key)
        self.assertEqual(
            [("display_name", ("old",), ("web",))],
            [dataclasses.astuple(one) for one in item.differences],
        )
        self.assertEqual("old", item.entry.record.display_name)
        self.assertEqual("web", item.state.record.display_name)

    def test_what_nova_does_not_know_is_no_difference(self):
        """Keystone may name nobody: nothing is blanked."""
        key = self.cloud.boot()
        self.cloud.register(
            key,
            project_name="demo",
            user_name="alice",
            user_remote_address="192.0.2.9",
        )
        self.assertEqual([], seen(self.cloud.plan()))

    def test_unknown_addresses_are_no_difference(self):
        key = self.cloud.boot(addresses=None)
        self.cloud.register(key, addresses=(events.Address("192.0.2.8"),))
        self.assertEqual([], seen(self.cloud.plan()))

    def test_an_entry_newer_than_the_reading_is_no_difference(self):
        key = self.cloud.boot()
        self.cloud.register(key, seconds=0.5, display_name="newer")
        self.assertEqual([], seen(self.cloud.plan()))

    def test_an_entry_newer_than_the_reading_gets_what_it_lacks(self):
        key = self.cloud.boot(project_name="demo")
        self.cloud.register(key, seconds=3600, project_name="")
        item = self.only(self.cloud.plan(), Kind.DIFFERING, key)
        self.assertEqual(
            ["project_name"], [one.attribute for one in item.differences]
        )

    def test_an_entry_of_no_instance_is_a_candidate(self):
        key = self.cloud.register(clouds.new_uuid())
        item = self.only(self.cloud.plan(), Kind.CANDIDATE, key)
        self.assertEqual(events.Verb.SOFT_UNREGISTER, item.state.verb)
        self.assertEqual(clouds.READ_AT, item.state.as_of)
        self.assertEqual(key, item.state.record.instance_uuid)

    def test_an_entry_of_a_soft_deleted_instance_is_a_candidate(self):
        key = self.cloud.boot(register=True)
        state = self.cloud.states[key]
        self.cloud.states[key] = dataclasses.replace(
            state, verb=events.Verb.SOFT_UNREGISTER
        )
        self.only(self.cloud.plan(), Kind.CANDIDATE, key)

    def test_an_instance_that_was_never_launched_is_not_missing(self):
        key = self.cloud.boot()
        self.cloud.states[key] = dataclasses.replace(
            self.cloud.states[key], verb=events.Verb.SOFT_UNREGISTER
        )
        self.assertEqual([], seen(self.cloud.plan()))

    def test_a_candidate_newer_than_the_reading_stays(self):
        for seconds in (0.0, 0.001, 3600.0):
            cloud = clouds.Cloud()
            key = cloud.register(clouds.new_uuid(), seconds=seconds)
            item = self.only(cloud.plan(), Kind.UNSURE, key)
            self.assertIn("newer than the reading", item.reason)

    def test_a_candidate_of_unknown_time_is_not_newer(self):
        key = self.cloud.register(clouds.new_uuid(), seconds=-clouds.READ_AT)
        self.only(self.cloud.plan(), Kind.CANDIDATE, key)

    def test_an_undecided_instance_keeps_its_entry(self):
        key = self.cloud.boot(register=True)
        del self.cloud.states[key]
        self.cloud.undecided[key] = "its cell is down"
        item = self.only(self.cloud.plan(), Kind.UNSURE, key)
        self.assertEqual("its cell is down", item.reason)

    def test_an_undecided_instance_without_entry_is_not_missing(self):
        self.cloud.undecided[clouds.new_uuid()] = "being built"
        self.assertEqual([], seen(self.cloud.plan()))

    def test_anothers_mark_on_our_uuid_is_a_conflict(self):
        key = self.cloud.boot()
        self.cloud.register_for("their-cloud", key)
        item = self.only(self.cloud.plan(), Kind.CONFLICT, key)
        self.assertIn("another owner mark, 'their-cloud'", item.reason)
        self.assertIsNone(item.state)

    def test_no_mark_on_our_uuid_is_a_conflict(self):
        key = self.cloud.boot()
        self.cloud.register_for("", key)
        item = self.only(self.cloud.plan(), Kind.CONFLICT, key)
        self.assertIn("has no owner mark", item.reason)

    def test_an_entry_with_anothers_mark_is_not_counted_as_ours(self):
        """A driver that returned it has a fault: nothing is done to it."""
        key = self.cloud.register_for("their-cloud", clouds.new_uuid())
        entries = [*self.cloud.directory.find([key])]
        plan = self.cloud.compare(self.cloud.read(), entries=entries)
        self.only(plan, Kind.CONFLICT, key)
        self.assertEqual(0, plan.entries)

    def test_a_mark_in_another_case_is_anothers(self):
        key = self.cloud.boot()
        self.cloud.register_for(clouds.OWNER.upper(), key)
        self.only(self.cloud.plan(), Kind.CONFLICT, key)

    def test_a_replication_conflict_is_a_conflict(self):
        for key in (self.cloud.boot(), clouds.new_uuid()):
            self.cloud.register(key)
        entries = [
            dataclasses.replace(one, conflict="put aside by replication")
            for one in self.cloud.directory.entries()
        ]
        plan = self.cloud.compare(self.cloud.read(), entries=entries)
        self.assertEqual(2, plan.counts[Kind.CONFLICT])
        self.assertTrue(plan.is_empty)
        for item in plan.items:
            self.assertEqual("put aside by replication", item.reason)

    def test_two_entries_of_one_instance_are_a_conflict(self):
        """Whether each for itself is equal, differing or a candidate."""
        for lives in (True, False):
            self.cloud = clouds.Cloud()
            key = self.cloud.boot() if lives else clouds.new_uuid()
            self.cloud.register(key)
            (one,) = self.cloud.directory.find([key])
            other = dataclasses.replace(one, name=f"{key}-2")
            plan = self.compare_found([one, other], [one, other])
            item = self.only(plan, Kind.CONFLICT, key)
            self.assertIn("2 entries have this uuid", item.reason)
            self.assertIn(other.name, item.reason)
            self.assertEqual(2, plan.entries)

    def compare_found(self, entries, found):
        """Compare what a directory lists, and then finds."""
        self.cloud.directory.find = lambda uuids: iter(found)
        return self.cloud.compare(self.cloud.read(), entries=entries)

    def test_one_entry_that_is_listed_twice_is_compared_once(self):
        """A list in pages moves while it is read."""
        equal = self.cloud.boot(register=True)
        differing = self.cloud.boot()
        self.cloud.register(differing, display_name="old")
        entries = [*self.cloud.directory.entries()] * 2
        plan = self.cloud.compare(self.cloud.read(), entries=entries)
        self.only(plan, Kind.DIFFERING, differing)
        self.assertNotEqual(equal, differing)

    def test_an_entry_that_is_not_listed_and_is_found_is_compared(self):
        """The list was cut, or it came since: it is not registered again."""
        self.cloud.boot(register=True)
        differing = self.cloud.boot()
        self.cloud.register(differing, display_name="old")
        plan = self.cloud.compare(self.cloud.read(), entries=[])
        self.only(plan, Kind.DIFFERING, differing)
        self.assertEqual(2, plan.entries)

    def test_a_uuid_in_upper_case_is_the_same_instance(self):
        key = self.cloud.boot(register=True)
        (one,) = self.cloud.directory.entries()
        record = dataclasses.replace(one.record, instance_uuid=key.upper())
        plan = self.cloud.compare(
            self.cloud.read(),
            entries=[dataclasses.replace(one, record=record)],
        )
        self.assertEqual(0, plan.counts[Kind.MISSING])
        self.assertEqual(0, plan.counts[Kind.CANDIDATE])

    def test_entries_of_instances_that_nova_has_listed_are_counted(self):
        self.cloud.boot(register=True)
        self.cloud.register(self.cloud.boot(), display_name="old")
        building = clouds.new_uuid()
        self.cloud.undecided[building] = "being built"
        self.cloud.register(building)
        self.cloud.register(clouds.new_uuid())
        plan = self.cloud.plan()
        self.assertEqual((4, 3), (plan.entries, plan.fitting))

    def test_a_reading_that_is_not_whole_has_no_candidates(self):
        self.cloud.boot()
        gone = self.cloud.register(clouds.new_uuid())
        self.cloud.why_not_whole = ("page 3 failed",)
        plan = self.cloud.plan()
        self.assertEqual({Kind.MISSING: 1, Kind.UNSURE: 1}, dict(plan.counts))
        (item,) = plan.items.of(Kind.UNSURE)
        self.assertEqual(gone, item.instance_uuid)
        self.assertIn("page 3 failed", item.reason)

    def test_the_default_owner_mark_has_no_candidates_and_says_so(self):
        cloud = clouds.Cloud(owner="nova")
        key = cloud.register(clouds.new_uuid())
        plan = cloud.plan()
        item = self.only(plan, Kind.UNSURE, key)
        self.assertIn("owner mark is the default, 'nova'", item.reason)
        self.assertIn("[nova_dirsvc] owner", plan.why_none_is_removed()[0])


def seen(plan):
    return [(item.kind, item.instance_uuid) for item in plan.items]
