# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The HTTP directory service of examples/rest keeps its contract."""

import concurrent.futures
import json
import uuid
from typing import Any

import requests
from testtools.matchers import MatchesRegex

from tests import waiting
from tests.functional.rest_service import (
    RestService,
    SharedServiceTestCase,
    body,
)

EARLIER = "2026-11-22T10:27:53.250000Z"
LATER = "2026-11-22T10:27:53.250001Z"
ONE = {"ip": "10.0.0.54", "mac": "fa:16:3e:51:8e:ab", "network": "private"}
TWO = {"ip": "10.0.0.77", "mac": "fa:16:3e:00:00:77", "network": "public"}


class RestTestCase(SharedServiceTestCase):
    """An instance of its own, and what asks about it.

    :cvar service: of all such tests; a test makes other uuids than others
    """

    def setUp(self) -> None:
        super().setUp()
        self.client = self.session("service")
        self.uuid = str(uuid.uuid4())
        self.one = f"{self.service.url}/{self.uuid}"

    def session(self, role: str) -> requests.Session:
        session = self.service.session(role)
        self.addCleanup(session.close)
        return session

    def register(
        self,
        client: requests.Session | None = None,
        headers: dict[str, str] | None = None,
        **changed: Any,
    ) -> requests.Response:
        document = body(self.uuid) | {"owner": "nova", "as_of": EARLIER}
        return (client or self.client).post(
            self.service.url,
            json=document | changed,
            headers=headers,
            timeout=waiting.LIMIT,
        )

    def stored(self) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get(self.one).json()
        return document

    def unregister(self, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): headers[name] for name in headers}
        return self.client.delete(self.one, headers=named)

    def assert_problem(
        self, status: int, detail: str, answer: requests.Response
    ) -> None:
        self.assertEqual(status, answer.status_code, answer.text)
        self.assertEqual(
            "application/problem+json", answer.headers["Content-Type"]
        )
        self.assertEqual(status, answer.json()["status"])
        self.assertThat(answer.json()["detail"], MatchesRegex(f".*{detail}"))


