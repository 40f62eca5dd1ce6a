# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A candidate is removed only if Nova, asked for it, says that it is gone."""

import dataclasses

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import server, summary
from nova_dirsvc_plugin.reconcile import guard, proof
from tests.unit import base
from tests.unit.reconcile import clouds, test_plan

Kind = clouds.Kind
Policy = clouds.Policy

LIMITS = guard.Limits()


class Base(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cloud = clouds.Cloud()
        self.cloud.boot(register=True)
        self.asked = []

    def ask(self, keys):
        self.asked += keys
        return self.cloud.ask(keys)

    def prove(self, made, ask=None, **more):
        return proof.prove(made, ask or self.ask, LIMITS, **more)

    def gone(self, count=1):
        """Leave entries whose instances are gone; return their uuids."""
        return [self.cloud.register(clouds.new_uuid()) for _ in range(count)]

    def alive(self, count=1):
        """Boot instances with entries, which the list leaves out."""
        keys = [self.cloud.boot(register=True) for _ in range(count)]
        self.cloud.unlisted |= set(keys)
        return keys


class ProofTest(Base):
    def test_one_of_which_nova_says_so_is_removed(self):
        (key,) = self.gone()
        plan = self.prove(self.cloud.plan())
        (item,) = plan.writes()
        self.assertEqual((Kind.REMOVAL, key), (item.kind, item.instance_uuid))
        self.assertEqual(events.Verb.SOFT_UNREGISTER, item.state.verb)
        self.assertEqual(clouds.READ_AT, item.state.as_of)
        self.assertEqual([key], self.asked)

    def test_one_that_is_soft_deleted_is_removed(self):
        """No event keeps an entry of it either."""
        (key,) = self.alive()
        self.cloud.states[key] = dataclasses.replace(
            self.cloud.states[key], verb=events.Verb.SOFT_UNREGISTER
        )
        plan = self.prove(self.cloud.plan())
        self.assertEqual([key], plan.items.uuids(Kind.REMOVAL))

    def test_one_that_lives_stays(self):
        (key,) = self.alive()
        (gone,) = self.gone()
        plan = self.prove(self.cloud.plan())
        self.assertEqual([gone], plan.items.uuids(Kind.REMOVAL))
        (item,) = plan.items.of(Kind.UNSURE)
        self.assertEqual(key, item.instance_uuid)
        self.assertIn("Nova has the instance", item.reason)

    def test_one_of_which_nova_is_unsure_stays(self):
        self.gone(4)
        answers = [
            events.StateUnknown("Nova refuses the account (401)"),
            events.StateUnknown("Nova's API fails (503)"),
            events.StateUndecided("check whether its cell is down"),
            server.gone(clouds.new_uuid(), clouds.READ_AT),
        ]
        plan = self.prove(
            self.cloud.plan(),
            lambda keys: dict(zip(keys, answers, strict=True)),
        )
        self.assertEqual({Kind.UNSURE: 4}, dict(plan.counts))
        reasons = " ".join(item.reason for item in plan.items)
        for words in ("401", "503", "cell is down", "another instance"):
            self.assertIn(words, reasons)

    def test_one_without_an_answer_stays(self):
        self.gone()
        plan = self.prove(self.cloud.plan(), lambda keys: {})
        self.assertEqual({Kind.UNSURE: 1}, dict(plan.counts))

    def test_an_entry_newer_than_the_reading_is_not_asked_about(self):
        self.cloud.register(clouds.new_uuid(), seconds=1)
        plan = self.prove(self.cloud.plan())
        self.assertEqual([], self.asked)
        self.assertEqual({Kind.UNSURE: 1}, dict(plan.counts))

    def test_a_clock_an_hour_ahead_removes_nothing_that_lives(self):
        """That of the reading, or that of who wrote the entry."""
        for read_at, written in ((3600.0, 5.0), (0.0, 3600.0)):
            (lives,) = self.alive()
            self.cloud.register(lives, written)
            made = self.cloud.read(clouds.READ_AT + read_at)
            plan = self.prove(self.cloud.compare(made))
            self.assertEqual([lives], plan.items.uuids(Kind.UNSURE))
            self.assertEqual([], [*plan.writes()])
            self.cloud.unlisted.clear()

    def test_a_clock_an_hour_ahead_blanks_nothing(self):
        key = self.cloud.boot(project_name="demo")
        self.cloud.register(key, 3600.0, display_name="newer")
        plan = self.prove(self.cloud.plan())
        self.assertEqual([], [*plan.writes()])

    def test_nova_is_not_asked_where_nothing_is_removed(self):
        self.gone(3)
        for policy in (Policy.UPSERT_ONLY, Policy.CREATE_ONLY):
            plan = self.prove(self.cloud.plan(policy))
            self.assertEqual({Kind.CANDIDATE: 3}, dict(plan.counts))
        self.cloud.why_not_whole = ("page 3 failed",)
        plan = self.prove(self.cloud.plan())
        self.assertEqual({Kind.UNSURE: 3}, dict(plan.counts))
        self.assertEqual([], self.asked)

    def test_the_default_owner_mark_removes_nothing(self):
        cloud = clouds.Cloud(owner="nova")
        for _ in range(3):
            cloud.boot(register=True)
            cloud.register(clouds.new_uuid())
        plan = self.prove(cloud.plan())
        self.assertEqual([], list(plan.writes()))
        self.assertEqual([], self.asked)
        self.assertEqual({Kind.UNSURE: 3}, dict(plan.counts))

    def test_a_removal_is_proven_anew(self):
        """A plan was made, and is applied later."""
        (key,) = self.gone()
        plan = self.prove(self.cloud.plan())
        self.cloud.boot(key)
        plan = self.prove(plan)
        self.assertEqual({Kind.UNSURE: 1}, dict(plan.counts))

    def test_a_removal_of_a_reading_that_is_not_whole_is_none(self):
        reading = summary.Summary(1.0, 1, ("page 3 failed",), clouds.URL)
        plan = self.prove(
            clouds.made_of(test_plan.made(Kind.REMOVAL), reading=reading)
        )
        self.assertEqual({Kind.UNSURE: 1}, dict(plan.counts))

    def test_other_items_stay_as_they_are(self):
        missing = self.cloud.boot()
        self.gone()
        plan = self.cloud.plan()
        proven = self.prove(plan)
        self.assertEqual([missing], proven.items.uuids(Kind.MISSING))
        self.assertEqual(plan.plan_id, proven.plan_id)
        self.assertEqual(
            {Kind.MISSING: 1, Kind.CANDIDATE: 1}, dict(plan.counts)
        )


class SampleTest(Base):
    """More candidates than the guard allows."""

    def test_all_are_asked_about_if_the_sample_is_gone(self):
        keys = self.gone(300)
        plan = self.prove(self.cloud.plan())
        self.assertEqual(sorted(keys), sorted(self.asked))
        self.assertEqual({Kind.REMOVAL: 300}, dict(plan.counts))
        self.assertTrue(plan.reading.whole)

    def test_one_of_the_sample_that_lives_ends_it(self):
        self.check_the_end(self.alive()[0], "Nova has the instance")

    def test_one_of_the_sample_that_is_unsure_ends_it(self):
        (key,) = self.gone()
        self.cloud.answer = lambda asked: (
            events.StateUnknown("no answer within 60 s")
            if asked == key
            else server.gone(asked, clouds.READ_AT)
        )
        self.check_the_end(key, "no answer within 60 s")

    def check_the_end(self, key, words):
        """See that nothing is removed because of one instance."""
        self.gone(300)
        plan = self.prove(
            self.cloud.plan(),
            sample=lambda keys, count: [key, *keys[-count + 1 :]],
        )
        self.assertEqual(proof.SAMPLE, len(self.asked))
        self.assertEqual([], list(plan.writes()))
        self.assertFalse(plan.reading.whole)
        self.assertIn(words, plan.reading.why_not_whole[-1])
        self.assertIn(f"{proof.SAMPLE} of 301", plan.reading.why_not_whole[-1])
        self.assertEqual(0, plan.counts[Kind.CANDIDATE])

    def test_as_many_as_the_guard_allows_need_no_sample(self):
        (alive,) = self.alive()
        keys = self.gone(19)
        plan = self.prove(self.cloud.plan())
        self.assertEqual(sorted(keys), sorted(plan.items.uuids(Kind.REMOVAL)))
        self.assertEqual([alive], plan.items.uuids(Kind.UNSURE))

    def test_nova_is_asked_for_portions(self):
        self.gone(300)
        portions = []

        def ask(keys):
            portions.append(len(keys))
            return self.cloud.ask(keys)

        self.prove(self.cloud.plan(), ask)
        self.assertEqual([proof.SAMPLE, 128, 128, 300 - 288], portions)

    def test_a_nova_that_went_silent_is_not_asked_on(self):
        self.gone(500)
        asked = []

        def ask(keys):
            asked.append(len(keys))
            if len(asked) < 3:
                return self.cloud.ask(keys)
            return {key: events.StateUnknown("refused") for key in keys}

        plan = self.prove(self.cloud.plan(), ask)
        self.assertEqual(3, len(asked))
        self.assertEqual(
            {Kind.REMOVAL: 160, Kind.UNSURE: 340}, dict(plan.counts)
        )

    def test_progress_counts_what_is_decided(self):
        self.gone(300)
        seen = []
        self.prove(self.cloud.plan(), progress=seen.append)
        self.assertEqual([32, 160, 288, 300], seen)
