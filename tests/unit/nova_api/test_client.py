# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What Nova's API may answer, and what is believed of it."""

import copy
import dataclasses
import http.server
import json
import threading
import uuid
from concurrent import futures

import ddt
import requests_mock
from keystoneauth1 import adapter, noauth, session
from keystoneauth1 import exceptions as ksa_exceptions
from oslo_config import cfg
from requests_mock.contrib import fixture

from nova_dirsvc_plugin import errors, events
from nova_dirsvc_plugin.nova_api import client
from tests import recordings, waiting
from tests.unit import base

NOVA = "http://nova.example.org/v2.1"
UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
ASKED_AT = 1795343300.5

#: As Nova 34 answers an admin at microversion 2.90, shortened.
ALIVE = {
    "id": UUID,
    "name": "plain",
    "status": "ACTIVE",
    "tenant_id": "7b22e328262041efa6253a178f743293",
    "user_id": "8acf174811954db7b962293e68bae407",
    "image": {"id": "5a1d32c6-2595-461c-bbd9-c94d0a4da72c", "links": []},
    "flavor": {"vcpus": 1, "original_name": "m1.tiny"},
    "created": "2026-11-22T10:27:53Z",
    "OS-SRV-USG:launched_at": "2026-11-22T10:27:55.000000",
    "OS-SRV-USG:terminated_at": None,
    "OS-EXT-AZ:availability_zone": "nova",
    "OS-EXT-SRV-ATTR:host": "pocket1",
    "OS-EXT-SRV-ATTR:hostname": "plain",
    "addresses": {
        "private": [
            {
                "version": 4,
                "addr": "10.77.0.90",
                "OS-EXT-IPS:type": "fixed",
                "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:51:8e:ab",
            },
            {
                "version": 4,
                "addr": "198.51.100.4",
                "OS-EXT-IPS:type": "floating",
                "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:51:8e:ab",
            },
        ]
    },
}

#: Nova's API knows the ids of user and project, not their names.
RECORD = dataclasses.replace(recordings.RECORD, user_name="", project_name="")

GONE = events.HostState(
    events.Verb.UNREGISTER, events.HostRecord(instance_uuid=UUID), ASKED_AT
)


def missing(instance_uuid=UUID):
    """Return the body of Nova's own 404."""
    words = f"Instance {instance_uuid} could not be found."
    return {"itemNotFound": {"code": 404, "message": words}}


def to_nova(endpoint=NOVA, auth=None):
    """Return a connection, without an account if none is given."""
    return adapter.Adapter(
        session.Session(auth=auth or noauth.NoAuth(endpoint=endpoint)),
        service_type="compute",
        endpoint_override=endpoint,
        connect_retries=0,
        status_code_retries=0,
        raise_exc=False,
    )


#: As Nova lists its services, from 2.69 on.
UP = {"binary": "nova-compute", "host": "pocket1", "status": "enabled"}
DOWN = {"binary": "nova-compute", "host": "pocket2", "status": "UNKNOWN"}


class InventoryCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.nova = self.useFixture(fixture.Fixture())
        self.inventory = client.NovaClient(to_nova(), lambda: ASKED_AT, 30)
        self.services(json={"services": [UP]})

    def answers(self, *answers, instance_uuid=UUID):
        self.nova.get(f"{NOVA}/servers/{instance_uuid}", list(answers))

    def lists(self, **answer):
        self.nova.get(f"{NOVA}/servers", **answer)

    def services(self, **answer):
        self.nova.get(f"{NOVA}/os-services", **answer)

    def server(self, **changes):
        """Let Nova tell of a server with other values; ``...`` leaves out."""
        server = copy.deepcopy(ALIVE) | changes
        self.answers(
            {"json": {"server": {k: v for k, v in server.items() if v != ...}}}
        )

    def ask(self):
        return self.inventory.ask([UUID])[UUID]

    def assert_unsure(self, *words):
        answer = self.ask()
        self.assertIsInstance(answer, events.StateUnknown)
        for word in words:
            self.assertIn(word, str(answer))