class LifeCycleTest(RestTestCase):
    """An instance comes, changes, and goes."""

    def test_the_first_register_makes_a_document(self) -> None:
        answer = self.register()
        self.assertEqual(201, answer.status_code)
        self.assertEqual(
            f"/v1/instances/{self.uuid}", answer.headers["Location"]
        )
        self.assertEqual(answer.json(), self.stored())

    def test_a_document_is_the_body_as_it_came(self) -> None:
        record = {"display_name": "Web 1", "addresses": [ONE]}
        answer = self.register(verb="restore", host_record=record).json()
        self.assertEqual("Web 1", answer["host_record"]["display_name"])
        self.assertEqual([ONE], answer["host_record"]["addresses"])
        self.assertEqual(
            body(self.uuid)
            | {"version": "1.0", "verb": "restore"}
            | {"owner": "nova", "as_of": EARLIER},
            {key: answer[key] for key in answer if key != "host_record"},
        )

    def test_an_unknown_key_is_ignored(self) -> None:
        answer = self.register(colour="blue", version="1.7")
        self.assertEqual(201, answer.status_code)
        self.assertNotIn("colour", answer.json())

    def test_what_the_body_leaves_out_the_headers_say(self) -> None:
        headers = {
            "Dirsvc-Owner": "west",
            "Dirsvc-As-Of": LATER,
            "Dirsvc-Verb": "refresh",
        }
        self.client.post(
            self.service.url, json=body(self.uuid), headers=headers
        )
        stored = self.stored()
        self.assertEqual(
            ["west", LATER, "refresh"],
            [stored[key] for key in ("owner", "as_of", "verb")],
        )

    def test_what_nobody_says_is_no_owner_and_now(self) -> None:
        answer = self.client.post(self.service.url, json=body(self.uuid))
        self.assertEqual("", answer.json()["owner"])
        self.assertThat(
            answer.json()["as_of"],
            MatchesRegex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"),
        )

    def test_put_registers_as_post_does(self) -> None:
        codes = [
            self.client.put(self.one, json=body(self.uuid)).status_code
            for _ in range(2)
        ]
        self.assertEqual([201, 200], codes)

    def test_put_of_another_instance_is_a_conflict(self) -> None:
        other = body(str(uuid.uuid4()))
        answer = self.client.put(self.one, json=other)
        self.assert_problem(409, "about another instance", answer)

    def test_unregister_removes(self) -> None:
        self.register()
        self.assertEqual(204, self.unregister().status_code)
        self.assert_problem(404, "no such", self.client.get(self.one))

    def test_unregister_of_what_is_not_there_is_not_found(self) -> None:
        self.assert_problem(404, "no such", self.unregister())

    def test_unregister_heeds_no_time(self) -> None:
        self.register(as_of=LATER)
        self.assertEqual(
            204, self.unregister(Dirsvc_As_Of=EARLIER).status_code
        )

    def test_an_old_soft_unregister_leaves_the_document(self) -> None:
        self.register(as_of=LATER)
        answer = self.unregister(
            Dirsvc_Verb="soft-unregister", Dirsvc_As_Of=EARLIER
        )
        self.assertEqual(200, answer.status_code)
        self.assertEqual(self.stored(), answer.json())

    def test_a_soft_unregister_as_new_as_the_document_removes(self) -> None:
        self.register(as_of=LATER)
        answer = self.unregister(
            Dirsvc_Verb="soft-unregister", Dirsvc_As_Of=LATER
        )
        self.assertEqual(204, answer.status_code)

    def test_unregister_can_be_posted(self) -> None:
        self.register()
        codes = [
            self.client.post(
                f"{self.service.url}/unregister",
                json={"instance_uuid": self.uuid},
            ).status_code
            for _ in range(2)
        ]
        self.assertEqual([204, 404], codes)


class MergeTest(RestTestCase):
    """What is newer counts; what it does not know is kept."""

    def record(self, addresses: Any, **texts: str) -> dict[str, Any]:
        return {"addresses": addresses, **texts}

    def test_newer_news_replaces(self) -> None:
        self.register(host_record=self.record([ONE], flavor_name="tiny"))
        answer = self.register(
            as_of=LATER,
            user_name="bob",
            mac_address=TWO["mac"],
            host_record=self.record([TWO]),
        )
        self.assertEqual(200, answer.status_code)
        stored = self.stored()
        self.assertEqual("bob", stored["user_name"])
        self.assertEqual("bob", stored["host_record"]["user_name"])
        self.assertEqual("", stored["host_record"]["flavor_name"])
        self.assertEqual([TWO], stored["host_record"]["addresses"])

    def test_news_of_the_same_time_replaces(self) -> None:
        self.register()
        self.register(user_name="bob")
        self.assertEqual("bob", self.stored()["user_name"])

    def test_older_news_replaces_nothing(self) -> None:
        self.register(as_of=LATER)
        before = self.stored()
        answer = self.register(user_name="bob", image_uuid="another")
        self.assertEqual(200, answer.status_code)
        self.assertEqual(before, self.stored())

    def test_older_news_fills_what_was_not_known(self) -> None:
        self.register(
            as_of=LATER,
            user_name="",
            mac_address="",
            host_record=self.record(None),
        )
        self.register(user_name="bob", host_record=self.record([ONE]))
        stored = self.stored()
        self.assertEqual(LATER, stored["as_of"])
        self.assertEqual("bob", stored["user_name"])
        self.assertEqual("bob", stored["host_record"]["user_name"])
        self.assertEqual([ONE], stored["host_record"]["addresses"])
        self.assertEqual(ONE["mac"], stored["mac_address"])

    def test_newer_news_keeps_what_it_does_not_know(self) -> None:
        self.register(host_record=self.record([ONE]))
        self.register(
            as_of=LATER,
            project_name="",
            user_name="",
            user_remote_address="",
            mac_address="",
            host_record=self.record(None),
        )
        stored = self.stored()
        for key in ("project_name", "user_name", "user_remote_address"):
            self.assertEqual(body("")[key], stored[key])
            self.assertEqual(body("")[key], stored["host_record"][key])
        self.assertEqual([ONE], stored["host_record"]["addresses"])
        self.assertEqual(ONE["mac"], stored["mac_address"])

    def test_news_that_there_are_no_addresses_replaces_them(self) -> None:
        self.register(host_record=self.record([ONE]))
        self.register(as_of=LATER, mac_address="", host_record=self.record([]))
        self.assertEqual([], self.stored()["host_record"]["addresses"])
        self.assertEqual("", self.stored()["mac_address"])

    def test_both_orders_make_the_same_document(self) -> None:
        news = (
            {"as_of": EARLIER, "host_record": self.record([ONE])},
            {"as_of": LATER, "user_name": "", "mac_address": ""},
        )
        ends = []
        for order in (news, news[::-1]):
            for changed in order:
                self.register(**changed)
            ends.append(self.stored())
            self.unregister()
        self.assertEqual(*ends)

    def test_the_newest_of_many_writers_wins(self) -> None:
        times = [f"2026-11-22T10:27:53.{n:06}Z" for n in range(24)]

        def write(as_of: str) -> int:
            with self.service.session() as session:
                return self.register(
                    session, as_of=as_of, image_uuid=as_of
                ).status_code

        with concurrent.futures.ThreadPoolExecutor(len(times)) as pool:
            codes = list(pool.map(write, times))
        self.assertEqual([200] * 23 + [201], sorted(codes))
        self.assertEqual(times[-1], self.stored()["as_of"])
        self.assertEqual(times[-1], self.stored()["image_uuid"])


