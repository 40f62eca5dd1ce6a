# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What of a plan is written, by its policy, and how it is named."""

import dataclasses
import tracemalloc

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.nova_api import summary
from nova_dirsvc_plugin.reconcile import item, items, plan
from tests.unit import base
from tests.unit.reconcile import clouds, test_reading

Kind = clouds.Kind
Policy = clouds.Policy

#: Bytes for an item of an entry in which all has changed.
MOST = 2000


def made(kind, key=None, as_of=clouds.READ_AT, new="new", **fields):
    """Make an item."""
    key = key or clouds.new_uuid()
    verb = events.Verb.REFRESH
    if kind in (Kind.CANDIDATE, Kind.REMOVAL):
        verb = events.Verb.SOFT_UNREGISTER
    record = events.HostRecord(instance_uuid=key, display_name=new)
    entry = directories.Entry(
        events.HostRecord(instance_uuid=key),
        as_of - 60,
        clouds.OWNER,
        f"uuid={key},dc=example",
        {"display_name": ("old",)},
    )
    difference = directories.Difference("display_name", ("old",), (new,))
    fields = {
        "state": None
        if kind is Kind.CONFLICT
        else events.HostState(verb, record, as_of),
        "entry": None if kind is Kind.MISSING else entry,
        "differences": (difference,) if kind is Kind.DIFFERING else (),
    } | fields
    return item.Item(kind=kind, instance_uuid=key, **fields)


ONE_OF_EACH = tuple(made(kind) for kind in Kind)


class PolicyTest(base.TestCase):
    def written(self, policy, **fields):
        of_all = clouds.made_of(*ONE_OF_EACH, policy=policy, **fields)
        return [one.kind for one in of_all.writes()]

    def test_sync_adds_changes_and_removes_what_is_proven(self):
        self.assertEqual(
            [Kind.MISSING, Kind.DIFFERING, Kind.REMOVAL],
            self.written(Policy.SYNC),
        )

    def test_upsert_only_removes_nothing(self):
        self.assertEqual(
            [Kind.MISSING, Kind.DIFFERING], self.written(Policy.UPSERT_ONLY)
        )

    def test_create_only_changes_nothing(self):
        self.assertEqual([Kind.MISSING], self.written(Policy.CREATE_ONLY))

    def test_a_policy_is_named_as_an_operator_writes_it(self):
        self.assertEqual(
            ["sync", "upsert-only", "create-only"], [*map(str, Policy)]
        )

    def test_a_policy_that_removes_nothing_says_so(self):
        one = clouds.made_of(policy=Policy.UPSERT_ONLY)
        self.assertEqual(
            ["the policy upsert-only removes nothing"],
            one.why_none_is_removed(),
        )

    def test_no_removal_is_written_of_a_reading_that_is_not_whole(self):
        reading = summary.Summary(1.0, 1, ("page 3 failed",), clouds.URL)
        self.assertEqual(
            [Kind.MISSING, Kind.DIFFERING],
            self.written(Policy.SYNC, reading=reading),
        )

    def test_no_removal_is_written_with_the_default_owner_mark(self):
        self.assertEqual(
            [Kind.MISSING, Kind.DIFFERING],
            self.written(Policy.SYNC, owner="nova"),
        )

    def test_a_plan_of_what_is_not_written_is_empty(self):
        only = clouds.made_of(
            made(Kind.CONFLICT), made(Kind.UNSURE), made(Kind.CANDIDATE)
        )
        self.assertTrue(only.is_empty)
        self.assertFalse(clouds.made_of(made(Kind.MISSING)).is_empty)


class PlanIdTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.key = clouds.new_uuid()

    def name(self, *some, **fields):
        return clouds.made_of(*some, **fields).plan_id

    def test_the_same_situation_has_the_same_name_at_any_time(self):
        other = clouds.new_uuid()

        def read_at(as_of, *order):
            reading = summary.Summary(as_of, 7, (), clouds.URL)
            return self.name(
                *(made(Kind.DIFFERING, key, as_of) for key in order),
                made_at=as_of,
                reading=reading,
            )

        self.assertEqual(
            read_at(1.8e9, self.key, other), read_at(1.9e9, other, self.key)
        )

    def test_what_is_written_makes_the_name(self):
        names = [
            self.name(),
            self.name(made(Kind.MISSING, self.key)),
            self.name(made(Kind.MISSING, self.key, new="newer")),
            self.name(made(Kind.DIFFERING, self.key)),
            self.name(made(Kind.DIFFERING, self.key, new="newer")),
            self.name(made(Kind.REMOVAL, self.key)),
            self.name(made(Kind.REMOVAL)),
            self.name(made(Kind.REMOVAL, self.key), directory="rest"),
            self.name(made(Kind.REMOVAL, self.key), owner="theirs"),
        ]
        self.assertEqual(len(names), len(set(names)))

    def test_which_attribute_gets_which_value_makes_the_name(self):
        def with_new(*pairs):
            return self.name(
                made(
                    Kind.DIFFERING,
                    self.key,
                    differences=[
                        directories.Difference(name, (), new)
                        for name, new in pairs
                    ],
                )
            )

        self.assertNotEqual(with_new(("a", ("b",))), with_new(("c", ("b",))))
        self.assertNotEqual(
            with_new(("a", ("b",)), ("c", ())),
            with_new(("a", ()), ("b", ("c",))),
        )

    def test_what_is_not_written_does_not_make_the_name(self):
        self.assertEqual(
            self.name(made(Kind.MISSING, self.key)),
            self.name(
                made(Kind.MISSING, self.key),
                made(Kind.CONFLICT),
                made(Kind.UNSURE),
            ),
        )

    def test_a_candidate_has_the_name_of_its_removal(self):
        self.assertEqual(
            self.name(made(Kind.CANDIDATE, self.key)),
            self.name(made(Kind.REMOVAL, self.key)),
        )


class ItemsTest(base.TestCase):
    def test_items_come_back_as_they_were_put(self):
        self.assertEqual([*ONE_OF_EACH], [*items.Items(ONE_OF_EACH)])

    def test_hostile_texts_come_back(self):
        text = test_reading.HOSTILE
        key = clouds.new_uuid()
        one = made(
            Kind.DIFFERING,
            key,
            new=text,
            reason=text,
            entry=directories.Entry(
                events.HostRecord(instance_uuid=key, display_name=text),
                1.5,
                text,
                text,
                {text: (text, "")},
                text,
            ),
        )
        self.assertEqual([one], [*items.Items([one])])

    def test_a_copy_may_be_judged_by_itself(self):
        key = clouds.new_uuid()
        first = items.Items([made(Kind.CANDIDATE, key)])
        other = first.copy()
        other.judge(key, Kind.UNSURE, "who knows")
        self.assertEqual([key], first.uuids(Kind.CANDIDATE))
        (one,) = other
        self.assertEqual((Kind.UNSURE, "who knows"), (one.kind, one.reason))

    def test_items_are_returned_kind_by_kind(self):
        some = items.Items(reversed(ONE_OF_EACH))
        self.assertEqual([*Kind], [one.kind for one in some])
        self.assertEqual(len(Kind), len(some))

    def test_an_item_takes_little_memory(self):
        count = 500
        some = items.Items()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            some.put(all_differing(number))
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess((after - before) / count, MOST)


def all_differing(number):
    """Make an item of an entry in which everything is to be changed."""
    state = test_reading.full_state(number)
    record = state.record
    texts = [
        (field.name, (getattr(record, field.name),))
        for field in dataclasses.fields(record)
        if field.name != "addresses"
    ]
    return item.Item(
        kind=Kind.DIFFERING,
        instance_uuid=record.instance_uuid,
        state=state,
        entry=directories.Entry(
            record,
            1.0,
            clouds.OWNER,
            f"novaInstanceUuid={record.instance_uuid},dc=example,dc=org",
            dict(texts),
        ),
        differences=[
            directories.Difference(name, (), new) for name, new in texts
        ],
    )


class HeldBackTest(base.TestCase):
    def test_removals_and_candidates_become_unsure_with_the_reason(self):
        doubtful = clouds.made_of(
            made(Kind.CANDIDATE), made(Kind.REMOVAL), owner="nova"
        )
        held = plan.held_back(doubtful)
        self.assertEqual({Kind.UNSURE: 2}, dict(held.counts))
        self.assertEqual(
            {held.doubts()[0]}, {one.reason for one in held.items}
        )
