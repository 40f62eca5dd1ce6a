# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the paste filter stores, and what it lets pass as it came."""

import ddt
from oslo_config import cfg
from paste import deploy

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.sources import remote_address as middleware
from tests import outboxes, waiting
from tests.unit import base

REQUEST = "req-8217bf15-5838-4524-872f-3592fa99abb3"

#: Not an address, or more than one.
HOSTILE = (
    "",
    "unknown",
    "localhost",
    "203.0.113.7, 10.0.0.1",
    "203.0.113.7:8774",
    "[2001:db8::7]",
    "'; DROP TABLE origin; --",
    "203.0.113.7\nuid: root",
    "\x00\ud800",
    "9" * 100_000,
    None,
    7,
)


class FilterCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox" / "outbox.db"
        self.conf = self.nova_conf(f"outbox = {self.path}")
        self.seen = []
        self.filter = middleware.filter_factory({})(self.application)
        self.filter._conf = self.conf

    def nova_conf(self, *lines):
        file = self.folder / "nova.conf"
        file.write_text("\n".join(("[nova_dirsvc]", *lines)))
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(file)])
        return conf

    def application(self, environ, start_response):
        self.seen.append(environ)
        start_response("202 Accepted", [])
        return [b"{}"]

    def ask(self, remote_address="203.0.113.7", path="/servers", **changes):
        """Send a request through the filter; give what comes back."""
        environ = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/v2.1",
            "PATH_INFO": path,
            "REMOTE_ADDR": remote_address,
            "openstack.request_id": REQUEST,
        }
        heads = []
        body = self.filter(environ | changes, lambda *head: heads.append(head))
        return heads, body

    def origins(self):
        if not self.path.exists():
            return {}
        # Another may just have made the file: see that it is complete.
        outbox.Outbox(self.path).check_writable()
        return dict(
            outboxes.run_sql(
                self.path, "SELECT request_id, remote_address FROM origin"
            )
        )


@ddt.ddt
class RemoteAddressTest(FilterCase):
    @ddt.data(
        "/servers",
        "/servers/",
        "/7b22e328262041efa6253a178f743293/servers",
        "/os-volumes_boot",
    )
    def test_a_request_for_instances_is_noted(self, path):
        self.ask(path=path)
        self.assertEqual({REQUEST: "203.0.113.7"}, self.origins())

    @ddt.data(
        ("GET", "/servers"),
        ("HEAD", "/servers"),
        ("POST", "/servers/4711/action"),
        ("POST", "/os-keypairs"),
        ("POST", "/observers"),
        ("POST", ""),
    )
    @ddt.unpack
    def test_another_request_does_not_even_make_an_outbox(self, method, path):
        self.ask(path=path, REQUEST_METHOD=method)
        self.assertFalse(self.path.parent.exists())
        self.assertEqual(1, len(self.seen))

    def test_request_and_response_pass_as_they_are(self):
        heads, body = self.ask()
        self.assertEqual([("202 Accepted", [])], heads)
        self.assertEqual([b"{}"], body)
        self.assertEqual(
            {
                "REQUEST_METHOD",
                "SCRIPT_NAME",
                "PATH_INFO",
                "REMOTE_ADDR",
                "openstack.request_id",
            },
            set(self.seen[0]),
        )

    def test_what_the_application_raises_is_its_own(self):
        def application(environ, start_response):
            raise ZeroDivisionError

        self.filter._application = application
        self.assertRaises(ZeroDivisionError, self.ask)

    def test_it_is_noted_before_the_request_has_any_effect(self):
        stored = []
        self.filter._application = lambda *_: stored.append(self.origins())
        self.ask()
        self.assertEqual([{REQUEST: "203.0.113.7"}], stored)

    @ddt.data(
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        ("fe80::1%eth0\n<b>", "fe80::1"),
    )
    @ddt.unpack
    def test_an_address_is_noted_in_its_canonical_form(self, said, noted):
        self.ask(said)
        self.assertEqual({REQUEST: noted}, self.origins())

    @ddt.data(*HOSTILE)
    def test_what_is_no_address_does_nothing(self, said):
        self.ask(said)
        self.assertFalse(self.path.exists())
        self.assertEqual("", self.log.output)
        self.assertEqual(1, len(self.seen))

    def test_no_address_at_all_does_nothing(self):
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/servers"}
        self.filter(environ, lambda *_: None)
        self.assertEqual([environ], self.seen)

    def test_a_filter_before_the_request_id_says_once_where_it_belongs(self):
        for _ in range(3):
            self.ask(**{"openstack.request_id": None})
        self.assertEqual(1, self.log.output.count("keystonecontext"))
        self.assertEqual(3, len(self.seen))

    def test_without_users_nothing_is_stored(self):
        self.filter._conf = self.nova_conf(
            f"outbox = {self.path}", "record_users = false"
        )
        self.ask()
        self.assertFalse(self.path.parent.exists())
        self.assertIn("record_users = false", self.log.output)

    def test_the_record_of_all_that_was_asked_for_has_the_address(self):
        self.ask()
        box = outbox.Outbox(self.path)
        for _ in range(3):
            event = base.event()
            self.assertEqual(REQUEST, event.request_id)
            box.put(event)
        box.put(base.event(events.Verb.UNREGISTER))
        self.assertEqual(
            ["203.0.113.7"] * 3,
            [
                turn.entries[0].event.record.user_remote_address
                for turn in box.claim("d", 100).turns
            ][:3],
        )


class TroubleTest(FilterCase):
    def test_an_unusable_outbox_lets_the_request_pass(self):
        self.path.parent.write_text("a file in the way")
        heads, _ = self.ask()
        self.assertEqual("202 Accepted", heads[0][0])
        self.assertIn(
            f"origin of request {REQUEST}: not stored", self.log.output
        )
        self.path.parent.unlink()
        waiting.until(self.origins, "the origin")

    def test_a_locked_outbox_holds_up_one_request_and_no_more(self):
        self.patch(middleware.buffered_writer, "BUSY_TIMEOUT", 0.05)
        self.ask()
        with outboxes.locked(self.path):
            for number in range(10):
                self.ask(**{"openstack.request_id": f"req-{number}"})
            self.assertEqual(1, self.log.output.count("database is locked"))
            self.assertEqual(11, len(self.seen))
        waiting.until(lambda: len(self.origins()) == 11, "all of them")

    def test_options_that_cannot_be_read_let_the_request_pass(self):
        self.filter._conf = None
        heads, _ = self.ask()
        self.assertEqual("202 Accepted", heads[0][0])
        self.assertIn("report this as a bug", self.log.output)


class PasteTest(FilterCase):
    def test_paste_finds_it_by_its_name(self):
        file = self.folder / "api-paste.ini"
        file.write_text(
            "[filter:remote_address]\n"
            "use = egg:nova-dirsvc-plugin#remote_address\n"
        )
        make = deploy.loadfilter(f"config:{file}", "remote_address")
        self.assertIsInstance(make(None), middleware.RemoteAddress)
        self.assertEqual("", self.log.output)

    def test_an_option_in_the_wrong_file_is_said_and_stops_nothing(self):
        middleware.filter_factory({}, outbox="elsewhere")(None)
        self.assertIn("no options in api-paste.ini", self.log.output)
