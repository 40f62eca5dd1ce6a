# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""nova-api with our filter in its pipeline: from where a boot was asked."""

import pathlib
import sqlite3
from collections.abc import Mapping
from typing import Any, ClassVar

import fixtures
from nova import context, rpc
from oslo_middleware import http_proxy_to_wsgi

from nova_dirsvc_plugin import events, outbox
from tests import waiting
from tests.functional.nova_in_process import cloud, not_yet

FILTER = """
[filter:remote_address]
use = egg:nova-dirsvc-plugin#remote_address
"""


class FilterTestCase(cloud.NovaTestCase):
    """A Nova with the filter where the documentation says.

    :cvar BEHIND_PROXY: ``[oslo_middleware] enable_proxy_headers_parsing``
    """

    BEHIND_PROXY: ClassVar[bool] = True

    def api_paste(self) -> pathlib.Path:
        text = cloud.data_file("api-paste.ini").read_text()
        path = self.folder / "api-paste.ini"
        path.write_text(
            text.replace(
                " keystonecontext ", " keystonecontext remote_address "
            )
            + FILTER
        )
        return path

    def prepare(self) -> None:
        group = "oslo_middleware"
        rpc.CONF.register_opts(http_proxy_to_wsgi.OPTS, group=group)
        rpc.CONF.set_override(
            "enable_proxy_headers_parsing", self.BEHIND_PROXY, group
        )
        self.addCleanup(
            rpc.CONF.clear_override, "enable_proxy_headers_parsing", group
        )

    def _setup_services(self) -> None:
        super()._setup_services()
        self.useFixture(
            fixtures.MonkeyPatch(
                "nova.api.auth.NovaKeystoneContext._create_context",
                staticmethod(real_context),
            )
        )

    def ask_from(self, address: str, **more: object) -> cloud.Server:
        """Ask for a server through a proxy, which names its client."""
        request = {
            "name": "web-1",
            "imageRef": cloud.IMAGE,
            "flavorRef": self.api.get_flavors()[0]["id"],
            "networks": [{"uuid": cloud.NETWORK}],
        }
        response = self.api.api_post(
            "/servers",
            {"server": request | more},
            headers={"X-Forwarded-For": address},
        )
        return response.body["server"]

    def records(self) -> Mapping[str, events.HostRecord]:
        """Return what the outbox says of each instance that it registers."""
        claim = outbox.Outbox(self.outbox_path).claim("any", 100)
        return {
            entry.event.instance_uuid: entry.event.record
            for entry in claim.entries
            if entry.event.verb is events.Verb.REGISTER
        }

    def registered(self, server: cloud.Server) -> events.HostRecord:
        """Wait for a server's register, and give its record."""
        self.in_state(server, "ACTIVE")
        self.until_nova_logs("register instance", server["id"], ": stored")
        return self.records()[server["id"]]


def real_context(environ: Mapping[str, Any], **more: Any) -> Any:
    """Make the context as Nova does, from what a token would have said.

    The one of Nova's fixture has another request id than the environment.
    """
    said = {
        "HTTP_X_USER_ID": environ["HTTP_X_AUTH_USER"],
        "HTTP_X_USER_NAME": f"{environ['HTTP_X_AUTH_USER']}-by-name",
        "HTTP_X_PROJECT_ID": environ["HTTP_X_AUTH_PROJECT_ID"],
    }
    return context.RequestContext.from_environ({**environ, **said}, **more)


class TestRemoteAddress(FilterTestCase):
    def test_the_record_says_who_asked_and_from_where(self):
        record = self.registered(self.ask_from("203.0.113.7"))

        self.assertEqual(
            ("203.0.113.7", "fake-by-name"),
            (record.user_remote_address, record.user_name),
        )

    def test_all_servers_of_one_request_have_its_address(self):
        self.ask_from("2001:DB8::7", min_count=3)
        servers = [
            self.in_state(server, "ACTIVE")
            for server in self.api.get_servers()
        ]
        self.assertEqual(3, len(servers))

        self.assertEqual(
            ["2001:db8::7"] * 3,
            [
                self.registered(server).user_remote_address
                for server in servers
            ],
        )

    def test_each_server_has_the_address_of_its_own_request(self):
        first = self.ask_from("203.0.113.7")
        second = self.ask_from("203.0.113.8")

        self.assertEqual(
            ["203.0.113.7", "203.0.113.8"],
            [
                self.registered(server).user_remote_address
                for server in (first, second)
            ],
        )

    def test_a_client_that_names_no_address_asks_for_a_server_as_ever(self):
        record = self.registered(
            self.ask_from("'; DROP TABLE origin; -- <script>")
        )

        self.assertEqual("", record.user_remote_address)

    def test_a_request_that_is_refused_is_refused_as_ever(self):
        response = self.api.api_post(
            "/servers", {"server": {}}, check_response_status=[400]
        )

        self.assertEqual(400, response.status)


class TestNoProxy(FilterTestCase):
    BEHIND_PROXY = False

    def test_what_a_client_says_of_itself_is_not_believed(self):
        record = self.registered(self.ask_from("203.0.113.7"))

        self.assertEqual("127.0.0.1", record.user_remote_address)


class TestWithoutUsers(FilterTestCase):
    def _setup_services(self) -> None:
        rpc.CONF.register_opts(
            cloud.options.SOURCE_OPTS, group=cloud.options.GROUP
        )
        self.flags(record_users=False, group=cloud.options.GROUP)
        super()._setup_services()

    def test_neither_name_nor_address_is_on_disk(self):
        record = self.registered(self.ask_from("203.0.113.7"))

        self.assertEqual(
            ("", "", "fake"),
            (record.user_name, record.user_remote_address, record.user_id),
        )
        with sqlite3.connect(self.outbox_path) as database:
            dump = "\n".join(database.iterdump())
        self.assertNotIn("203.0.113.7", dump)
        self.assertNotIn("fake-by-name", dump)


class TestOutboxInTrouble(FilterTestCase):
    def test_an_unusable_outbox_costs_no_request(self):
        self.outbox_path.parent.touch()

        server = self.in_state(self.ask_from("203.0.113.7"), "ACTIVE")

        self.until_nova_logs("ERROR", "origin of request", "not stored")
        self.outbox_path.parent.unlink()
        self.registered(server)
        self.until_address(server, "203.0.113.7")

    def test_a_locked_outbox_holds_up_one_request_and_no_more(self):
        self.registered(self.ask_from("203.0.113.7"))
        other = sqlite3.connect(self.outbox_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            servers = [self.ask_from("203.0.113.8") for _ in range(3)]
        finally:
            other.execute("ROLLBACK")
            other.close()

        waited = [
            line
            for line in self.stdlog.logger.output.splitlines()
            if "origin of request" in line and "database is locked" in line
        ]
        self.assertEqual(1, len(waited))
        for server in servers:
            self.registered(server)
            self.until_address(server, "203.0.113.8")

    def until_address(self, server: cloud.Server, wanted: str) -> None:
        """Wait for it: filter and driver each try again by themselves."""

        def look() -> bool | not_yet.NotYet:
            seen = self.records()[server["id"]].user_remote_address
            return seen == wanted or not_yet.NotYet(repr(seen))

        waiting.until(look, f"the address {wanted}")
