# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What is read of Nova's lists, and which readings are not whole."""

import copy
import itertools
import time
import uuid
from unittest import mock

import ddt
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import fixture as ksa_fixture
from keystoneauth1.identity import v3
from requests_mock.contrib import fixture

from nova_dirsvc_plugin import events, untrusted_text
from nova_dirsvc_plugin.nova_api import client, connection, listing
from nova_dirsvc_plugin.nova_api.summary import Undecided
from tests.unit import base
from tests.unit.nova_api import test_client

NOVA = test_client.NOVA
KEYSTONE = "http://keystone.example.org/v3"

to_nova = test_client.to_nova
UP = test_client.UP
DOWN = test_client.DOWN

#: A page is what an answer of requests-mock is made of, or its instances.
REFUSES = {"status_code": 401}


def server(**changes):
    """Return one of Nova's list, with another uuid each."""
    own = {"id": str(uuid.uuid4())}
    return copy.deepcopy(test_client.ALIVE) | own | changes


def servers(count):
    return [server(name=f"web-{number}") for number in range(count)]


class ListingCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.net = self.useFixture(fixture.Fixture())
        self.clock = itertools.count(test_client.ASKED_AT).__next__
        self.nova = client.NovaClient(to_nova(), self.clock)
        self.services([UP])

    def services(self, *answers):
        self.net.get(
            f"{NOVA}/os-services",
            [
                {"json": {"services": one}} if isinstance(one, list) else one
                for one in answers
            ],
        )

    def pages(self, *pages):
        """Let Nova answer a page after the other; the last one for ever."""
        self.net.get(
            f"{NOVA}/servers/detail",
            [
                {"json": {"servers": one}} if isinstance(one, list) else one
                for one in pages
            ],
        )

    def queries(self):
        return [
            request.qs
            for request in self.net.request_history
            if request.path.endswith("/detail")
        ]

    def read(self, **options):
        self.reading = listing.read(self.nova, **options)
        self.items = list(self.reading)
        return self.reading.summary()

    def read_uuids(self):
        return [
            one.instance_uuid
            if isinstance(one, Undecided)
            else one.record.instance_uuid
            for one in self.items
        ]

    def assert_not_whole(self, *words, **options):
        summary = self.read(**options)
        self.assertFalse(summary.whole)
        why = "; ".join(summary.why_not_whole)
        for word in words:
            self.assertIn(word, why)
        return summary