class ReplayTest(RestTestCase):
    """The same event again changes nothing."""

    KEY = "nova:some-instance:1"

    def post(self, key: str, **changed: Any) -> requests.Response:
        return self.register(headers={"Idempotency-Key": key}, **changed)

    def test_a_replay_writes_nothing_and_says_so(self) -> None:
        first = self.post(self.KEY)
        again = self.post(self.KEY, user_name="bob")
        self.assertNotIn("Idempotency-Replayed", first.headers)
        self.assertEqual("true", again.headers["Idempotency-Replayed"])
        self.assertEqual(200, again.status_code)
        self.assertEqual(first.json(), again.json())

    def test_only_the_last_write_is_remembered(self) -> None:
        self.post(self.KEY)
        self.post("another", as_of=LATER)
        again = self.post(self.KEY)
        self.assertNotIn("Idempotency-Replayed", again.headers)
        self.assertEqual(LATER, again.json()["as_of"])

    def test_a_replay_after_the_removal_makes_it_again(self) -> None:
        self.post(self.KEY)
        self.unregister()
        self.assertEqual(201, self.post(self.KEY).status_code)


class OwnerTest(RestTestCase):
    """An entry of another owner mark is left alone."""

    def test_registering_it_is_a_conflict(self) -> None:
        self.register()
        answer = self.register(owner="west", as_of=LATER)
        self.assert_problem(409, "another owner mark", answer)
        self.assertEqual("nova", self.stored()["owner"])

    def test_unregistering_it_is_a_conflict(self) -> None:
        self.register()
        answer = self.unregister(Dirsvc_Owner="west")
        self.assert_problem(409, "another owner mark", answer)
        self.assertEqual("nova", self.stored()["owner"])

    def test_somebody_without_an_owner_mark_may_unregister(self) -> None:
        self.register()
        self.assertEqual(204, self.unregister().status_code)

    def test_the_manager_may_give_it_to_another(self) -> None:
        self.register()
        manager = self.session("manager")
        self.register(manager, owner="west", as_of=LATER)
        self.assertEqual("west", self.stored()["owner"])


