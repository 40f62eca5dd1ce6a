# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the driver sends, and what it makes of what it reads."""

import json
import pathlib
import uuid

import fixtures
import testtools

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from tests import drivers
from tests.functional import directory_contract, hostile_service

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER


class ReceiverTestCase(testtools.TestCase):
    """A receiver that answers anything, and remembers it."""

    def setUp(self):
        super().setUp()
        self.receiver = self.useFixture(hostile_service.HostileService())

    def driver(self, **options):
        return drivers.load(
            self, "rest", **{"url": self.receiver.url} | options
        )

    def apply(self, driver, verb, record, as_of=0.0):
        """Apply a change. :returns: the request that came of it"""
        (outcome,) = driver.apply([events.HostState(verb, record, as_of)])
        self.assertEqual(base.Done(), outcome)
        return self.receiver.requests[-1]


class RequestsTest(ReceiverTestCase):
    def test_a_post_and_a_delete_are_as_the_contract_says(self):
        one = directory_contract.record()
        driver = self.driver()
        sent = self.apply(driver, REGISTER, one, 1795348800.25)
        self.assertEqual(("POST", "/v1/instances"), (sent.method, sent.target))
        self.assertEqual("application/json", sent.headers["content-type"])
        document = json.loads(sent.body)
        self.assertEqual(
            one.essentials(),
            {name: document[name] for name in one.essentials()},
        )
        gone = self.apply(driver, UNREGISTER, one, 1795348801.0)
        self.assertEqual(
            ("DELETE", f"/v1/instances/{one.instance_uuid}", b""),
            (gone.method, gone.target, gone.body),
        )
        self.assertEqual("unregister", gone.headers["dirsvc-verb"])
        self.assertEqual("nova", gone.headers["dirsvc-owner"])
        self.assertEqual(
            "2026-11-22T12:00:01.000000Z", gone.headers["dirsvc-as-of"]
        )
        self.assertNotIn("content-type", gone.headers)

    def test_a_repeated_post_of_the_same_event_has_the_same_key(self):
        one = directory_contract.record()
        driver = self.driver()
        keys = [
            self.apply(driver, REGISTER, one, as_of).headers["idempotency-key"]
            for as_of in (1.0, 1.0, 2.0)
        ]
        self.assertEqual(keys[0], keys[1])
        self.assertNotEqual(keys[0], keys[2])

    def test_the_uuid_goes_by_post_where_a_service_knows_only_that(self):
        one = directory_contract.record()
        gone = self.apply(
            self.driver(unregister_method="POST", unregister_url="{url}/gone"),
            UNREGISTER,
            one,
        )
        self.assertEqual("/v1/instances/gone", gone.target)
        self.assertEqual(
            {"instance_uuid": one.instance_uuid}, json.loads(gone.body)
        )

    def test_a_service_gets_the_names_that_it_knows(self):
        sent = self.apply(
            self.driver(
                rename={
                    "mac_address": "mac",
                    "host_record.host_name": "ci.name",
                },
                leave_out=["verb", "host_record.addresses"],
                header=["X-Source: nova"],
            ),
            REGISTER,
            directory_contract.record(),
        )
        document = json.loads(sent.body)
        self.assertEqual(directory_contract.MAC, document["mac"])
        self.assertEqual({"name": "plain"}, document["ci"])
        self.assertNotIn("verb", document)
        self.assertNotIn("addresses", document["host_record"])
        self.assertEqual("nova", sent.headers["x-source"])

    def test_what_a_tenant_writes_is_in_the_body_alone(self):
        hostile = directory_contract.record(
            display_name=directory_contract.HOSTILE,
            host_name=directory_contract.HOSTILE,
            project_name="../../x?y=\r\nX-Evil: 1",
        )
        sent = self.apply(self.driver(), REGISTER, hostile)
        self.assertEqual("/v1/instances", sent.target)
        self.assertNotIn("x-evil", sent.headers)
        json.loads(sent.body)

    def test_a_uuid_goes_out_in_the_one_usual_way(self):
        one = uuid.uuid4()
        for spelt in (f"{{{one}}}", one.hex.upper(), one.urn):
            gone = self.apply(
                self.driver(),
                UNREGISTER,
                events.HostRecord(instance_uuid=spelt),
            )
            self.assertEqual(f"/v1/instances/{one}", gone.target)
            self.assertIn(f"nova:{one}:", gone.headers["idempotency-key"])

    def test_a_uuid_that_is_none_never_becomes_part_of_an_address(self):
        for wrong in ("../../x", "", "a" * 31):
            state = events.HostState(
                UNREGISTER, events.HostRecord(instance_uuid=wrong)
            )
            (outcome,) = self.driver().apply([state])
            self.assertIsInstance(outcome, base.Rejected)
        self.assertEqual([], self.receiver.requests)

    def test_no_secret_is_in_a_reason_though_the_service_echoes_it(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        token = folder / "token"
        token.write_text("geheim")

        def echo(line, request):
            said = request.headers["authorization"].encode()
            # What is shown of it ends in the middle of the secret.
            text = b"you said " + said + b" " * 8 + b"x" * 160 + said
            return hostile_service.answers(400, text)(line, request)

        self.receiver.behaviour = echo
        driver = self.driver(auth="bearer", token_file=str(token))
        state = events.HostState(REGISTER, directory_contract.record())
        (outcome,) = driver.apply([state])
        self.assertIn("you said Bearer ***", outcome.reason)
        self.assertNotIn("geheim", outcome.reason)

    def oauth2(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        secret = folder / "secret"
        secret.write_text("geheim")
        return {
            "auth": "oauth2",
            "oauth2_token_url": f"http://127.0.0.1:{self.receiver.port}/token",
            "oauth2_client_id": "nova",
            "oauth2_client_secret_file": str(secret),
        }

    def test_a_token_of_oauth_2_is_got_once_and_again_when_refused(self):
        tokens = iter(("one", "two"))

        def behave(line, request):
            if request.target == "/token":
                body = json.dumps(
                    {
                        "access_token": next(tokens),
                        "token_type": "Bearer",
                        "expires_in": 3600,
                    }
                )
                return hostile_service.answers(200, body.encode())(
                    line, request
                )
            good = request.headers["authorization"] == f"Bearer {good_one}"
            return hostile_service.answers(204 if good else 401)(line, request)

        good_one = "one"
        self.receiver.behaviour = behave
        driver = self.driver(**self.oauth2())
        one = directory_contract.record()
        self.apply(driver, REGISTER, one)
        self.apply(driver, REGISTER, one)
        good_one = "two"
        (outcome,) = driver.apply([events.HostState(REGISTER, one)])
        self.assertIsInstance(outcome, base.Unavailable)
        self.apply(driver, REGISTER, one)
        targets = [sent.target for sent in self.receiver.requests]
        self.assertEqual(2, targets.count("/token"))

    def test_a_token_is_not_asked_for_where_it_is_sent_on_to(self):
        self.receiver.behaviour = hostile_service.answers(
            307, Location="/token/"
        )
        state = events.HostState(REGISTER, directory_contract.record())
        (outcome,) = self.driver(**self.oauth2()).apply([state])
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertIn("no token", outcome.reason)
        self.assertIn("307: moved to /token/", outcome.reason)
        (sent,) = self.receiver.requests
        self.assertEqual("/token", sent.target)

    def test_a_token_server_that_asks_for_peace_gets_it(self):
        self.receiver.behaviour = hostile_service.answers(
            429, Retry_After="300"
        )
        driver = self.driver(**self.oauth2())
        state = events.HostState(REGISTER, directory_contract.record())
        for _ in range(3):
            (outcome,) = driver.apply([state])
            self.assertGreater(outcome.retry_after, 100)
        self.assertEqual(1, len(self.receiver.requests))

    def test_no_proxy_is_told_what_is_for_this_host(self):
        proxy = self.useFixture(hostile_service.HostileService())
        self.useFixture(
            fixtures.EnvironmentVariable(
                "http_proxy", f"http://127.0.0.1:{proxy.port}"
            )
        )
        self.useFixture(fixtures.EnvironmentVariable("no_proxy", None))
        self.apply(self.driver(), REGISTER, directory_contract.record())
        self.assertEqual([], proxy.requests)

    def test_a_password_of_a_proxy_is_in_no_reason(self):
        self.useFixture(
            fixtures.EnvironmentVariable(
                "http_proxy", "http://user:geheim@127.0.0.1:99999"
            )
        )
        driver = self.driver(url="http://cmdb.invalid/", insecure=True)
        state = events.HostState(REGISTER, directory_contract.record())
        (outcome,) = driver.apply([state])
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertNotIn("geheim", outcome.reason)

    def test_a_proxy_of_the_environment_is_used_unless_excepted(self):
        proxy = f"http://127.0.0.1:{self.receiver.port}"
        self.useFixture(fixtures.EnvironmentVariable("http_proxy", proxy))
        self.useFixture(fixtures.EnvironmentVariable("no_proxy", None))
        url = "http://cmdb.invalid/v1/instances"
        sent = self.apply(
            self.driver(url=url, insecure=True),
            REGISTER,
            directory_contract.record(),
        )
        self.assertEqual(url, sent.target)
        self.useFixture(
            fixtures.EnvironmentVariable("no_proxy", "cmdb.invalid")
        )
        state = events.HostState(REGISTER, directory_contract.record())
        (outcome,) = self.driver(url=url, insecure=True).apply([state])
        self.assertIsInstance(outcome, base.Unavailable)


class ReadingTestCase(ReceiverTestCase):
    def answer(self, *pages):
        self.receiver.behaviour = hostile_service.in_turn(
            *(
                hostile_service.answers(200, page)
                if isinstance(page, bytes)
                else hostile_service.answers(page)
                for page in pages
            )
        )

    def page(self, *numbers, **more):
        documents = [
            {"instance_uuid": str(uuid.UUID(int=number)), "owner": "nova"}
            | more
            for number in numbers
        ]
        return json.dumps({"instances": documents}).encode()


class ReadingTest(ReadingTestCase):
    def entries(self, *pages, **options):
        self.answer(*pages)
        return [entry.record for entry in self.driver(**options).entries()]

    def test_pages_are_read_to_the_empty_one(self):
        found = self.entries(self.page(1, 2), self.page(3), self.page())
        self.assertEqual(
            [str(uuid.UUID(int=number)) for number in (1, 2, 3)],
            [entry.instance_uuid for entry in found],
        )
        targets = [sent.target for sent in self.receiver.requests]
        self.assertTrue(targets[0].endswith("?owner=nova&limit=500"))
        self.assertTrue(targets[2].endswith(f"&marker={uuid.UUID(int=3)}"))

    def test_entries_of_nobody_are_not_ours(self):
        page = self.page(1).replace(b'"owner"', b'"nobody"')
        self.assertEqual([], self.entries(page, self.page()))

    def test_all_are_ours_where_nobody_is_told_of_owners(self):
        page = self.page(1).replace(b'"owner"', b'"nobody"')
        found = self.entries(page, self.page(), leave_out=["owner"])
        self.assertEqual(1, len(found))

    def test_what_others_write_does_not_matter(self):
        page = self.page(1, owner="other", host_record={"addresses": "x"})
        self.assertEqual([], self.entries(page, self.page()))

    def test_upper_case_is_gone_on_from(self):
        page = self.page(0xABC).replace(b"abc", b"ABC")
        (found,) = self.entries(page, self.page())
        self.assertEqual(str(uuid.UUID(int=0xABC)), found.instance_uuid)
        self.assertIn("ABC", self.receiver.requests[-1].target)

    def test_a_service_without_a_list_says_that_it_cannot_be_compared(self):
        for status in (404, 405, 501):
            self.assertRaises(base.EntriesNotKept, self.entries, status)
        self.assertRaises(base.EntriesNotKept, self.entries, entries_url="")

    def test_a_list_that_has_moved_is_not_followed_and_names_where(self):
        self.receiver.behaviour = hostile_service.answers(
            308, Location="/v2/instances"
        )
        error = self.assertRaises(
            base.DirectoryUnavailable, list, self.driver().entries()
        )
        self.assertIn("/v2/instances", str(error))
        self.assertEqual(1, len(self.receiver.requests))

    def test_what_is_no_whole_list_is_none(self):
        for pages in (
            (500,),
            (401,),
            (b"<html>",),
            (b"[]",),
            (b'{"instances": {}}',),
            (b'{"instances": [7]}',),
            (b'{"instances": [{}]}',),
            (b'{"instances": [{"instance_uuid": "x"}]}',),
            (b"[" * 100_000,),
            (self.page(1, host_record={"addresses": "x"}),),
            (self.page(2, 1),),
            (self.page(1), self.page(1)),
            (self.page(1), 503),
            (self.page(1), 404),
        ):
            self.assertRaises(base.DirectoryUnavailable, self.entries, *pages)

    def test_an_entry_has_all_that_the_service_gives(self):
        self.answer(
            self.page(
                1,
                as_of="2026-11-22T12:00:00.250000Z",
                tenant={"name": "demo", "id": 7},
                host_record={
                    "addresses": [{"ip": "192.0.2.1", "mac": "", "vlan": 3}],
                    "flavor_name": "",
                },
            ),
            self.page(),
        )
        (entry,) = self.driver(
            rename={"project_name": "tenant.name"}
        ).entries()
        self.assertEqual(
            base.Entry(
                record=events.HostRecord(
                    instance_uuid=str(uuid.UUID(int=1)),
                    project_name="demo",
                    addresses=(events.Address("192.0.2.1"),),
                ),
                as_of=1795348800.25,
                owner="nova",
                name=f"{self.receiver.url}/{uuid.UUID(int=1)}",
                content={
                    "instance_uuid": [str(uuid.UUID(int=1))],
                    "owner": ["nova"],
                    "as_of": ["2026-11-22T12:00:00.250000Z"],
                    "tenant.name": ["demo"],
                    "tenant.id": ["7"],
                    "host_record.addresses": [
                        '{"ip": "192.0.2.1", "mac": "", "vlan": 3}'
                    ],
                    "host_record.flavor_name": [],
                },
            ),
            entry,
        )

    def test_a_time_that_is_none_is_not_known(self):
        for as_of in ("yesterday", 7, None, "2026-11-22T12:00:00", ""):
            self.answer(self.page(1, as_of=as_of), self.page())
            (entry,) = self.driver().entries()
            self.assertEqual(0.0, entry.as_of)


class FindTest(ReadingTestCase):
    UUIDS = tuple(str(uuid.UUID(int=number)) for number in (1, 2, 3))

    def one(self, number, **more):
        (document,) = json.loads(self.page(number, **more))["instances"]
        return json.dumps(document).encode()

    def give(self, **by_target):
        """Answer each request by the end of its path; others get 404."""

        def behave(line, request):
            path, _, _ = request.target.partition("?")
            answer = by_target.get(path.rpartition("/")[2][-1:], 404)
            if isinstance(answer, bytes):
                return hostile_service.answers(200, answer)(line, request)
            return hostile_service.answers(answer)(line, request)

        self.receiver.behaviour = behave

    def found(self, **options):
        return {
            entry.record.instance_uuid: entry.owner
            for entry in self.driver(**options).find(self.UUIDS)
        }

    def test_each_is_asked_for_whoever_owns_it(self):
        self.give(**{"1": self.one(1), "3": self.one(3, owner="other")})
        self.assertEqual(
            {self.UUIDS[0]: "nova", self.UUIDS[2]: "other"}, self.found()
        )
        self.assertEqual(
            sorted(f"/v1/instances/{one}" for one in self.UUIDS),
            sorted(sent.target for sent in self.receiver.requests),
        )

    def test_a_service_that_gives_none_alone_is_asked_for_its_list(self):
        for status in (405, 501):
            self.receiver.requests.clear()
            self.give(
                **dict.fromkeys("123", status),
                s=self.page(2, 3, 4, owner="other"),
            )
            # The list has no end here: its second page is the first again.
            self.assertRaises(base.DirectoryUnavailable, self.found)
            self.answer(
                status, status, status, self.page(2, 3, 4), self.page()
            )
            self.assertEqual(set(self.UUIDS[1:]), set(self.found()))
            self.assertNotIn("owner=", self.receiver.requests[-1].target)

    def test_many_are_read_from_the_list(self):
        self.answer(self.page(1, 2), self.page(3, 4), self.page())
        self.assertEqual(set(self.UUIDS), set(self.found(page_size=2)))
        self.assertEqual(3, len(self.receiver.requests))

    def test_nothing_is_asked_about_nothing(self):
        self.assertEqual([], list(self.driver().find([])))
        self.assertEqual([], self.receiver.requests)

    def test_no_list_means_that_nothing_is_kept(self):
        self.assertRaises(base.EntriesNotKept, self.found, entries_url="")

    def test_what_is_no_document_of_the_instance_is_none(self):
        for wrong in (
            500,
            401,
            b"<html>",
            b"[]",
            b"{}",
            self.one(2),
            self.one(1, host_record={"addresses": "x"}),
        ):
            self.give(**{"1": wrong})
            self.assertRaises(base.DirectoryUnavailable, self.found)