class WholeTest(ListingCase):
    def test_all_pages_are_read_until_an_empty_one(self):
        pages = [servers(3), servers(3), servers(1)]
        self.pages(*pages, [])
        summary = self.read(expected=7)
        self.assertEqual([], list(summary.why_not_whole))
        self.assertTrue(summary.whole)
        self.assertEqual(7, summary.instances)
        self.assertEqual(NOVA, summary.cloud)
        self.assertEqual(
            [one["id"] for page in pages for one in page], self.read_uuids()
        )
        self.assertEqual(
            [None, *([page[-1]["id"]] for page in pages)],
            [query.get("marker") for query in self.queries()],
        )
        for query in self.queries():
            self.assertEqual(["1"], query["all_tenants"])
            self.assertEqual(["1"], query["soft_deleted"])
            self.assertEqual(["500"], query["limit"])

    def test_an_item_is_as_a_single_answer(self):
        self.pages([test_client.ALIVE], [])
        self.read()
        [state] = self.items
        self.assertEqual(test_client.RECORD, state.record)
        self.assertIs(events.Verb.REFRESH, state.verb)

    def test_states_are_as_of_the_moment_before_their_page(self):
        self.pages(servers(2), servers(1), [])
        summary = self.read()
        start = test_client.ASKED_AT
        self.assertEqual(start, summary.started_at)
        # One tick is of the services.
        self.assertEqual(
            [start + 2, start + 2, start + 3],
            [one.as_of for one in self.items],
        )

    def test_states_are_as_of_nova_s_clock_where_it_tells_the_time(self):
        """That of this host may be an hour ahead."""
        date = "Sun, 22 Nov 2026 10:28:00 GMT"
        told = 1795343280.0
        self.net.get(
            f"{NOVA}/os-services",
            json={"services": [UP]},
            headers={"Date": date},
        )
        self.net.get(
            f"{NOVA}/servers/detail",
            [
                {"json": {"servers": servers(1)}, "headers": {"Date": date}},
                {"json": {"servers": servers(1)}, "headers": {"Date": "x"}},
                {"json": {"servers": []}},
            ],
        )
        self.clock = lambda: told + 3600
        self.nova = client.NovaClient(to_nova(), self.clock)
        listed = listing.read(self.nova)
        known, unknown = [one.as_of for one in listed]
        self.assertLessEqual(known, told)
        self.assertGreater(known, told - 60)
        self.assertEqual(told + 3600, unknown)
        self.assertLessEqual(listed.began_at, told)

    def test_states_are_as_of_the_clock_here_where_nova_s_agrees(self):
        """Nova's has whole seconds, within which two readings would tie."""
        told = 1795343280.0
        headers = {"Date": "Sun, 22 Nov 2026 10:28:00 GMT"}
        self.net.get(
            f"{NOVA}/os-services", json={"services": [UP]}, headers=headers
        )
        self.net.get(
            f"{NOVA}/servers/detail",
            [
                {"json": {"servers": servers(1)}, "headers": headers},
                {"json": {"servers": []}, "headers": headers},
            ],
        )
        here = mock.Mock(wraps=time, time=lambda: told + 0.9)
        self.patch(connection, "time", here)
        self.nova = client.NovaClient(to_nova(), lambda: told + 0.8)
        [one] = listing.read(self.nova)
        self.assertEqual(told + 0.8, one.as_of)

    def test_a_cloud_without_instances_is_whole(self):
        self.pages([])
        self.assertTrue(self.read().whole)
        self.assertEqual([], self.items)

    def test_nova_may_have_a_lower_limit_for_a_page(self):
        self.pages(*([one] for one in servers(5)), [])
        summary = self.read()
        self.assertTrue(summary.whole)
        self.assertEqual(5, summary.instances)

    def test_half_of_what_was_expected_is_whole(self):
        self.pages(servers(5), [])
        self.assertTrue(self.read(expected=10).whole)

    def test_progress_is_told_after_each_page(self):
        told = []
        self.pages(servers(3), servers(2), [])
        self.read(progress=told.append)
        self.assertEqual([3, 5], told)

    def test_one_that_is_built_is_undecided(self):
        building = server(status="BUILD", **{"OS-SRV-USG:launched_at": None})
        self.pages([building], [])
        self.assertTrue(self.read().whole)
        [item] = self.items
        self.assertEqual(building["id"], item.instance_uuid)
        self.assertIn("being built", item.reason)

    def test_a_soft_deleted_one_waits_and_none_is_gone_for_ever(self):
        self.pages(
            [server(status="SOFT_DELETED"), server(status="DELETED")], []
        )
        self.assertTrue(self.read().whole)
        self.assertEqual(
            [events.Verb.SOFT_UNREGISTER] * 2,
            [one.verb for one in self.items],
        )


class TokenTest(ListingCase):
    """A token that expires within a reading."""

    def setUp(self):
        super().setUp()
        self.net.get(
            KEYSTONE, json={"version": ksa_fixture.V3Discovery(KEYSTONE)}
        )
        self.tokens = [uuid.uuid4().hex, uuid.uuid4().hex]
        self.net.post(
            f"{KEYSTONE}/auth/tokens",
            [
                {
                    "json": ksa_fixture.V3Token(),
                    "headers": {"X-Subject-Token": token},
                }
                for token in self.tokens
            ],
        )
        account = v3.Password(
            KEYSTONE, username="u", password="p", user_domain_id="default"
        )
        self.nova = client.NovaClient(to_nova(auth=account), self.clock)

    def test_it_is_replaced_and_the_reading_goes_on(self):
        self.pages(servers(3), REFUSES, servers(3), [])
        summary = self.read()
        self.assertEqual([], list(summary.why_not_whole))
        self.assertEqual(6, summary.instances)
        self.assertEqual(
            self.tokens[1], self.net.last_request.headers["X-Auth-Token"]
        )

    def test_the_new_one_is_masked_in_the_answer_to_it(self):
        self.pages(REFUSES, {"text": self.tokens[1]})
        self.nova.connection.get("/servers/detail")
        self.assertEqual("***", untrusted_text.masked(self.tokens[1]))

    def test_an_account_that_is_refused_from_then_on_ends_it(self):
        self.pages(servers(3), REFUSES)
        self.assert_not_whole("page 2", "refuses the account")
        self.assertEqual(3, len(self.items))


