# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""nova-api with our filter in its pipeline: from where a boot was asked."""

import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

import fixtures
from nova import context, rpc
from oslo_middleware import http_proxy_to_wsgi

from nova_dirsvc_plugin import events, outbox
from tests.functional.nova_in_process import cloud

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