class OwnServiceTestCase(RestTestCase):
    """A service of its own for each test."""

    @classmethod
    def setUpClass(cls) -> None:
        super(SharedServiceTestCase, cls).setUpClass()

    def use_service(self) -> None:
        self.service = self.useFixture(RestService())


class ReadTest(RestTestCase):
    """Pages, and who has an address, of all that the service has."""

    def setUp(self) -> None:
        super().setUp()
        self.service.clear()

    def fill(self, count: int) -> list[str]:
        uuids = sorted(str(uuid.uuid4()) for _ in range(count))
        for number, each in enumerate(reversed(uuids)):
            self.register(
                instance_uuid=each,
                owner=("west", "nova")[number % 2],
                project_name=f"project {number}",
                host_record={
                    "addresses": [ONE | {"ip": f"10.0.0.{number}"}, TWO]
                },
            )
        return uuids

    def listed(self, **query: Any) -> list[str]:
        answer = self.client.get(self.service.url, params=query)
        self.assertEqual(200, answer.status_code, answer.text)
        return [each["instance_uuid"] for each in answer.json()["instances"]]

    def test_pages_are_in_order_and_an_empty_one_is_the_end(self) -> None:
        uuids = self.fill(5)
        pages: list[list[str]] = [self.listed(limit=2)]
        while pages[-1]:
            pages.append(self.listed(limit=2, marker=pages[-1][-1]))
        self.assertEqual([uuids[:2], uuids[2:4], uuids[4:], []], pages)

    def test_filters_must_all_hold(self) -> None:
        uuids = self.fill(4)[::-1]
        self.assertEqual([uuids[2]], self.listed(ip="10.0.0.2"))
        self.assertEqual(sorted(uuids), self.listed(mac=TWO["mac"]))
        self.assertEqual([uuids[1]], self.listed(project_name="project 1"))
        self.assertEqual(
            sorted(uuids[0::2]), self.listed(owner="west", mac=TWO["mac"])
        )
        self.assertEqual([], self.listed(ip="10.0.0.2", owner="nova"))

    def test_an_address_that_was_given_up_finds_nothing(self) -> None:
        self.register(host_record={"addresses": [ONE]})
        self.register(as_of=LATER, host_record={"addresses": [TWO]})
        self.assertEqual([], self.listed(ip=ONE["ip"]))
        self.unregister()
        self.assertEqual([], self.listed(ip=TWO["ip"]))

    def test_a_limit_above_a_thousand_is_no_error(self) -> None:
        self.assertEqual([], self.listed(limit=5000))

    def test_a_bad_parameter_is_named(self) -> None:
        for query in ("limit=abc", "limit=0", "limit=", "marker=x"):
            answer = self.client.get(f"{self.service.url}?{query}")
            self.assert_problem(422, query.split("=")[0], answer)


