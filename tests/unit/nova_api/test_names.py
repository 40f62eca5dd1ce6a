# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Which names of Keystone a record gets, and what that costs."""

import re
import uuid

import ddt
from keystoneauth1 import adapter, session
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import fixture as ksa_fixture
from keystoneauth1.identity import v3
from requests_mock.contrib import fixture

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import client, names
from tests.unit import base

KEYSTONE = "http://keystone.example.org/v3"


def ids(count):
    return [uuid.uuid4().hex for _ in range(count)]


class NamesCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.net = self.useFixture(fixture.Fixture())
        # What is not said later is not found.
        self.net.get(
            re.compile(f"{KEYSTONE}/"), status_code=404, json={"error": {}}
        )
        self.net.get(
            KEYSTONE, json={"version": ksa_fixture.V3Discovery(KEYSTONE)}
        )
        self.token = uuid.uuid4().hex
        self.net.post(
            f"{KEYSTONE}/auth/tokens",
            json=ksa_fixture.V3Token(),
            headers={"X-Subject-Token": self.token},
        )
        self.now = 1000.0
        self.names = self.of(users=True)

    def of(self, users):
        account = v3.Password(
            KEYSTONE, username="u", password="p", user_domain_id="default"
        )
        to_nova = adapter.Adapter(
            session.Session(auth=account, timeout=10),
            service_type="compute",
            raise_exc=False,
        )
        return names.Names(client.NovaClient(to_nova), users, lambda: self.now)

    def has(self, kind, named):
        """Let Keystone have some of a kind, and not find the others."""
        for identifier, name in named.items():
            item = {"id": identifier, "name": name, "email": "a@example.org"}
            self.net.get(f"{KEYSTONE}/{kind}s/{identifier}", json={kind: item})

    def lists(self, kind, named):
        items = [{"id": one, "name": named[one]} for one in named]
        self.net.get(f"{KEYSTONE}/{kind}s", json={f"{kind}s": items})

    def answers(self, path, **answer):
        self.net.get(f"{KEYSTONE}/{path}", **answer)

    def asked(self):
        return [
            request.path.removeprefix("/v3/")
            for request in self.net.request_history
            if request.path not in ("/v3", "/v3/auth/tokens")
        ]

    def complete(self, project_id="", user_id="", **fields):
        record = events.HostRecord(
            instance_uuid="x",
            project_id=project_id,
            user_id=user_id,
            **fields,
        )
        found = self.names.complete(record)
        return found.project_name, found.user_name

    def project(self, identifier):
        return self.complete(project_id=identifier)[0]


