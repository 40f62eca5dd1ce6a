# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A plan that would write suspiciously much stops before it begins."""

import types

from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.nova_api import summary
from nova_dirsvc_plugin.outbox import repairs
from nova_dirsvc_plugin.reconcile import guard
from tests.unit import base
from tests.unit.reconcile import clouds, test_plan

Kind = clouds.Kind
Policy = clouds.Policy


def many(kind, count, **fields):
    return [test_plan.made(kind, **fields) for _ in range(count)]


def others(count):
    """Return instances of which earlier runs have asked for something."""
    return frozenset(map(str, range(count)))


def asked(removals=frozenset(), changes=types.MappingProxyType({})):
    """Return what was asked for within the last hour."""
    return repairs.Recent(removals, changes)


def stops(
    *some,
    recent=None,
    limits=None,
    allow="",
    again=False,
    known=True,
    **fields,
):
    return guard.check(
        clouds.made_of(*some, **fields),
        recent or asked(),
        limits or guard.Limits(),
        allow,
        was_allowed=again,
        is_known=known,
    )


class RemovalsTest(base.TestCase):
    def test_twenty_may_be_removed_of_few(self):
        for entries in (20, 200):
            self.assertEqual(
                [], stops(*many(Kind.REMOVAL, 20), entries=entries)
            )
            self.assertEqual(
                2, len(stops(*many(Kind.REMOVAL, 21), entries=entries))
            )

    def test_a_tenth_may_be_removed_of_many(self):
        self.assertEqual([], stops(*many(Kind.REMOVAL, 50), entries=500))
        self.assertEqual([], stops(*many(Kind.REMOVAL, 50), entries=509))
        self.assertNotEqual([], stops(*many(Kind.REMOVAL, 51), entries=509))

    def test_the_sliding_hour_counts(self):
        recent = asked(removals=others(15))
        self.assertEqual(
            [], stops(*many(Kind.REMOVAL, 5), entries=9, recent=recent)
        )
        (why, _) = stops(*many(Kind.REMOVAL, 6), entries=9, recent=recent)
        self.assertIn("6 of 9 entries would be removed, after 15", why)
        self.assertIn("more than 20", why)

    def test_what_waits_since_an_earlier_run_counts_once(self):
        some = many(Kind.REMOVAL, 15)
        waiting = frozenset(item.instance_uuid for item in some)
        self.assertEqual([], stops(*some, entries=60, recent=asked(waiting)))
        (why, _) = stops(*some, entries=60, recent=asked(waiting | others(6)))
        self.assertIn("15 of 60 entries would be removed, after 6 others", why)

    def test_an_hour_of_many_stops_nothing_that_removes_nothing(self):
        recent = asked(
            removals=others(500), changes={"display_name": others(500)}
        )
        self.assertEqual(
            [], stops(*many(Kind.MISSING, 5), entries=500, recent=recent)
        )

    def test_the_limits_are_options(self):
        limits = guard.Limits(removals=0, removals_percent=0)
        self.assertNotEqual([], stops(*many(Kind.REMOVAL, 1), limits=limits))
        limits = guard.Limits(removals=0, removals_percent=100)
        self.assertEqual([], stops(*many(Kind.REMOVAL, 500), limits=limits))

    def test_what_is_not_removed_is_not_counted(self):
        reading = summary.Summary(1.0, 1, ("page 3 failed",), clouds.URL)
        for fields in (
            {"policy": Policy.UPSERT_ONLY},
            {"owner": "nova"},
            {"reading": reading},
        ):
            self.assertEqual([], stops(*many(Kind.REMOVAL, 400), **fields))
        for kind in (Kind.CANDIDATE, Kind.UNSURE, Kind.CONFLICT):
            self.assertEqual([], stops(*many(kind, 400)))

    def test_entries_of_another_cloud_stop_it(self):
        """Nova says of each that it is not known, in its own words."""
        some = many(Kind.REMOVAL, 3)
        (why, _) = stops(*some, entries=4, fitting=0)
        self.assertIn("Not one of 4 entries is of the 500 instances", why)
        self.assertIn("[nova]", why)
        self.assertEqual([], stops(*some, entries=4, fitting=1))

    def test_one_or_two_do_where_no_entry_has_ever_fitted_that_cloud(self):
        for count in (1, 2):
            some = many(Kind.REMOVAL, count)
            fields = {"entries": count, "fitting": 0}
            self.assertEqual([], stops(*some, **fields))
            (why, _) = stops(*some, known=False, **fields)
            self.assertIn(f"Not one of {count} entries", why)

    def test_the_last_entries_of_an_empty_cloud_do_not(self):
        reading = summary.Summary(1.0, 0, (), clouds.URL)
        some = many(Kind.REMOVAL, 20)
        self.assertEqual(
            [], stops(*some, entries=20, fitting=0, reading=reading)
        )

    def test_an_empty_cloud_that_never_had_an_instance_does(self):
        reading = summary.Summary(1.0, 0, (), clouds.URL)
        for count in (1, 2, 20):
            some = many(Kind.REMOVAL, count)
            fields = {"entries": count, "fitting": 0, "reading": reading}
            (why, way_on) = stops(*some, known=False, **fields)
            self.assertIn("of the 0 instances that Nova lists at", why)
            self.assertIn(clouds.URL, why)
            plan_id = way_on.rpartition(" ")[2]
            self.assertEqual(
                [], stops(*some, known=False, allow=plan_id, **fields)
            )
        fields["entries"] = 0
        self.assertEqual([], stops(*many(Kind.MISSING, 1), **fields))


