# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a real directory refuses, as the dispatcher sees it."""

import logging
import threading

import fixtures
import ldap

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from tests import outboxes, waiting
from tests.functional import directory389
from tests.functional.test_directory_ldap import DriverTestCase
from tests.unit import base

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER


class DeliveryTestCase(DriverTestCase):
    """A dispatcher that delivers to a real 389 DS, ``self.server``."""

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(directory389.Directory389())
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        folder = self.useFixture(fixtures.TempDir()).path
        self.source = outbox.Outbox(f"{folder}/outbox.db")
        self.addCleanup(self.source.close)

    def start(self, owner="nova", settings=None, **options):
        self.stop_dispatcher = threading.Event()
        delivers = dispatcher.Dispatcher(
            "ldap",
            self.driver(owner, **options),
            outbox.Outbox(self.source.path),
            settings or retry.Settings(),
        )
        self.dispatcher = threading.Thread(
            target=delivers.run, args=(self.stop_dispatcher,), daemon=True
        )
        self.dispatcher.start()
        self.addCleanup(self.stop)

    def stop(self):
        self.stop_dispatcher.set()
        self.dispatcher.join(waiting.LIMIT)

    def put(self, verb, *instances, **fields):
        """Store an event of each instance; without any, of a new one."""
        told = [base.event(verb, one, **fields) for one in instances or [None]]
        for event in told:
            self.source.put(event)
        return {event.instance_uuid for event in told}

    def held(self):
        """Return the uuids of all entries in the container, wherever."""
        found = self.manager.search_s(
            self.server.hosts_tree_dn,
            ldap.SCOPE_SUBTREE,
            "(novaInstanceUuid=*)",
            ["novaInstanceUuid"],
        )
        return {
            attributes["novaInstanceUuid"][0].decode()
            for _, attributes in found
        }

    def until_held(self, wanted, limit=waiting.LIMIT):
        waiting.until(lambda: self.held() == wanted, f"{wanted}", limit)

    def until_said(self, text):
        waiting.until(lambda: text in self.log.output, text)


class AccessRulesTest(DeliveryTestCase):
    def test_rules_that_are_gone_for_a_while_bury_nothing(self):
        self.start(settings=retry.Settings(max_attempts=1))
        tree = self.server.hosts_tree_dn
        gone = self.put(REGISTER)
        self.until_held(gone)
        ((_, found),) = self.manager.search_s(
            tree, ldap.SCOPE_BASE, attrlist=["aci"]
        )
        self.manager.modify_s(tree, [(ldap.MOD_DELETE, "aci", None)])
        new = set().union(*(self.put(REGISTER) for _ in range(10)))
        self.put(UNREGISTER, *gone)
        self.until_said("entries were put off since the last report")
        self.assertIn("Insufficient access", self.log.output)
        self.assertIn("the rights of [ldap] user", self.log.output)
        self.assertEqual(gone, self.held())
        self.manager.modify_s(
            tree, [(ldap.MOD_ADD, "aci", list(found["aci"]))]
        )
        self.until_held(new)
        self.assertEqual([], outboxes.buried(self.source, "ldap"))


class SharedAddressTest(DeliveryTestCase):
    """An address is unique, and was given out again."""

    def test_it_is_registered_when_the_other_is_gone(self):
        self.manager.add_s(
            "cn=addresses,cn=plugins,cn=config",
            [
                (
                    "objectClass",
                    [b"top", b"nsSlapdPlugin", b"extensibleObject"],
                ),
                ("cn", [b"addresses"]),
                ("nsslapd-pluginPath", [b"libattr-unique-plugin"]),
                ("nsslapd-pluginInitfunc", [b"NSUniqueAttr_Init"]),
                ("nsslapd-pluginType", [b"betxnpreoperation"]),
                ("nsslapd-pluginEnabled", [b"on"]),
                ("nsslapd-pluginId", [b"NSUniqueAttr"]),
                ("nsslapd-pluginVersion", [b"1"]),
                ("nsslapd-pluginVendor", [b"389 Project"]),
                ("nsslapd-pluginDescription", [b"addresses"]),
                ("uniqueness-attribute-name", [b"ipHostNumber"]),
                (
                    "uniqueness-subtrees",
                    [self.server.hosts_tree_dn.encode()],
                ),
            ],
        )
        self.server.stop()
        self.server.start()
        self.manager = self.server.connect_as_manager()
        self.addCleanup(self.manager.unbind_ext)
        addresses = (events.Address("10.0.0.54", ""),)
        self.start()
        old = self.put(REGISTER, addresses=addresses)
        self.until_held(old)
        new = self.put(REGISTER, addresses=addresses)
        other = self.put(REGISTER)
        self.until_said("Constraint violation")
        self.put(UNREGISTER, *old)
        self.until_held(new | other)