@ddt.ddt
class SureTest(InventoryCase):
    def test_an_instance_that_was_launched_is_as_nova_says(self):
        self.server()
        self.assertEqual(
            events.HostState(events.Verb.REFRESH, RECORD, ASKED_AT),
            self.ask(),
        )

    @ddt.data("ERROR", "SHUTOFF", "SHELVED_OFFLOADED", "REBUILD", "NEW_ONE")
    def test_it_lives_whatever_it_does(self, status):
        self.server(status=status)
        self.assertIs(events.Verb.REFRESH, self.ask().verb)

    def test_a_soft_deleted_one_waits(self):
        self.server(status="SOFT_DELETED")
        self.assertEqual(
            events.HostState(events.Verb.SOFT_UNREGISTER, RECORD, ASKED_AT),
            self.ask(),
        )

    @ddt.data("ERROR", "SHUTOFF")
    def test_one_that_never_was_launched_has_no_entry_yet(self, status):
        self.server(
            status=status,
            addresses={},
            **{"OS-SRV-USG:launched_at": None, "OS-EXT-SRV-ATTR:host": None},
        )
        answer = self.ask()
        self.assertIs(events.Verb.SOFT_UNREGISTER, answer.verb)
        self.assertEqual((), answer.record.addresses)

    def test_one_that_is_marked_as_deleted_is_gone(self):
        self.server(status="DELETED")
        self.assertEqual(GONE, self.ask())

    def test_one_that_nova_does_not_find_is_gone(self):
        self.answers({"status_code": 404, "json": missing()})
        self.lists(json={"servers": []})
        self.assertEqual(GONE, self.ask())
        self.assertEqual(
            {
                "all_tenants": ["1"],
                "uuid": [UUID],
                "soft_deleted": ["1"],
                "limit": ["1"],
            },
            self.nova.request_history[-2].qs,
        )

    def test_a_boot_from_volume_has_no_image(self):
        self.server(image="")
        self.assertEqual("", self.ask().record.image_uuid)

    def test_what_is_malformed_is_left_out_and_named(self):
        self.server(created="soon", name=7)
        record = self.ask().record
        self.assertEqual(("", ""), (record.created_at, record.display_name))
        self.assertIn(
            f"answer about instance {UUID}: value ignored: created",
            self.log.output,
        )

    def test_the_token_goes_nowhere(self):
        self.server()
        self.ask()
        self.assertNotIn(noauth.NoAuth().get_token(None), self.log.output)


@ddt.ddt
class UnsureTest(InventoryCase):
    @ddt.data(
        (401, "check [nova]"),
        (403, "the role admin"),
        (406, "older than 2.47"),
        (400, "check for a proxy"),
        (429, "check for a proxy"),
        (500, "log of nova-api"),
        (503, "log of nova-api"),
    )
    @ddt.unpack
    def test_a_refusal_or_a_failure_says_nothing(self, status, words):
        self.answers({"status_code": status, "json": missing()})
        self.assert_unsure(str(status) if status != 406 else "", words)

    @ddt.data(
        ksa_exceptions.ConnectFailure("refused"),
        ksa_exceptions.ConnectTimeout("too late"),
        ksa_exceptions.SSLError("unknown issuer"),
        ksa_exceptions.EndpointNotFound("no compute"),
    )
    def test_no_answer_says_nothing(self, error):
        self.answers({"exc": error})
        self.assert_unsure(str(error), "check [nova]")

    @ddt.data(
        {"text": "<html>Not Found</html>"},
        {"json": {"error": {"code": 404, "title": "Not Found"}}},
        {"json": {"itemNotFound": {"message": "Flavor x"}}},
        {"json": {"itemNotFound": "x"}},
        {"json": [UUID]},
        {"text": ""},
    )
    def test_a_404_that_is_not_novas_own_says_nothing(self, answer):
        self.answers({"status_code": 404} | answer)
        self.lists(json={"servers": []})
        self.assert_unsure("404", "endpoint")

    def test_a_404_to_an_account_that_may_not_see_all_says_nothing(self):
        self.answers({"status_code": 404, "json": missing()})
        self.lists(status_code=403, json={"forbidden": {}})
        self.assert_unsure("403", "the role admin")

    @ddt.data(
        {"servers": [{"id": UUID}]},
        {"servers": [{"id": "another"}]},
        {"servers": None},
        {},
        [],
    )
    def test_a_404_that_the_list_does_not_confirm_says_nothing(self, body):
        self.answers({"status_code": 404, "json": missing()})
        self.lists(json=body)
        self.assert_unsure("the role admin")

    def test_a_404_while_the_list_fails_says_nothing(self):
        self.answers({"status_code": 404, "json": missing()})
        self.lists(status_code=500)
        self.assert_unsure("500")

    @ddt.data(
        ({"json": {"services": [UP, DOWN]}}, "pocket2"),
        ({"json": {"services": []}}, "proxy"),
        ({"json": {"services": 7}}, "proxy"),
        ({"text": "x"}, "proxy"),
        ({"status_code": 403}, "the role admin"),
        ({"status_code": 500}, "log of nova-api"),
        ({"exc": ksa_exceptions.ConnectTimeout("too late")}, "too late"),
    )
    @ddt.unpack
    def test_a_404_while_a_cell_may_be_down_says_nothing(self, answer, words):
        self.answers({"status_code": 404, "json": missing()})
        self.lists(json={"servers": []})
        self.services(**answer)
        self.assert_unsure(words)

    def test_a_cell_that_is_down_is_an_answer_of_novas(self):
        self.answers({"status_code": 404, "json": missing()})
        self.lists(json={"servers": []})
        self.services(json={"services": [DOWN]})
        self.assertIsInstance(self.ask(), events.StateUndecided)

    def test_an_instance_in_a_cell_that_is_down_is_in_doubt(self):
        self.answers({"json": {"server": {"id": UUID, "status": "UNKNOWN"}}})
        self.assert_unsure("cell")

    @ddt.data(
        None, {}, [], {"server": None}, {"server": {"id": "x"}}, {"server": 7}
    )
    def test_an_answer_about_nothing_says_nothing(self, body):
        self.answers({"json": body})
        self.assert_unsure("not about the instance")

    @ddt.data(
        ("status", ...),
        ("status", 7),
        ("OS-SRV-USG:launched_at", ...),
        ("OS-EXT-SRV-ATTR:host", ...),
    )
    @ddt.unpack
    def test_an_answer_that_lacks_what_decides_says_nothing(self, key, value):
        self.server(**{key: value})
        self.assert_unsure("")

    def test_what_nobody_thought_of_says_nothing(self):
        self.server(addresses={"private": 7})
        self.assert_unsure("not understood")
        self.assertIn("report this as a bug", self.log.output)

    @ddt.data("", "../os-services", UUID.upper(), f"{UUID}/action", "\ud800")
    def test_what_is_no_uuid_is_not_asked_for(self, text):
        answer = self.inventory.ask([text])[text]
        self.assertIn("not a valid instance UUID", str(answer))
        self.assertFalse(self.nova.called)