class ChangesTest(base.TestCase):
    def test_fifty_may_change_of_few(self):
        self.assertEqual([], stops(*many(Kind.DIFFERING, 50), entries=50))
        (why, _) = stops(*many(Kind.DIFFERING, 51), entries=60)
        self.assertIn("display_name would be changed in 51 of 60", why)
        self.assertIn("more than 50", why)

    def test_three_tenths_may_change_of_many(self):
        self.assertEqual([], stops(*many(Kind.DIFFERING, 150)))
        self.assertNotEqual([], stops(*many(Kind.DIFFERING, 151)))

    def test_each_attribute_counts_by_itself(self):
        def changing(name):
            change = directories.Difference(name, ("a",), ("b",))
            return many(Kind.DIFFERING, 40, differences=[change])

        self.assertEqual(
            [], stops(*changing("cn"), *changing("mac"), entries=80)
        )
        (why, _) = stops(
            *changing("cn"), *changing("mac"), *changing("mac"), entries=120
        )
        self.assertTrue(why.startswith("mac would"), why)

    def test_an_attribute_that_is_blanked_counts(self):
        blank = directories.Difference("project_name", ("demo",), ())
        self.assertNotEqual(
            [], stops(*many(Kind.DIFFERING, 200, differences=[blank]))
        )

    def test_the_sliding_hour_counts(self):
        recent = asked(changes={"display_name": others(45), "cn": others(50)})
        self.assertEqual(
            [], stops(*many(Kind.DIFFERING, 5), entries=9, recent=recent)
        )
        self.assertNotEqual(
            [], stops(*many(Kind.DIFFERING, 6), entries=9, recent=recent)
        )

    def test_a_change_that_waits_since_an_earlier_run_counts_once(self):
        some = many(Kind.DIFFERING, 30)
        waiting = frozenset(item.instance_uuid for item in some)
        recent = asked(changes={"display_name": waiting})
        self.assertEqual([], stops(*some, entries=60, recent=recent))

    def test_new_entries_are_not_limited(self):
        self.assertEqual([], stops(*many(Kind.MISSING, 900), entries=0))

    def test_a_policy_that_changes_nothing_is_not_stopped(self):
        self.assertEqual(
            [],
            stops(*many(Kind.DIFFERING, 400), policy=Policy.CREATE_ONLY),
        )


class AllowTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.some = many(Kind.REMOVAL, 51)
        self.plan_id = clouds.made_of(*self.some).plan_id

    def test_the_way_on_is_said(self):
        self.assertIn(f"--allow {self.plan_id}", stops(*self.some)[-1])

    def test_the_plan_that_is_allowed_goes(self):
        self.assertEqual([], stops(*self.some, allow=self.plan_id))

    def test_it_goes_once(self):
        why = stops(*self.some, allow=self.plan_id, again=True)
        self.assertIn("allowed before, which counts once", why[-1])

    def test_another_plan_does_not(self):
        why = stops(*self.some, *many(Kind.MISSING, 1), allow=self.plan_id)
        self.assertIn(f"is not {self.plan_id} any more", why[-1])

    def test_nothing_needs_no_leave(self):
        self.assertEqual([], stops(allow="000000000000", again=True))

    def test_no_leave_removes_anything_of_a_reading_that_is_not_whole(self):
        reading = summary.Summary(1.0, 1, ("page 3 failed",), clouds.URL)
        plan = clouds.made_of(*self.some, reading=reading)
        self.assertEqual(
            [],
            guard.check(plan, asked(), guard.Limits(), plan.plan_id),
        )
        self.assertEqual([], list(plan.writes()))
