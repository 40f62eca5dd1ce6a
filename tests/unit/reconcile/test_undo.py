# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.reconcile import before_image, undo
from tests import recordings
from tests.unit import base

RECORD = recordings.RECORD
UUID = RECORD.instance_uuid
ALIVE = events.HostState(events.Verb.REFRESH, RECORD, 600.0)
GONE = events.HostState(
    events.Verb.UNREGISTER, events.HostRecord(instance_uuid=UUID), 600.0
)


def entry(owner="ours", as_of=400.0, **changes):
    record = dataclasses.replace(RECORD, **changes)
    return contract.Entry(
        record=record,
        as_of=as_of,
        owner=owner,
        name=UUID,
        content={"name": [record.host_name]},
    )


class StepTest(base.TestCase):
    def step(self, before, answer, now, **more):
        image = before and before_image.of(before, 500.0)
        return undo.step(UUID, image, answer, now, "ours", **more)

    def assert_left(self, word, *arguments, **more):
        found = self.step(*arguments, **more)
        self.assertEqual((undo.Deed.LEFT, None), (found.deed, found.repair))
        self.assertIn(word, found.reason)

    def test_what_was_removed_comes_back_as_it_was(self):
        before = entry(host_name="old")
        found = self.step(before, ALIVE, None)
        event = undo.at(found.repair, 700.0).event
        self.assertEqual(
            (undo.Deed.RESTORED, events.UNDO, before.record, 700.0),
            (found.deed, event.event_type, event.record, event.occurred_at),
        )
        self.assertIsNone(found.repair.before)

    def test_what_was_changed_is_as_it_was(self):
        now = entry()
        found = self.step(entry(host_name="old"), ALIVE, now)
        self.assertEqual("old", found.repair.event.record.host_name)
        self.assertEqual(before_image.of(now, 0.0), found.repair.before)

    def test_what_was_added_goes_if_nova_says_so(self):
        found = self.step(None, GONE, entry())
        self.assertEqual(undo.Deed.REMOVED, found.deed)
        self.assertIs(events.Verb.SOFT_UNREGISTER, found.repair.event.verb)
        self.assert_left("Nova has the instance", None, ALIVE, entry())
        self.assert_left("there is no entry", None, GONE, None)

    def test_what_is_gone_does_not_come_back(self):
        self.assert_left("is gone", entry(), GONE, None)

    def test_nothing_is_done_while_nova_is_unsure(self):
        unsure = events.StateUnknown("a cell is down")
        self.assert_left("a cell is down", entry(), unsure, None)
        self.assert_left("None", entry(), None, None)

    def test_what_came_later_stays(self):
        self.assert_left("later event", entry(), ALIVE, entry(as_of=501.0))

    def test_what_the_run_has_written_is_not_later(self):
        found = self.step(
            entry(host_name="old"), ALIVE, entry(as_of=500.000001)
        )
        self.assertEqual(undo.Deed.RESTORED, found.deed)

    def test_what_is_not_ours_stays(self):
        self.assert_left("owner mark", entry(), ALIVE, entry(owner="theirs"))
        double = dataclasses.replace(entry(), conflict="there are two")
        self.assert_left("there are two", entry(), ALIVE, double)

    def test_what_is_as_it_was_stays(self):
        self.assert_left("as it was", entry(), ALIVE, entry())

    def test_what_is_not_delivered_yet_is_taken_back_all_the_same(self):
        """The entry is as it was: until the daemon goes on."""
        found = self.step(entry(), ALIVE, entry(), is_waiting=True)
        self.assertEqual(undo.Deed.RESTORED, found.deed)
        self.assertEqual(RECORD, found.repair.event.record)
        found = self.step(None, GONE, None, is_waiting=True)
        self.assertEqual(undo.Deed.REMOVED, found.deed)

    def test_what_nova_has_said_since_stays_delivered_or_not(self):
        for now in (entry(host_name="new"), None):
            self.assert_left(
                "later event", entry(), ALIVE, now, is_overtaken=True
            )