class ManyTest(InventoryCase):
    def test_nothing_to_ask_asks_nothing(self):
        self.assertEqual({}, self.inventory.ask([]))

    def test_each_is_asked_for_once_and_has_its_own_answer(self):
        uuids = [str(uuid.uuid4()) for _ in range(40)]
        for number, one in enumerate(uuids):
            server = ALIVE | {"id": one, "name": f"web-{number}"}
            self.answers({"json": {"server": server}}, instance_uuid=one)
        self.answers({"status_code": 500})
        told = self.inventory.ask([*uuids, UUID, *uuids])
        self.assertEqual({*uuids, UUID}, set(told))
        self.assertEqual(41, self.nova.call_count)
        self.assertIsInstance(told.pop(UUID), events.StateUnknown)
        self.assertEqual(
            [f"web-{number}" for number in range(40)],
            [told[one].record.display_name for one in uuids],
        )

    def test_services_are_asked_for_once_and_for_removals_only(self):
        alive, *gone = (str(uuid.uuid4()) for _ in range(20))
        self.answers(
            {"json": {"server": ALIVE | {"id": alive}}}, instance_uuid=alive
        )
        for one in gone:
            self.answers(
                {"status_code": 404, "json": missing(one)}, instance_uuid=one
            )
        self.lists(json={"servers": []})
        self.services(json={"services": [DOWN]})
        self.assertIs(
            events.Verb.REFRESH, self.inventory.ask([alive])[alive].verb
        )
        self.assertEqual(1, self.nova.call_count)
        told = self.inventory.ask([alive, *gone])
        self.assertIs(events.Verb.REFRESH, told.pop(alive).verb)
        self.assertEqual(
            {events.StateUndecided}, {type(one) for one in told.values()}
        )
        self.assertEqual(1 + 20 + 19 + 1, self.nova.call_count)

    def test_a_nova_before_2_69_has_no_404_for_a_cell_that_is_down(self):
        def answer(request, context):
            asked = request.headers["OpenStack-API-Version"]
            old = asked == "compute 2.47"
            context.status_code = 404 if old else 406
            return missing()

        self.answers({"json": answer})
        self.lists(json={"servers": []})
        self.services(status_code=500)
        self.assertEqual(GONE, self.ask())

    def test_an_older_nova_is_asked_in_its_own_version_and_so_ever_after(self):
        def answer(request, context):
            asked = request.headers["OpenStack-API-Version"]
            if asked != "compute 2.69":
                context.status_code = 406
                return {}
            return {"server": ALIVE}

        self.answers({"json": answer})
        self.assertIs(events.Verb.REFRESH, self.ask().verb)
        self.assertIs(events.Verb.REFRESH, self.ask().verb)
        self.assertEqual(3, self.nova.call_count)


class LocalNova(http.server.ThreadingHTTPServer):
    """A Nova on loopback; requests-mock lets one request through at a time.

    :param answer: called with each request
    :ivar asked: how many came
    :ivar let_go: set when nobody waits for an answer any more
    """

    daemon_threads = True

    def __init__(self, test, answer):
        super().__init__(("127.0.0.1", 0), _Request)
        self.answer = answer
        self.asked = 0
        self.lock = threading.Lock()
        self.let_go = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/v2.1"
        threading.Thread(target=self.serve_forever, daemon=True).start()
        test.addCleanup(self.end)

    def end(self):
        self.let_go.set()
        self.shutdown()
        self.server_close()


