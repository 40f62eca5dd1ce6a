# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A whole Nova in this process, with our notification driver in it.

API, scheduler, conductor, compute and placement are the real ones. Nova's
own fixtures stand in for the hypervisor, Neutron, Glance, Keystone and the
bus between the services.
"""

import pathlib
import sys
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

import fixtures
import requests
from keystoneauth1 import adapter, noauth, session
from nova import rpc
from nova.tests.functional import integrated_helpers
from nova.tests.functional.api import client

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.nova_api import client as nova_client
from tests import waiting
from tests.functional.nova_in_process import not_yet

#: Names an image and a network of Nova's fixtures, to ask for them by id.
IMAGE = "155d900f-4e14-4e4c-a73d-069cbf4541e6"
NETWORK = "3cb9bc59-5699-4588-a4b1-b87f96708bc6"

Server = Mapping[str, Any]


class NovaTestCase(integrated_helpers._IntegratedTestBase):
    """A Nova whose events our driver stores in ``self.outbox_path``.

    :cvar NOTIFICATION_FORMAT: ``[notifications] notification_format``
    """

    #: As in production: who casts does not wait for the boot's end.
    CAST_AS_CALL = False

    api_major_version = "v2.1"
    microversion = "2.95"

    NOTIFICATION_FORMAT: ClassVar[str] = "versioned"

    def setUp(self) -> None:
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.outbox_path = self.folder / "outbox" / "outbox.db"
        self.prepare()
        super().setUp()

    def prepare(self) -> None:
        """Do what a test wants to be there when Nova starts."""

    def api_paste(self) -> pathlib.Path:
        """Return nova-api's pipelines."""
        return data_file("api-paste.ini")

    def _setup_services(self) -> None:
        """Read our settings before any service starts, as from nova.conf."""
        self.flags(api_paste_config=str(self.api_paste()), group="wsgi")
        rpc.CONF.register_opts(options.SOURCE_OPTS, group=options.GROUP)
        self.flags(outbox=str(self.outbox_path), group=options.GROUP)
        self.flags(
            notification_format=self.NOTIFICATION_FORMAT, group="notifications"
        )
        self.flags(
            driver=["messagingv2", "nova_dirsvc"],
            group="oslo_messaging_notifications",
        )
        # Nova's own fixture has put a fake in the Notifier's place.
        rpc.init(rpc.CONF)
        super()._setup_services()
        self.admin_api.microversion = self.microversion

    # -- what a tenant does ------------------------------------------------

    def boot(self, name: str = "web-1", **more: object) -> Server:
        """Ask for a server, and give it as it is when it is ACTIVE."""
        return self.in_state(self.ask_for_server(name, **more), "ACTIVE")

    def ask_for_server(self, name: str = "web-1", **more: object) -> Server:
        request = {
            "name": name,
            "imageRef": IMAGE,
            "flavorRef": self.api.get_flavors()[0]["id"],
            "networks": [{"uuid": NETWORK}],
        }
        return self.api.post_server({"server": request | more})

    def delete(self, server: Server) -> None:
        """Delete a server, and wait until the API does not know it."""
        self.api.delete_server(server["id"])
        self.until_gone(server)

    # -- what the API says -------------------------------------------------

    def in_state(self, server: Server, wanted: str) -> Server:
        """Wait until a server has a status, and give it as it is then."""

        def look() -> Server | not_yet.NotYet:
            found = self.api.get_server(server["id"])
            if found["status"] == "ERROR" != wanted:
                self.fail(f"{found['id']} failed: {found.get('fault')}")
            if found["status"] != wanted:
                return not_yet.NotYet(found["status"])
            return found

        return waiting.until(look, f"status {wanted}")

    def until_gone(self, server: Server) -> None:
        def look() -> bool | not_yet.NotYet:
            try:
                found = self.api.get_server(server["id"])
            except client.OpenStackApiNotFoundException:
                return True
            return not_yet.NotYet(found["status"])

        waiting.until(look, f"the end of {server['id']}")

    def client_of(
        self, user: str, roles: str, now: float
    ) -> nova_client.NovaClient:
        """Ask as somebody, in the way of Nova's fixtures: by headers."""
        http = requests.Session()
        http.headers.update(
            {
                "X-Auth-User": user,
                "X-Auth-Project-Id": str(uuid.uuid4()),
                "X-Roles": roles,
            }
        )
        auth = noauth.NoAuth(endpoint=self.api_fixture.base_url)
        return nova_client.NovaClient(
            adapter.Adapter(
                session.Session(auth=auth, session=http, timeout=30),
                service_type="compute",
                raise_exc=False,
            ),
            lambda: now,
        )

    # -- what Nova's log says ----------------------------------------------

    def until_nova_logs(self, *words: str) -> str:
        """Wait for a line of Nova's log that has all the words; give it."""

        def look() -> str | not_yet.NotYet:
            lines = [
                line
                for line in self.stdlog.logger.output.splitlines()
                if all(word in line for word in words)
            ]
            return lines[0] if lines else not_yet.NotYet("no such line")

        return waiting.until(look, f"a line with {words} in Nova's log")


def addresses(server: Server) -> set[tuple[str, str]]:
    """Return address and MAC of all that the API says a server has."""
    return {
        (item["addr"], item["OS-EXT-IPS-MAC:mac_addr"])
        for items in server["addresses"].values()
        for item in items
    }


def data_file(name: str) -> pathlib.Path:
    """Find a file of Nova's configuration, as pip put it."""
    return pathlib.Path(sys.prefix) / "etc" / "nova" / name