@ddt.ddt
class NotWholeTest(ListingCase):
    @ddt.data(
        ({"status_code": 500}, "log of nova-api"),
        ({"status_code": 401}, "refuses the account"),
        ({"status_code": 403}, "the role admin"),
        ({"status_code": 404, "json": test_client.missing()}, "proxy"),
        ({"status_code": 400}, "400"),
        ({"exc": ksa_exceptions.ConnectFailure("refused")}, "refused"),
        ({"exc": ksa_exceptions.ConnectTimeout("too late")}, "too late"),
        ({"text": "<html>"}, "no list of instances"),
        ({"text": "[" * 100_000}, "no list of instances"),
        ({"json": {"servers": {}}}, "no list of instances"),
        ({"json": [1]}, "no list of instances"),
    )
    @ddt.unpack
    def test_a_page_that_fails_ends_the_reading(self, failure, words):
        self.pages(servers(3), servers(3), failure, servers(3), [])
        summary = self.assert_not_whole("page 3", words)
        self.assertEqual(6, summary.instances)
        self.assertEqual(6, len(self.items))

    def test_a_page_that_is_too_long_ends_the_reading(self):
        self.patch(listing.connection, "MOST_BYTES", 10_000)
        self.pages(servers(3), servers(30))
        summary = self.assert_not_whole("page 2", "longer than")
        self.assertEqual(3, summary.instances)

    def test_a_page_that_comes_twice_ends_the_reading(self):
        third = servers(3)
        self.pages(servers(3), servers(3), third, third, servers(3))
        summary = self.assert_not_whole("page 4", third[0]["id"])
        self.assertEqual(9, summary.instances)
        self.assertEqual(9, len(self.items))

    def test_a_nova_that_does_not_move_ends_the_reading(self):
        self.pages(servers(3))
        self.assert_not_whole("page 2 has no instance")
        self.assertEqual(3, len(self.items))

    def test_pages_in_a_circle_end_the_reading(self):
        first, second = servers(3), servers(3)
        self.pages(first, second, first, second, first)
        self.assert_not_whole("page 3 has no instance")
        self.assertEqual(6, len(self.items))

    def test_an_instance_that_comes_twice_is_read_once(self):
        first = servers(3)
        self.pages(first, [first[-1], *servers(2)], [])
        self.assert_not_whole(f"page 2 repeats instance {first[-1]['id']}")
        self.assertEqual(5, len(self.items))

    def test_the_empty_list_of_a_cloud_that_had_instances(self):
        self.pages([])
        self.assert_not_whole("0 instances", "500", expected=500)

    def test_fewer_than_half_of_what_was_expected(self):
        self.pages(servers(4), [])
        self.assert_not_whole("4 instances", "9", expected=9)

    @ddt.data(([UP, DOWN], [UP]), ([UP], [UP, DOWN]))
    def test_a_cell_that_is_down_before_or_after(self, answers):
        self.services(*answers)
        self.pages(servers(3), [])
        summary = self.assert_not_whole("is down", "pocket2")
        self.assertEqual(3, len(self.items))
        self.assertEqual(1, len(summary.why_not_whole))

    @ddt.data(
        ({"status_code": 403}, "the role admin"),
        ({"status_code": 500}, "log of nova-api"),
        ({"json": {}}, "services is empty"),
        ([], "services is empty"),
    )
    @ddt.unpack
    def test_services_that_are_not_told_before_or_after(self, answer, words):
        self.pages(servers(3), [])
        self.services([UP], answer)
        self.assert_not_whole(words)
        self.assertEqual(3, len(self.items))
        self.services(answer, [UP])
        self.assert_not_whole(words)
        self.assertEqual([], self.items)

    def test_a_nova_that_cannot_tell_whether_a_cell_is_down(self):
        def answer(request, context):
            asked = request.headers["OpenStack-API-Version"]
            if asked != "compute 2.47":
                context.status_code = 406
            return {"services": [UP]}

        self.services({"json": answer})
        self.pages(servers(3), [])
        self.assert_not_whole("older than 2.69")
        self.assertEqual(3, len(self.items))

    def test_an_account_that_loses_its_role_in_between(self):
        less = server()
        del less["OS-EXT-SRV-ATTR:host"]
        self.pages(servers(2), [less], [])
        self.assert_not_whole("the role admin")
        self.assertIsInstance(self.items[-1], Undecided)

    def test_a_list_with_an_instance_of_a_cell_that_is_down(self):
        unknown = {"id": str(uuid.uuid4()), "status": "UNKNOWN"}
        self.pages([unknown, *servers(1)], [])
        self.assert_not_whole("cell is down")
        self.assertEqual(unknown["id"], self.items[0].instance_uuid)

    def test_an_endpoint_that_changes_in_between(self):
        places = iter([NOVA, "http://other.example.org/v2.1"])
        self.patch(
            listing.connection.Connection, "endpoint", lambda _: next(places)
        )
        self.pages(servers(3), [])
        self.assert_not_whole("other.example.org")

    def test_another_cloud_has_another_name(self):
        elsewhere = "http://user:secret@other.example.org/v2.1"
        self.net.get(f"{elsewhere}/os-services", json={"services": [UP]})
        self.net.get(f"{elsewhere}/servers/detail", json={"servers": []})
        self.nova = client.NovaClient(to_nova(elsewhere))
        self.assertEqual(
            "http://***@other.example.org/v2.1", self.read().cloud
        )

    def test_a_reading_that_is_left_is_not_whole(self):
        self.pages(servers(3), servers(3), [])
        reading = listing.read(self.nova)
        with_end = iter(reading)
        next(with_end)
        with_end.close()
        self.assertIn("its end", reading.summary().why_not_whole[0])

    def test_what_nobody_thought_of_ends_the_reading(self):
        self.pages({"exc": ZeroDivisionError("surprise")})
        self.assert_not_whole("page 1", "surprise")
        self.assertIn("report this as a bug", self.log.output)