class BadInputTest(RestTestCase):
    """What nobody should send is refused, and named."""

    def post(
        self, data: Any, kind: str = "application/json", **headers: str
    ) -> requests.Response:
        return self.client.post(
            self.service.url,
            data=data,
            headers={"Content-Type": kind, **headers},
        )

    def test_what_is_no_json_is_refused(self) -> None:
        for data in (
            b"",
            b"{",
            b'{"a": NaN}',
            b'"\xff"',
            b'{"a": ' + b"9" * 5000 + b"}",
            b"[" * 60000,
            json.dumps(body(self.uuid)).encode("utf-16"),
        ):
            self.assert_problem(400, "not JSON", self.post(data))

    def test_what_is_no_object_is_refused(self) -> None:
        for data in ("null", "[]", "3", '"text"', "true"):
            self.assert_problem(422, "the body", self.post(data))

    def test_another_content_type_is_refused(self) -> None:
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            answer = self.post(json.dumps(body(self.uuid)), kind)
            self.assert_problem(415, "application/json", answer)

    def test_a_field_that_does_not_fit_is_named(self) -> None:
        for field, value in (
            ("user_name", None),
            ("user_name", "x" * 4097),
            ("instance_uuid", self.uuid.upper()),
            ("instance_uuid", f"{self.uuid}\n"),
            ("as_of", "2026-11-22T10:27:53Z"),
            ("owner", "a b"),
            ("owner", "nova\n"),
            ("version", "2.0"),
            ("verb", "unregister"),
            ("host_record", []),
        ):
            answer = self.register(**{field: value})
            self.assert_problem(422, field, answer)
            self.assertNotIn("x" * 40, answer.text)

    def test_a_field_that_is_missing_is_named(self) -> None:
        document = body(self.uuid)
        del document["user_name"]
        answer = self.client.post(self.service.url, json=document)
        self.assert_problem(422, "user_name is missing", answer)

    def test_a_place_inside_is_named(self) -> None:
        record = {"addresses": [ONE, ONE | {"ip": 7}]}
        answer = self.register(host_record=record)
        self.assert_problem(422, r"host_record\.addresses\.1\.ip", answer)

    def test_what_is_nested_deeply_is_refused_where_it_does_not_fit(
        self,
    ) -> None:
        nested = json.loads("[" * 300 + "]" * 300)
        for field in ("user_name", "host_record"):
            answer = self.register(**{field: nested})
            self.assert_problem(422, "nested too deeply", answer)
        self.assertEqual(201, self.register(unknown=nested).status_code)

    def test_a_header_that_does_not_fit_is_named(self) -> None:
        for name, value in (
            ("Dirsvc-Owner", "a b"),
            ("Dirsvc-As-Of", "yesterday"),
            ("Dirsvc-Verb", "unregister"),
            ("Idempotency-Key", "x" * 256),
        ):
            answer = self.register(headers={name: value})
            self.assert_problem(422, name, answer)

    def test_any_character_of_unicode_comes_back(self) -> None:
        for name in (
            "Ünïcødé 名前 😀",
            "a\x00b",
            "a\r\nb",
            "\u202e\ufffe",
            '"',
        ):
            self.register(display_name=name, user_name=name)
            self.assertEqual(name, self.stored()["user_name"])
            [found] = self.client.get(
                self.service.url, params={"user_name": name}
            ).json()["instances"]
            self.assertEqual(self.uuid, found["instance_uuid"])

    def test_half_a_surrogate_pair_is_replaced(self) -> None:
        self.register(user_name="a\ud800b")
        self.assertEqual("a\ufffdb", self.stored()["user_name"])

    def test_a_body_of_64_kib_is_taken_and_a_larger_one_not(self) -> None:
        text = json.dumps(body(self.uuid))
        largest = text + " " * (64 * 1024 - len(text))
        self.assertEqual(201, self.post(largest).status_code)
        self.assert_problem(413, "64 KiB", self.post(largest + " "))
        self.assertEqual(200, self.post(text).status_code)

    def test_a_body_in_chunks_has_the_same_limit(self) -> None:
        text = json.dumps(body(self.uuid)).encode()
        self.assertEqual(
            201, self.post(iter([text[:9], text[9:]])).status_code
        )
        answer = self.post(iter([text, b" " * 65536]))
        self.assert_problem(413, "64 KiB", answer)

    def test_what_is_no_uuid_is_not_found(self) -> None:
        for name in (self.uuid.upper(), self.uuid[:-1], "x", "%00", "a%2fb"):
            answer = self.client.get(f"{self.service.url}/{name}")
            self.assert_problem(404, "no such", answer)

    def test_other_methods_are_told_what_there_is(self) -> None:
        for method in ("PATCH", "HEAD", "OPTIONS", "TRACE", "FOO"):
            for path, allowed in (
                ("", "GET, POST"),
                ("/unregister", "POST"),
                (f"/{self.uuid}", "DELETE, GET, PUT"),
            ):
                answer = self.client.request(method, self.service.url + path)
                self.assertEqual(405, answer.status_code)
                self.assertEqual(allowed, answer.headers["Allow"])
