# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.reconcile import poll
from tests import recordings
from tests.unit import base

VERB = events.Verb


class NewsTest(base.TestCase):
    """What Nova says, beside what the outbox knows."""

    def setUp(self):
        super().setUp()
        self.record = recordings.RECORD
        self.known = []

    def knows(self, verb=VERB.REGISTER, at=100.0, **changes):
        record = dataclasses.replace(self.record, **changes)
        number = len(self.known) + 1
        event = events.Event(
            message_id=f"message-{number}",
            event_type="instance.create.end",
            verb=verb,
            occurred_at=at,
            request_id="",
            record=record,
        )
        self.known.append(outbox.Entry(number, event, at))

    def news(self, verb=VERB.REFRESH, at=200.0, **changes):
        record = dataclasses.replace(self.record, **changes)
        return poll.news(events.HostState(verb, record, at), self.known)

    def test_an_instance_without_an_event_is_news(self):
        found = self.news()
        self.assertEqual(
            (events.POLL, VERB.REFRESH, 200.0, self.record),
            (found.event_type, found.verb, found.occurred_at, found.record),
        )

    def test_what_is_known_is_no_news(self):
        self.knows()
        self.assertIsNone(self.news())

    def test_a_name_that_nova_does_not_tell_is_no_news(self):
        self.knows()
        self.assertIsNone(self.news(user_name="", user_remote_address=""))

    def test_a_change_is_news(self):
        self.knows()
        self.assertEqual(
            "host2", self.news(compute_host="host2").record.compute_host
        )

    def test_a_later_event_is_believed(self):
        self.knows(at=300.0)
        self.assertIsNone(self.news(compute_host="host2"))

    def test_a_removal_is_news_once(self):
        self.knows()
        self.assertEqual(
            VERB.SOFT_UNREGISTER, self.news(VERB.SOFT_UNREGISTER).verb
        )
        self.knows(VERB.SOFT_UNREGISTER, at=150.0)
        self.assertIsNone(self.news(VERB.SOFT_UNREGISTER))

    def test_what_was_removed_and_lives_is_news(self):
        self.knows(VERB.SOFT_UNREGISTER)
        self.assertEqual(VERB.REFRESH, self.news().verb)

    def test_what_is_gone_for_ever_is_no_news(self):
        self.knows(VERB.UNREGISTER)
        self.assertIsNone(self.news())

    def test_the_same_news_has_the_same_id_whoever_polls_and_when(self):
        self.knows()
        one = self.news(at=200.0, compute_host="host2")
        again = self.news(at=260.0, compute_host="host2")
        self.assertEqual(one.message_id, again.message_id)

    def test_a_state_that_comes_again_has_another_id(self):
        self.knows()
        there = self.news(compute_host="host2")
        self.knows(at=200.0, compute_host="host2")
        self.knows(at=210.0)
        again = self.news(at=220.0, compute_host="host2")
        self.assertNotEqual(there.message_id, again.message_id)
