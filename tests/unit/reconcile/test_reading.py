# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A reading keeps each state as it was read, in little memory."""

import tracemalloc

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import server, summary
from nova_dirsvc_plugin.reconcile import reading
from tests.unit import base
from tests.unit.reconcile import clouds

#: Bytes for an instance, with all fields and two addresses.
MOST = 1000

HOSTILE = "\x00\n\r\x1b[31m: <\udc80\ud800\U0001f600é ',\"\\"


def state(key, verb=events.Verb.REFRESH, as_of=1.8e9, **fields):
    record = events.HostRecord(instance_uuid=key, **fields)
    return events.HostState(verb, record, as_of)


def full_state(number):
    """Make the state of an instance with all that there can be."""
    return state(
        clouds.new_uuid(),
        display_name=f"web-server-{number}",
        host_name=f"web-server-{number}",
        project_id=f"{number % 100:032x}",
        project_name=f"project-{number % 100}",
        user_id=f"{number % 300:032x}",
        user_name=f"user-{number % 300}",
        image_uuid=clouds.new_uuid(),
        flavor_name="m1.small",
        availability_zone="nova",
        compute_host=f"compute-{number % 500}.example.org",
        created_at="2026-11-22T10:27:53Z",
        launched_at="2026-11-22T10:28:01Z",
        addresses=tuple(
            events.Address(ip, f"fa:16:3e:{number % 251:02x}:00:01", "net")
            for ip in (f"10.0.{number % 251}.7", f"fd00::{number % 9999:x}")
        ),
    )


class ReadingTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.reading = reading.Reading()

    def test_a_state_comes_back_as_it_was_read(self):
        for one in (
            full_state(1),
            state(clouds.new_uuid(), as_of=1795000000.123456),
            state(clouds.new_uuid(), addresses=()),
            state(
                clouds.new_uuid(),
                display_name=HOSTILE,
                addresses=(events.Address(HOSTILE, HOSTILE, HOSTILE),),
            ),
        ):
            self.reading.add(one)
            self.assertEqual(
                one, self.reading.wanted(one.record.instance_uuid)
            )
        self.assertEqual(4, len(self.reading))

    def test_an_instance_that_should_have_no_entry_is_kept_apart(self):
        one = state(clouds.new_uuid(), events.Verb.SOFT_UNREGISTER)
        self.reading.add(one)
        self.assertIsNone(self.reading.wanted(one.record.instance_uuid))
        self.assertIn(one.record.instance_uuid, self.reading)
        self.assertEqual([], list(self.reading.all_wanted()))

    def test_an_instance_that_was_not_read_has_no_state(self):
        key = clouds.new_uuid()
        self.assertIsNone(self.reading.wanted(key))
        self.assertNotIn(key, self.reading)
        self.assertEqual("", self.reading.undecided(key))

    def test_an_undecided_instance_has_a_reason_and_no_state(self):
        key = clouds.new_uuid()
        self.reading.add(summary.Undecided(key, "its cell is down"))
        self.assertIsNone(self.reading.wanted(key))
        self.assertIn(key, self.reading)
        self.assertEqual("its cell is down", self.reading.undecided(key))

    def test_what_was_read_last_counts(self):
        key = clouds.new_uuid()
        self.reading.add(state(key, project_id="p"))
        self.reading.add(summary.Undecided(key, "being built"))
        self.assertIsNone(self.reading.wanted(key))
        self.assertEqual(0, self.reading.projects["p"])
        self.reading.add(state(key, project_id="p"))
        self.reading.add(state(key, project_id="q", as_of=1.9e9))
        self.assertEqual("", self.reading.undecided(key))
        self.assertEqual(1.9e9, self.reading.wanted(key).as_of)
        self.assertEqual(1, self.reading.projects["q"])
        self.assertEqual(0, self.reading.projects["p"])

    def test_instances_with_an_entry_are_counted_by_project(self):
        for project in ("p", "p", "q"):
            self.reading.add(state(clouds.new_uuid(), project_id=project))
        self.reading.add(
            state(
                clouds.new_uuid(),
                events.Verb.SOFT_UNREGISTER,
                project_id="q",
            )
        )
        self.reading.add(server.gone(clouds.new_uuid(), 1.8e9))
        self.assertEqual({"p": 2, "q": 1}, dict(self.reading.projects))

    def test_a_reading_that_has_not_ended_is_not_whole(self):
        self.assertFalse(self.reading.summary.whole)

    def test_an_instance_takes_little_memory(self):
        count = 2000
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            self.reading.add(full_state(number))
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess((after - before) / count, MOST)