class _Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with self.server.lock:
            self.server.asked += 1
        self.server.answer(self)

    def give(self, content, status=200):
        body = json.dumps(content).encode()
        self.begin(len(body), status)
        self.wfile.write(body)

    def begin(self, length, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args):
        pass


def late(request):
    """Fail, once nobody waits for that any more."""
    request.server.let_go.wait(waiting.LIMIT)
    request.give({}, 500)


def missing_at_once(request):
    """Wait about others, and do not find one of a test's own."""
    path = request.path.partition("?")[0].removeprefix("/v2.1/")
    if path == "os-services":
        request.give({"services": [UP]})
    elif path == "servers":
        request.give({"servers": []})
    elif path == f"servers/{UUID}":
        request.give(missing(), 404)
    else:
        late(request)


class SlowNovaTest(base.TestCase):
    def asking(self, answer, limit):
        """Return who asks a Nova that answers so."""
        self.nova = LocalNova(self, answer)
        return client.NovaClient(
            to_nova(self.nova.url), lambda: ASKED_AT, limit
        )

    def test_who_does_not_answer_is_not_waited_for(self):
        nova = self.asking(late, 0.3)
        told = nova.ask([str(uuid.uuid4()) for _ in range(20)])
        self.assertEqual(20, len(told))
        for answer in told.values():
            self.assertIn("within 0.24 s", str(answer))

    def test_eight_are_under_way_at_a_time_and_the_others_follow(self):
        uuids = [str(uuid.uuid4()) for _ in range(20)]
        nova = self.asking(late, 60)
        with futures.ThreadPoolExecutor() as pool:
            told = pool.submit(nova.ask, uuids)
            waiting.until(lambda: self.nova.asked == 8, "eight requests")
            self.assertFalse(futures.wait([told], 0.2).done)
            self.assertEqual(8, self.nova.asked)
            self.nova.let_go.set()
            self.assertEqual(set(uuids), set(told.result(60)))
        self.assertEqual(20, self.nova.asked)

    def test_who_does_not_answer_costs_no_other_its_removal(self):
        slow = [str(uuid.uuid4()) for _ in range(20)]
        told = self.asking(missing_at_once, 5).ask([UUID, *slow])
        self.assertIs(events.Verb.UNREGISTER, told.pop(UUID).verb)
        for answer in told.values():
            self.assertIsInstance(answer, events.StateUnknown)


class FromConfTest(base.TestCase):
    def from_conf(self, *lines):
        file = self.folder / "nova-dirsvc.conf"
        file.write_text("\n".join(("[nova]", *lines)))
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(file)])
        return client.from_conf(conf)

    def test_without_an_account_nova_is_not_asked(self):
        self.assertIsNone(self.from_conf())

    def test_an_account_of_keystone_is_used_as_everywhere(self):
        made = self.from_conf(
            "auth_type = password",
            "auth_url = http://keystone.example.org/v3",
            "username = nova-dirsvc",
            "password = a secret",
            "project_name = service",
            "user_domain_id = default",
            "project_domain_id = default",
        )
        with requests_mock.Mocker() as net:
            net.get(requests_mock.ANY, exc=ksa_exceptions.ConnectFailure)
            net.post(requests_mock.ANY, status_code=401)
            answer = made.ask([UUID])[UUID]
        self.assertIn("Nova cannot be asked", str(answer))
        self.assertNotIn("a secret", str(answer) + self.log.output)

    def test_requests_are_bounded_in_time_and_not_repeated(self):
        made = self.from_conf(
            "auth_type = none", f"endpoint_override = {NOVA}"
        )
        with requests_mock.Mocker() as net:
            net.get(f"{NOVA}/servers/{UUID}", status_code=503)
            answer = made.ask([UUID])[UUID]
        self.assertIn("503", str(answer))
        self.assertEqual(1, net.call_count)
        self.assertEqual(10, net.last_request.timeout)

    def test_wrong_options_are_told_with_their_group(self):
        for lines in (
            ["auth_type = no-such-plugin"],
            ["auth_type = none", "valid_interfaces = secret"],
            ["auth_type = none", "version = 2.1", "max_version = 2.1"],
            ["auth_type = none", "timeout = soon"],
        ):
            error = self.assertRaises(
                errors.WrongOption, self.from_conf, *lines
            )
            self.assertIn("[nova]", str(error))

    def test_the_options_are_listed_with_those_of_a_password(self):
        names = {option.dest for option in client.options()}
        self.assertLessEqual(
            {"auth_type", "username", "timeout", "endpoint_override"}, names
        )