@ddt.ddt
class NamesTest(NamesCase):
    def test_both_names_are_keystones(self):
        self.has("project", {"p1": "demo"})
        self.has("user", {"u1": "älice"})
        self.assertEqual(("demo", "älice"), self.complete("p1", "u1"))
        self.assertEqual(
            self.token, self.net.last_request.headers["X-Auth-Token"]
        )

    def test_each_is_asked_for_once_within_an_hour(self):
        self.has("project", {"p1": "demo"})
        for _ in range(3):
            self.assertEqual("demo", self.project("p1"))
            self.assertEqual("", self.project("p2"))
        self.assertEqual(["projects/p1", "projects/p2"], self.asked())
        self.has("project", {"p1": "renamed"})
        self.now += names.KEPT
        self.assertEqual("renamed", self.project("p1"))

    def test_a_name_that_the_record_has_stays(self):
        self.assertEqual(
            ("demo", "alice"),
            self.complete("p1", "u1", project_name="demo", user_name="alice"),
        )
        self.assertEqual([], self.asked())

    def test_a_record_without_ids_asks_nothing(self):
        self.assertEqual(("", ""), self.complete())
        self.assertEqual([], self.asked())

    def test_names_of_users_are_not_asked_for_where_none_are_recorded(self):
        self.names = self.of(users=False)
        self.has("project", {"p1": "demo"})
        self.has("user", {"u1": "alice"})
        self.assertEqual(("demo", ""), self.complete("p1", "u1"))
        self.assertEqual(["projects/p1"], self.asked())

    def test_many_are_asked_for_at_once(self):
        few, many, missing = ids(names.FEW), ids(500), ids(2)
        named = {one: f"project {one}" for one in (*few, *many)}
        self.has("project", {one: named[one] for one in few})
        self.lists("project", named)
        for one in (*few, *many, *missing, *many):
            self.assertEqual(named.get(one, ""), self.project(one))
        self.assertEqual(names.FEW + 1 + len(missing), len(self.asked()))

    @ddt.data(
        {"status_code": 403},
        {"json": {"users": [], "truncated": True}},
        {"json": {"users": 7}},
        {"json": {"users": [7, {}, {"id": 7, "name": "x"}, {"id": "x"}]}},
        {"text": "x"},
    )
    def test_what_the_list_lacks_is_asked_for_one_by_one(self, answer):
        many = ids(names.FEW + 5)
        self.has("user", dict.fromkeys(many, "alice"))
        self.answers("users", **answer)
        for one in many:
            self.assertEqual(("", "alice"), self.complete(user_id=one))
        self.assertEqual(len(many) + 1, len(self.asked()))

    @ddt.data(403, 404)
    def test_one_that_is_refused_or_not_found_stays_empty(self, status):
        self.answers("projects/p1", status_code=status, json={"error": {}})
        self.assertEqual("", self.project("p1"))
        self.assertEqual("", self.project("p1"))
        self.assertEqual(1, len(self.asked()))

    @ddt.data(
        {"json": {}},
        {"json": {"project": 7}},
        {"json": {"project": {"id": "p1"}}},
        {"json": {"project": {"id": "p1", "name": 7}}},
        {"json": {"project": {"id": "p1", "name": "\ud800"}}},
        {"json": {"project": {"id": "p2", "name": "another"}}},
        {"text": "<html>"},
    )
    def test_an_answer_without_a_name_is_no_name(self, answer):
        self.answers("projects/p1", **answer)
        self.assertEqual("", self.project("p1"))

    @ddt.data("..", ".", "...")
    def test_what_would_be_another_path_is_not_asked_for(self, text):
        self.assertEqual("", self.project(text))
        self.assertEqual([], self.asked())

    def test_an_id_is_one_part_of_the_path(self):
        self.assertEqual("", self.project("../users?x#y\ud800"))
        self.assertEqual(["projects/..%2fusers%3fx%23y%3f"], self.asked())


@ddt.ddt
class WithoutKeystoneTest(NamesCase):
    @ddt.data(
        {"status_code": 401},
        {"status_code": 429},
        {"status_code": 500},
        {"exc": ksa_exceptions.ConnectFailure("refused")},
        {"exc": ksa_exceptions.ConnectTimeout("too late")},
    )
    def test_it_is_left_alone_for_a_while_and_asked_again(self, failure):
        many = ids(100)
        for one in many:
            self.answers(f"projects/{one}", **failure)
        self.assertEqual({""}, {self.project(one) for one in many})
        # A 401 has keystoneauth get another token, and ask again.
        self.assertEqual(names.MOST_FAILURES, len(set(self.asked())))
        self.assertEqual(
            1, self.log.output.count("is not asked for the names")
        )
        self.assertNotIn(self.token, self.log.output)

        self.has("project", dict.fromkeys(many, "demo"))
        self.now += names.PAUSE
        self.assertEqual({"demo"}, {self.project(one) for one in many})

    def test_failures_that_are_not_in_a_row_leave_nothing_out(self):
        self.lists("project", {})
        for _ in range(2):
            failing, [good] = ids(names.MOST_FAILURES - 1), ids(1)
            for one in failing:
                self.answers(f"projects/{one}", status_code=503)
                self.assertEqual("", self.project(one))
            self.has("project", {good: "demo"})
            self.assertEqual("demo", self.project(good))

    def test_an_account_that_may_ask_for_none_is_told_so_once(self):
        many = ids(100)
        for one in many:
            self.answers(f"users/{one}", status_code=403)
        for one in many:
            self.assertEqual(("", ""), self.complete(user_id=one))
        self.assertEqual(names.MOST_FAILURES, len(self.asked()))
        self.assertIn("403: check whether the account", self.log.output)

    def test_a_keystone_that_refuses_the_account_costs_no_record(self):
        self.net.post(f"{KEYSTONE}/auth/tokens", status_code=401)
        self.assertEqual(("", ""), self.complete("p1", "u1"))
