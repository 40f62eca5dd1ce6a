# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import random

import requests

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import document
from tests import drivers, waiting
from tests.functional import directory_contract, rest_service

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER
REFRESH = events.Verb.REFRESH

#: Fields that say nothing about the instance.
OF_THE_EVENT = ("verb", "version", "as_of")


class RestDirectoryTestCase(rest_service.SharedServiceTestCase):
    """A test with the example service, which has nothing when it begins."""

    def setUp(self):
        super().setUp()
        self.service.clear()

    def driver(self, owner="nova", **options):
        """Make a driver from the file that the example writes."""
        return drivers.load(
            self, "rest", owner, self.service.conf_file, **options
        )

    def ask(self, driver, verb, *records):
        return list(
            driver.apply([events.HostState(verb, one) for one in records])
        )

    def stored(self, record):
        """Return the document as the service has it, or None."""
        token = self.service.reader_token_file.read_text().strip()
        answer = requests.get(
            f"{self.service.url}/{record.instance_uuid}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=waiting.LIMIT,
        )
        return answer.json() if answer.status_code == 200 else None


class RestDirectoryContractTest(
    RestDirectoryTestCase,
    directory_contract.OwnerContract,
    directory_contract.TimeContract,
    directory_contract.OutageContract,
):
    def break_directory(self):
        self.addCleanup(self.service.start)
        self.service.stop()
        return self.service.start


class RestPutContractTest(RestDirectoryContractTest):
    """The same by PUT, with other names, pages, and POST to unregister."""

    def driver(self, owner="nova", **options):
        return super().driver(
            owner,
            register_method="PUT",
            unregister_method="POST",
            unregister_url="{url}/unregister",
            page_size=7,
            **options,
        )


class RestDirectoryTest(RestDirectoryTestCase):
    def test_the_service_holds_the_six_keys_and_the_host_record(self):
        one = directory_contract.record(display_name="né 名")
        self.assertEqual([base.Done()], self.ask(self.driver(), REGISTER, one))
        found = self.stored(one)
        self.assertEqual(
            one.essentials(), {name: found[name] for name in one.essentials()}
        )
        self.assertEqual("né 名", found["host_record"]["display_name"])
        self.assertEqual("nova", found["owner"])

    def test_a_frozen_service_is_unavailable_and_then_works_again(self):
        driver = self.driver(operation_timeout=0.5, connection_timeout=0.5)
        one = directory_contract.record()
        self.until_done(driver, REGISTER, one)
        self.addCleanup(self.service.thaw)
        self.service.freeze()
        (outcome,) = self.ask(driver, UNREGISTER, one)
        self.assertIsInstance(outcome, base.Unavailable)
        self.service.thaw()
        self.until_done(driver, UNREGISTER, one)
        self.assertIsNone(self.stored(one))

    def until_done(self, driver, verb, record):
        """Ask until it is done: in so short a time it may not be at once."""
        waiting.until(
            lambda: self.ask(driver, verb, record) == [base.Done()],
            f"the driver to {verb}",
        )

    def test_a_killed_service_loses_nothing_that_it_acknowledged(self):
        driver = self.driver()
        records = [directory_contract.record() for _ in range(200)]
        outcomes = self.ask(driver, REGISTER, *records)
        self.assertEqual([base.Done()] * 200, outcomes)
        self.service.kill()
        self.addCleanup(self.service.start)
        self.service.start()
        self.assertEqual(
            {one.instance_uuid for one in records},
            {entry.record.instance_uuid for entry in driver.entries()},
        )

    def test_a_reading_of_a_service_that_dies_is_not_taken_for_all(self):
        driver = self.driver(page_size=3)
        records = [directory_contract.record() for _ in range(20)]
        self.ask(driver, REGISTER, *records)
        entries = driver.entries()
        next(entries)
        self.service.kill()
        self.addCleanup(self.service.start)
        self.assertRaises(base.DirectoryUnavailable, list, entries)
        uuids = [one.instance_uuid for one in records]
        self.assertRaises(base.DirectoryUnavailable, list, driver.find(uuids))

    def test_an_entry_differs_exactly_when_a_refresh_changes_it(self):
        chance = random.Random(12)
        fields = {
            "display_name": ["web", "né 名", ""],
            "user_name": ["alice", "bob", ""],
            "image_uuid": ["5a1d32c6-2595-461c-bbd9-c94d0a4da72c", ""],
            "addresses": [
                None,
                (),
                (events.Address("192.0.2.1", directory_contract.MAC),),
                (
                    events.Address("192.0.2.1", "fa:16:3e:00:00:01"),
                    events.Address("2001:db8::1", "fa:16:3e:00:00:02"),
                ),
            ],
        }

        def anything(instance_uuid=None):
            return directory_contract.record(
                instance_uuid,
                **{name: chance.choice(fields[name]) for name in fields},
            )

        driver = self.driver()
        first = [
            events.HostState(REFRESH, anything(), 100.0) for _ in range(60)
        ]
        driver.apply(first)
        seen = set()
        for entry in list(driver.entries()):
            one = anything(entry.record.instance_uuid)
            state = events.HostState(
                REFRESH, one, chance.choice([101.0, 101.0, 99.0])
            )
            differences = driver.differences(entry, state)
            before = self.content(one)
            self.assertEqual([base.Done()], list(driver.apply([state])))
            after = self.content(one)
            self.assertEqual(
                {found.attribute for found in differences},
                {name for name in after if after[name] != before.get(name)},
            )
            for found in differences:
                self.assertEqual(after[found.attribute], found.new)
            seen.add(bool(differences))
        self.assertEqual({True, False}, seen)

    def content(self, record):
        """Return what is stored about the instance, by its paths."""
        content = document.content(self.stored(record))
        return {
            name: content[name] for name in content if name not in OF_THE_EVENT
        }
