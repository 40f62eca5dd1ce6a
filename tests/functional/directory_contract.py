# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What every directory driver does: the one test that all of them pass.

Mix :class:`DirectoryContract` into a test case and say how a driver of
yours is made; :class:`OwnerContract` too if the service can hold entries of
several owners, :class:`TimeContract` if several write to it at a time, and
:class:`OutageContract` if it can be out of reach.
"""

import concurrent.futures
import dataclasses
import random
import uuid

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base

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

    def driver(self, owner="nova"):
        """Give a driver of the one directory of this test."""
        raise NotImplementedError

    def apply(self, verb, *records, driver=None):
        driver = driver or self.driver()
        outcomes = driver.apply([base.Change(verb, item) for item in records])
        self.addCleanup(driver.close)
        return list(outcomes)

    def register(self, *records, driver=None):
        return self.apply(events.Verb.REGISTER, *records, driver=driver)

    def unregister(self, *records, driver=None):
        return self.apply(events.Verb.UNREGISTER, *records, driver=driver)

    def found(self, owner="nova"):
        """Give uuid -> the promised dict, read by another driver."""
        reader = self.driver(owner)
        self.addCleanup(reader.close)
        return {
            entry.instance_uuid: entry.essentials()
            for entry in reader.entries()
        }

    def assert_held(self, *records):
        self.assertEqual(
            {item.instance_uuid: item.essentials() for item in records},
            self.found(),
        )

    # -- the verbs

    def test_a_registered_instance_is_found_with_its_values(self):
        one = record()
        self.assertEqual([base.Done()], self.register(one))
        self.assert_held(one)

    def test_an_unregistered_instance_is_gone(self):
        one, two = record(), record()
        self.register(one, two)
        self.assertEqual([base.Done()], self.unregister(one))
        self.assert_held(two)

    def test_to_register_twice_is_to_register_once(self):
        one = record()
        self.assertEqual(
            [base.Done()] * 2, self.register(one) + self.register(one)
        )
        self.assert_held(one)

    def test_to_register_again_brings_the_entry_up_to_date(self):
        one = record()
        self.register(one)
        newer = record(
            one.instance_uuid, image_uuid=str(uuid.uuid4()), addresses=()
        )
        self.assertEqual([base.Done()], self.register(newer))
        self.assert_held(newer)

    def test_to_unregister_what_is_not_there_is_success(self):
        self.assertEqual([base.Done()], self.unregister(record()))

    def test_a_batch_is_answered_change_by_change_in_order(self):
        records = [record() for _ in range(100)]
        self.register(*records[:50])
        driver = self.driver()
        self.addCleanup(driver.close)
        outcomes = driver.apply(
            [
                base.Change(events.Verb.UNREGISTER, item)
                for item in records[:50]
            ]
            + [
                base.Change(events.Verb.REGISTER, item)
                for item in records[50:]
            ]
        )
        self.assertEqual([base.Done()] * 100, list(outcomes))
        self.assert_held(*records[50:])

    def test_an_empty_batch_is_nothing(self):
        self.assertEqual([], self.register())

    # -- what tenants write

    def test_a_record_of_nothing_but_a_uuid_is_registered(self):
        bare = events.HostRecord(instance_uuid=str(uuid.uuid4()))
        self.assertEqual([base.Done()], self.register(bare))
        self.assertEqual([bare.instance_uuid], list(self.found()))

    def test_hostile_names_change_no_other_entry_and_lose_nothing(self):
        plain = record()
        hostile = record(
            display_name=HOSTILE,
            host_name=HOSTILE,
            project_name=HOSTILE,
            user_name=HOSTILE,
        )
        self.register(plain)
        self.assertEqual([base.Done()], self.register(hostile))
        self.assertEqual(
            {plain.instance_uuid, hostile.instance_uuid}, set(self.found())
        )
        self.assertEqual([base.Done()], self.unregister(hostile))
        self.assert_held(plain)


class OwnerContract(DirectoryContract):
    """A service that several clouds share."""

    def test_an_entry_of_another_owner_is_not_changed_and_not_ours(self):
        theirs = record()
        self.register(theirs, driver=self.driver("other"))
        before = self.found("other")
        (changed,) = self.register(
            record(theirs.instance_uuid, user_name="eve")
        )
        (removed,) = self.unregister(theirs)
        for outcome in (changed, removed):
            self.assertIsInstance(outcome, base.Rejected)
            self.assertIn("another owner mark", outcome.reason)
            self.assertIn("'nova'", outcome.reason)
        self.assertEqual(before, self.found("other"))
        self.assertEqual({}, self.found())


class TimeContract(DirectoryContract):
    """A service that several daemons write to, each with its own news."""

    NOON = 1795348800.25
    WRITERS = 4

    def tell(self, verb, item, minutes, driver=None):
        """Apply news of so many minutes past noon; it is to be Done."""
        driver = driver or self.driver()
        self.addCleanup(driver.close)
        outcomes = driver.apply(
            [base.Change(verb, item, self.NOON + 60 * minutes)]
        )
        self.assertEqual([base.Done()], list(outcomes))

    def test_older_news_does_not_replace_newer(self):
        newer = record(image_uuid=str(uuid.uuid4()))
        older = record(newer.instance_uuid)
        self.tell(events.Verb.REFRESH, newer, 2)
        self.tell(events.Verb.REGISTER, older, 1)
        self.assert_held(newer)

    def test_older_news_tells_the_names_that_newer_did_not(self):
        one = record(user_remote_address="192.0.2.7")
        silent = dataclasses.replace(
            one, user_name="", project_name="", user_remote_address=""
        )
        self.tell(events.Verb.REFRESH, silent, 2)
        self.tell(events.Verb.REGISTER, one, 1)
        self.assert_held(one)

    def test_what_newer_news_does_not_know_stays(self):
        one = record(user_remote_address="192.0.2.7")
        self.tell(events.Verb.REGISTER, one, 1)
        image = str(uuid.uuid4())
        silent = events.HostRecord(
            instance_uuid=one.instance_uuid, image_uuid=image
        )
        self.tell(events.Verb.REFRESH, silent, 2)
        self.assert_held(dataclasses.replace(one, image_uuid=image))

    def test_a_soft_unregister_takes_away_what_is_older(self):
        one = record()
        self.tell(events.Verb.REGISTER, one, 1)
        self.tell(events.Verb.SOFT_UNREGISTER, one, 2)
        self.assert_held()
        self.tell(events.Verb.RESTORE, one, 3)
        self.assert_held(one)

    def test_a_soft_unregister_leaves_what_is_newer(self):
        one = record()
        self.tell(events.Verb.RESTORE, one, 2)
        self.tell(events.Verb.SOFT_UNREGISTER, one, 1)
        self.assert_held(one)

    def test_an_unregister_heeds_no_time(self):
        one = record()
        self.tell(events.Verb.REFRESH, one, 2)
        self.tell(events.Verb.UNREGISTER, one, 1)
        self.assert_held()

    def test_of_many_who_write_at_once_the_newest_wins(self):
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
                self.tell(events.Verb.REFRESH, item, minutes, driver)

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