@ddt.ddt
class MalformedTest(ListingCase):
    @ddt.data(
        {"addresses": {"private": 7}},
        {"addresses": {"private": [7]}},
        {"status": 7},
        {"OS-SRV-USG:launched_at": ...},
    )
    def test_one_bad_item_is_undecided_and_the_others_are_read(self, changes):
        bad = {k: v for k, v in server(**changes).items() if v is not ...}
        self.pages([*servers(2), bad, *servers(2)], [])
        summary = self.read()
        self.assertTrue(summary.whole, summary.why_not_whole)
        self.assertEqual(5, summary.instances)
        self.assertEqual(
            [bad["id"]],
            [
                one.instance_uuid
                for one in self.items
                if isinstance(one, Undecided)
            ],
        )

    @ddt.data(
        7,
        None,
        {},
        {"id": None},
        {"id": "x"},
        {"id": str(uuid.uuid4()).upper()},
    )
    def test_one_that_is_not_known_by_a_uuid_is_doubted(self, bad):
        self.pages([bad, *servers(2), bad], [])
        self.assert_not_whole("page 1", "whose uuid is")
        self.assertEqual(2, len(self.items))

    def test_a_page_of_nothing_but_such_ends_the_reading(self):
        self.pages([7, {}])
        self.assert_not_whole("page 1 has no instance")

    def test_many_malformed_values_are_told_of_in_few_lines(self):
        self.pages([server(name=7) for _ in range(100)], [])
        self.assertTrue(self.read().whole)
        self.assertEqual(11, self.log.output.count("ignored"))
        self.assertIn("90 more", self.log.output)


class ChangedSinceTest(ListingCase):
    def test_what_has_changed_is_read_and_the_deleted_ones(self):
        alive, gone = server(), server(status="DELETED")
        self.pages([alive, gone], [])
        changes = listing.changed_since(self.nova, 1795343300.9)
        verbs = {one.record.instance_uuid: one.verb for one in changes}
        self.assertEqual(
            {
                alive["id"]: events.Verb.REFRESH,
                gone["id"]: events.Verb.SOFT_UNREGISTER,
            },
            verbs,
        )
        self.assertTrue(changes.summary().whole)
        self.assertEqual(
            ["2026-11-22t10:28:20z"], self.queries()[0]["changes-since"]
        )
        self.assertNotIn("soft_deleted", self.queries()[0])

    def test_while_a_cell_is_down_it_is_not_whole(self):
        self.services([DOWN])
        self.pages([])
        changes = listing.changed_since(self.nova, 0)
        self.assertEqual([], list(changes))
        self.assertFalse(changes.summary().whole)


def trickle(request):
    """Send a byte from time to time: no wait for one is too long."""
    request.begin(10_000)
    while not request.server.let_go.wait(0.05):
        request.wfile.write(b" ")


def half(request):
    request.begin(10_000)
    request.wfile.write(b'{"servers": [')
    request.close_connection = True


def with_third_page(third):
    """Answer with pages, of which the third is as a test wants it."""
    pages = itertools.count(1)

    def answer(request):
        if request.path.endswith("/os-services"):
            request.give({"services": [UP]})
        elif next(pages) == 3:
            third(request)
        else:
            request.give({"servers": servers(2)})

    return answer


@ddt.ddt
class ThirdPageTest(base.TestCase):
    @ddt.data(
        (test_client.late, "within 0.5 s"),
        (trickle, "within 0.5 s"),
        (half, "cannot be asked"),
    )
    @ddt.unpack
    def test_a_third_page_that_does_not_come_ends_the_reading(
        self, third, words
    ):
        nova = test_client.LocalNova(self, with_third_page(third))
        reading = listing.Listing(
            client.NovaClient(to_nova(nova.url)), {}, page_limit=0.5
        )
        started = time.monotonic()
        items = list(reading)
        self.assertLess(time.monotonic() - started, 5)
        self.assertEqual(4, len(items))
        [why] = reading.summary().why_not_whole
        self.assertIn("page 3", why)
        self.assertIn(words, why)
