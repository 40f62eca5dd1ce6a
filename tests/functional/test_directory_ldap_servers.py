# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Servers that take no writes, not so much, or not our password."""

import fixtures
import ldap

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from tests.functional import directory_contract
from tests.functional.test_directory_ldap import (
    OwnServerTestCase,
)

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER
CONNECTION = "nova_dirsvc_plugin.directories.ldap.connection"
PASSWORD = "nova_dirsvc_plugin.directories.ldap.password"


class PasswordTest(OwnServerTestCase):
    def setUp(self):
        super().setUp()
        self.manager = self.server.connect_as_manager()
        self.addCleanup(self.manager.unbind_ext)
        self.file = self.server.password_file.with_name("of-this-test")
        self.file.write_text(self.server.password)

    def configure(self, **values):
        self.manager.modify_s(
            "cn=config",
            [
                (ldap.MOD_REPLACE, name, [value.encode()])
                for name, value in values.items()
            ],
        )

    def change_account(self, name, value):
        self.manager.modify_s(
            self.server.bind_dn, [(ldap.MOD_REPLACE, name, [value.encode()])]
        )

    def outcome(self, driver):
        (outcome,) = self.ask(driver, REGISTER, directory_contract.record())
        return outcome

    def failures(self):
        ((_, found),) = self.manager.search_s(
            self.server.bind_dn,
            ldap.SCOPE_BASE,
            attrlist=["passwordRetryCount"],
        )
        return int(found.get("passwordRetryCount", [b"0"])[0])

    def test_one_that_has_expired_is_said_so_and_is_tried_again(self):
        self.configure(passwordExp="on", passwordMaxAge="8640000")
        self.change_account("passwordExpirationTime", "20200101000000Z")
        driver = self.driver(password_file=str(self.file))
        self.assertIn("password expired", self.outcome(driver).reason)
        self.change_account("passwordExpirationTime", "20380101000000Z")
        self.assertEqual(base.Done(), self.outcome(driver))

    def test_one_that_was_refused_is_not_sent_until_the_account_locks(self):
        self.configure(
            passwordLockout="on",
            passwordMaxFailure="3",
            passwordLockoutDuration="3600",
        )
        driver = self.driver(password_file=str(self.file))
        self.change_account("userPassword", "a new one")
        for _ in range(10):
            outcome = self.outcome(driver)
            self.assertIsInstance(outcome, base.Unavailable)
            self.assertIn("user and password_file", outcome.reason)
            self.assertIn("not sent again for 15 minutes", outcome.reason)
            self.assertNotIn(self.server.password, outcome.reason)
        self.assertEqual(1, self.failures())
        self.file.write_text("a new one")
        self.assertEqual(base.Done(), self.outcome(driver))

    def test_one_that_was_refused_is_sent_again_after_a_while(self):
        driver = self.driver(password_file=str(self.file))
        self.change_account("userPassword", "a new one")
        self.useFixture(fixtures.MonkeyPatch(f"{PASSWORD}._REFUSED_FOR", 0.0))
        self.outcome(driver)
        self.change_account("userPassword", self.server.password)
        self.assertEqual(base.Done(), self.outcome(driver))
