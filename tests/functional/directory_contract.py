# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The test that every directory driver passes.

Mix :class:`DirectoryContract` into a test case and make a driver of yours in
it; :class:`OwnerContract` too if the service can hold entries of several
owners, :class:`TimeContract` if several daemons write to it, and
:class:`OutageContract` if it can be out of reach. The contract itself is
``nova_dirsvc_plugin.directories.conformance``, which operators run, too.
"""

import concurrent.futures
import dataclasses
import random
import uuid

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base, conformance

MAC = "fa:16:3e:51:8e:ab"
HOSTILE = '# né ,+"\\<>;=()*\x00\ud800\r\n\U0001f600 名前 ' + "x" * 220


def record(instance_uuid=None, **fields):
    """Make a record; each call is another instance."""
    return events.HostRecord(
        instance_uuid=instance_uuid or str(uuid.uuid4()),
        **{
            "host_name": "plain",
            "project_name": "demo",
            "user_name": "alice",
            "image_uuid": "5a1d32c6-2595-461c-bbd9-c94d0a4da72c",
            "created_at": "2026-11-22T10:27:53Z",
            "addresses": (events.Address("10.0.0.54", MAC, "private"),),
        }
        | fields,
    )


class DirectoryContract:
    """What holds for all of them."""

    NEEDS = (conformance.Need.ALWAYS, conformance.Need.READING)
    NOON = 1795348800.25
    #: How often a batch lets other work be done: drivers that wait do once.
    OVERLAPS = 1

    def driver(self, owner="nova"):
        """Return a driver of the one directory of this test."""
        raise NotImplementedError

    def apply(self, verb, *records, driver=None):
        driver = driver or self.driver()
        outcomes = driver.apply(
            [events.HostState(verb, item) for item in records]
        )
        self.addCleanup(driver.close)
        return list(outcomes)

    def register(self, *records, driver=None):
        return self.apply(events.Verb.REGISTER, *records, driver=driver)

    def unregister(self, *records, driver=None):
        return self.apply(events.Verb.UNREGISTER, *records, driver=driver)

    def found(self, owner="nova"):
        """Return uuid -> the promised dict, read by another driver."""
        reader = self.driver(owner)
        self.addCleanup(reader.close)
        return {
            entry.record.instance_uuid: entry.record.essentials()
            for entry in reader.entries()
        }

    def assert_held(self, *records):
        self.assertEqual(
            {item.instance_uuid: item.essentials() for item in records},
            self.found(),
        )

    # -- the contract

    def test_the_directory_keeps_the_contract(self):
        trial = conformance.Trial(self.driver, "nova", self.NOON)
        # That one appends is a reason not to try a check.
        enough = (True, None) if trial.ours.APPEND_ONLY else (True,)
        self.assertEqual(
            [],
            [
                finding
                for finding in conformance.run(trial)
                if finding.need in self.NEEDS and finding.holds not in enough
            ],
        )

    # -- what the checks of an operator do not see

    def test_a_batch_is_answered_change_by_change_in_order(self):
        records = [record() for _ in range(100)]
        self.register(*records[:50])
        driver = self.driver()
        self.addCleanup(driver.close)
        outcomes = driver.apply(
            [
                events.HostState(events.Verb.UNREGISTER, item)
                for item in records[:50]
            ]
            + [
                events.HostState(events.Verb.REGISTER, item)
                for item in records[50:]
            ]
        )
        self.assertEqual([base.Done()] * 100, list(outcomes))
        self.assert_held(*records[50:])

    def test_a_new_entry_is_shown_as_it_is_made(self):
        one = record()
        driver = self.driver()
        state = events.HostState(events.Verb.REGISTER, one, self.NOON)
        shown = driver.new_entry(state)
        self.assertEqual([], list(driver.find([one.instance_uuid])))
        self.assertEqual([base.Done()], list(driver.apply([state])))
        self.addCleanup(driver.close)
        (made,) = driver.find([one.instance_uuid])
        self.assertEqual(
            (shown.name, shown.owner, shown.record.essentials()),
            (made.name, made.owner, made.record.essentials()),
        )
        self.assertEqual([], list(driver.differences(shown, state)))
        for name, values in shown.content.items():
            self.assertEqual(sorted(values), sorted(made.content[name]))

    def test_other_work_is_done_once_in_a_batch_and_changes_no_outcome(self):
        driver = self.driver()
        self.addCleanup(driver.close)
        new, other = (
            [record() for _ in range(100)],
            [record() for _ in range(100)],
        )
        calls = []

        def meanwhile():
            calls.append(len(calls))
            driver.look_ahead(
                [events.HostState(events.Verb.REFRESH, one) for one in other]
            )

        states = [events.HostState(events.Verb.REGISTER, one) for one in new]
        outcomes = driver.apply_overlapping(states, meanwhile)
        self.assertEqual([base.Done()] * 100, list(outcomes))
        self.assertEqual(self.OVERLAPS, len(calls))
        self.assert_held(*new)
        # What was looked up comes or comes not.
        self.assertEqual(
            [base.Done()] * 50, self.register(*other[:50], driver=driver)
        )
        self.assert_held(*new, *other[:50])

    def test_an_empty_batch_is_nothing(self):
        self.assertEqual([], self.register())


class OwnerContract(DirectoryContract):
    """A service that several clouds share."""

    NEEDS = (*DirectoryContract.NEEDS, conformance.Need.OWNERS)

    def test_a_refused_entry_names_the_owner_mark(self):
        theirs = record()
        self.register(theirs, driver=self.driver("other"))
        for outcome in self.register(theirs) + self.unregister(theirs):
            self.assertIsInstance(outcome, base.Rejected)
            self.assertIn("another owner mark", outcome.reason)
            self.assertIn("'nova'", outcome.reason)


class TimeContract(DirectoryContract):
    """A service that several daemons write to, each with its own events."""

    NEEDS = (*DirectoryContract.NEEDS, conformance.Need.WRITERS)
    WRITERS = 4

    def apply_at(self, verb, item, minutes, driver=None):
        """Apply a state of so many minutes past noon; it is to be Done."""
        driver = driver or self.driver()
        self.addCleanup(driver.close)
        outcomes = driver.apply(
            [events.HostState(verb, item, self.NOON + 60 * minutes)]
        )
        self.assertEqual([base.Done()], list(outcomes))

    def test_an_older_state_fills_in_the_names_that_are_unknown(self):
        one = record(user_remote_address="192.0.2.7")
        silent = dataclasses.replace(
            one, user_name="", project_name="", user_remote_address=""
        )
        self.apply_at(events.Verb.REFRESH, silent, 2)
        self.apply_at(events.Verb.REGISTER, one, 1)
        self.assert_held(one)

    def test_a_restore_brings_back_what_a_soft_unregister_took_away(self):
        one = record()
        self.apply_at(events.Verb.REGISTER, one, 1)
        self.apply_at(events.Verb.SOFT_UNREGISTER, one, 2)
        self.assert_held()
        self.apply_at(events.Verb.RESTORE, one, 3)
        self.assert_held(one)

    def test_an_unregister_ignores_the_time(self):
        one = record()
        self.apply_at(events.Verb.REFRESH, one, 2)
        self.apply_at(events.Verb.UNREGISTER, one, 1)
        self.assert_held()

    def test_of_many_who_write_at_once_the_latest_wins(self):
        one = record()
        news = [
            (minutes, record(one.instance_uuid, image_uuid=str(uuid.uuid4())))
            for minutes in range(24)
        ]
        newest = news[-1][1]
        random.Random(4).shuffle(news)

        def write(items):
            driver = self.driver()
            for minutes, item in items:
                self.apply_at(events.Verb.REFRESH, item, minutes, driver)

        shares = [news[start :: self.WRITERS] for start in range(self.WRITERS)]
        with concurrent.futures.ThreadPoolExecutor(self.WRITERS) as pool:
            list(pool.map(write, shares))
        self.assert_held(newest)


class OutageContract(DirectoryContract):
    """A service that can be out of reach."""

    def break_directory(self):
        """Take the directory out of reach; give what brings it back."""
        raise NotImplementedError

    def test_out_of_reach_is_unavailable_and_afterwards_it_works(self):
        driver = self.driver()
        self.register(record(), driver=driver)
        repair = self.break_directory()
        records = [record() for _ in range(3)]
        outcomes = self.register(*records, driver=driver)
        self.assertEqual(3, len(outcomes))
        for outcome in outcomes:
            self.assertIsInstance(outcome, base.Unavailable)
            self.assertTrue(outcome.reason)
        repair()
        self.assertEqual(
            [base.Done()] * 3, self.register(*records, driver=driver)
        )
