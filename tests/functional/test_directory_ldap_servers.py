# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Servers that take no writes, not so much, or not our password."""

import socket
import time

import ldap
import testtools

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base, credentials
from nova_dirsvc_plugin.directories.ldap import connection as ldap_connection
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from tests import drivers, waiting
from tests.functional import directory389, directory_contract, openldap
from tests.functional.test_directory_ldap import (
    LdapDirectoryTestCase,
    OwnServerTestCase,
    replace_values,
)

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER


class LargeEntryTest(LdapDirectoryTestCase):
    """Records of a size that 389 DS cuts the connection for."""

    def test_it_is_refused_alone_and_its_neighbours_are_done(self):
        driver = self.driver()
        small = [directory_contract.record() for _ in range(40)]
        large = [
            directory_contract.record(display_name="P" * 3_000_000)
            for _ in range(5)
        ]
        outcomes = self.ask(driver, REGISTER, *small[:20], *large, *small[20:])
        self.assertEqual([base.Done()] * 40, outcomes[:20] + outcomes[25:])
        for outcome in outcomes[20:25]:
            self.assertIsInstance(outcome, base.Rejected)
            self.assertTrue(outcome.certain)
            self.assertIn("bytes", outcome.reason)

    def test_an_entry_that_becomes_too_large_is_refused_alone(self):
        driver = self.driver()
        one, other = directory_contract.record(), directory_contract.record()
        self.ask(driver, REGISTER, one, other)
        states = [
            events.HostState(
                events.Verb.REFRESH,
                directory_contract.record(known.instance_uuid, user_name=name),
                10.0,
            )
            for known, name in ((one, "P" * 3_000_000), (other, "bob"))
        ]
        outcomes = driver.apply(states)
        self.assertTrue(outcomes[0].certain)
        self.assertEqual(base.Done(), outcomes[1])

    def test_what_the_server_takes_less_of_hits_no_neighbour_for_good(self):
        driver = self.driver()
        limit = "nsslapd-maxbersize"
        self.replace("cn=config", **{limit: "100000"})
        self.addCleanup(self.replace, "cn=config", **{limit: "2097152"})
        large = directory_contract.record(display_name="P" * 900_000)
        small = [directory_contract.record() for _ in range(5)]
        outcomes = self.ask(driver, REGISTER, *small, large)
        self.assertIsInstance(outcomes[-1], base.Unavailable)
        self.assertEqual([base.Done()] * 5, self.ask(driver, REGISTER, *small))


class UnsentTest(LdapDirectoryTestCase):
    """libldap cannot send a request: that is no answer of the server."""

    def test_only_that_request_waits_and_those_before_are_done(self):
        driver = self.driver()
        self.ask(driver, REGISTER, directory_contract.record())
        records = [directory_contract.record() for _ in range(20)]
        for error in (
            ldap.BUSY({"result": 51, "desc": "busy", "errno": 11}),
            ldap.ENCODING_ERROR({"result": -3, "desc": "encoding"}),
            ldap.NO_MEMORY({"result": -10, "desc": "memory"}),
            MemoryError("memory"),
        ):
            with self.subTest(error=error):
                bad = ldap_entry.dn(
                    records[7].instance_uuid, self.server.hosts_tree_dn
                )

                driver._connection.open()
                connected = driver._connection._connection

                def add(
                    dn, *rest, bad=bad, error=error, real=connected.add_ext
                ):
                    if dn == bad:
                        raise error
                    return real(dn, *rest)

                connected.add_ext = add
                outcomes = self.ask(driver, REGISTER, *records)
                self.assertEqual([base.Done()] * 7, outcomes[:7])
                self.assertIs(base.Unavailable, type(outcomes[7]))
                self.assertEqual(
                    {base.NotSent}, {type(one) for one in outcomes[8:]}
                )
                self.assertEqual(
                    [base.Done()] * 20, self.ask(driver, REGISTER, *records)
                )
                self.server.clear()


class NoWritesTest(OwnServerTestCase):
    """The first of two servers takes no writes."""

    def setUp(self):
        super().setUp()
        self.other = self.useFixture(directory389.Directory389())

    def driver_of_both(self):
        # Both have their passwords and their CAs.
        files = {}
        for name, data in (
            ("password", self.server.password),
            (
                "ca",
                self.server.ca_file.read_text()
                + self.other.ca_file.read_text(),
            ),
        ):
            files[name] = self.server.folder / f"both.{name}"
            files[name].write_text(data)
        replace_values(
            self.other.connect_as_manager(),
            self.other.bind_dn,
            userPassword=self.server.password,
        )
        return self.driver(
            url=f"{self.server.url},{self.other.url}",
            password_file=str(files["password"]),
            tls_cacertfile=str(files["ca"]),
        )

    def read_only(self, value, server=None):
        manager = (server or self.server).connect_as_manager()
        self.addCleanup(manager.unbind_ext)
        replace_values(manager, "cn=config", **{"nsslapd-readonly": value})

    def held(self, server):
        connection = server.connect_as_manager()
        self.addCleanup(connection.unbind_ext)
        found = connection.search_s(
            server.hosts_tree_dn,
            ldap.SCOPE_ONELEVEL,
            attrlist=["novaInstanceUuid"],
        )
        return {one["novaInstanceUuid"][0].decode() for _, one in found}

    def test_the_next_one_is_used_and_later_the_first_again(self):
        self.read_only("on")
        driver = self.driver_of_both()
        one, other = directory_contract.record(), directory_contract.record()
        (outcome,) = self.ask(driver, REGISTER, one)
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual([base.Done()], self.ask(driver, REGISTER, one))
        self.assertEqual({one.instance_uuid}, self.held(self.other))
        self.read_only("off")
        self.patch(ldap_connection, "_RETURN_AFTER", 0.0)
        driver._connection._return_at = 0.0
        self.assertEqual([base.Done()], self.ask(driver, REGISTER, other))
        self.assertEqual({other.instance_uuid}, self.held(self.server))

    def test_where_none_takes_writes_it_waits_and_goes_on(self):
        driver = self.driver_of_both()
        self.read_only("on")
        self.read_only("on", self.other)
        one = directory_contract.record()
        for _ in range(4):
            (outcome,) = self.ask(driver, REGISTER, one)
            self.assertIsInstance(outcome, base.Unavailable)
        self.read_only("off")
        waiting.until(
            lambda: self.ask(driver, REGISTER, one) == [base.Done()],
            "the driver to register",
        )
        self.assertEqual({one.instance_uuid}, self.held(self.server))


class OpenLdapTestCase(testtools.TestCase):
    def server(self):
        return self.useFixture(openldap.OpenLdap())

    def driver(self, *servers, **options):
        urls = ",".join(one.url for one in servers)
        options = servers[0].options() | {"url": urls} | options
        return drivers.load(self, "ldap", **options)

    def ask(self, driver, verb, *records):
        return list(
            driver.apply([events.HostState(verb, item) for item in records])
        )

    def names(self, server):
        """Return the DNs of the hosts' entries."""
        manager = server.connect()
        self.addCleanup(manager.unbind_ext)
        found = manager.search_s(
            server.hosts_tree_dn, ldap.SCOPE_ONELEVEL, attrlist=["1.1"]
        )
        return [dn for dn, _ in found]


class ReferralTest(OpenLdapTestCase):
    def test_a_consumer_that_refers_to_another_is_left_for_it(self):
        consumer, provider = self.server(), self.server()
        consumer.configure(
            "syncrepl rid=1 provider=ldap://127.0.0.1:1 bindmethod=simple",
            f'  searchbase="{openldap.SUFFIX}" type=refreshOnly retry="60 +"',
            f"updateref {provider.url}",
        )
        driver = self.driver(consumer, provider)
        one = directory_contract.record()
        (outcome,) = self.ask(driver, REGISTER, one)
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual([base.Done()], self.ask(driver, REGISTER, one))
        (found,) = self.driver(provider).entries()
        self.assertEqual(one.instance_uuid, found.record.instance_uuid)


class BehindTest(OpenLdapTestCase):
    def test_a_replica_without_our_account_hinders_the_others_once(self):
        self.patch(credentials, "REFUSED_FOR", 0.2)
        self.patch(ldap_connection, "_RETURN_AFTER", 1.0)
        behind, other = self.server(), self.server()
        account = other.add_account()
        other.configure(
            "access to attrs=userPassword by anonymous auth",
            f'access to * by dn.exact="{account}" write by * read',
        )
        driver = self.driver(behind, other, user=account)
        one = directory_contract.record()
        (outcome,) = self.ask(driver, REGISTER, one)
        self.assertIn("not sent again", outcome.reason)
        waiting.until(
            lambda: self.ask(driver, REGISTER, one) == [base.Done()],
            "the other server to be asked",
        )
        # The first is tried again meanwhile.
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            self.assertEqual([base.Done()], self.ask(driver, REGISTER, one))


class Proxy(openldap.OpenLdap):
    """A slapd that knows the account, and has its entries from elsewhere.

    :param behind: the URL of that server
    """

    def __init__(self, behind):
        super().__init__()
        self.behind = behind

    def _configure(self):
        super()._configure()
        file = self.folder / "slapd.conf"
        head, _, _ = file.read_text().partition("moduleload")
        file.write_text(
            f"{head}\nmoduleload back_ldap\ndatabase ldap\n"
            f'suffix "{openldap.SUFFIX}"\nuri "{self.behind}"\n'
            f'rootdn "{self.user}"\nrootpw "{self.password}"\n'
        )

    def _add_container(self):
        pass


class FailingTest(OpenLdapTestCase):
    """The first of two servers accepts the bind, and ends no write."""

    def check(self, behind, **options):
        first = self.useFixture(Proxy(behind))
        second = self.server()
        driver = self.driver(first, second, **options)
        one = directory_contract.record()
        (outcome,) = self.ask(driver, REGISTER, one)
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual([base.Done()], self.ask(driver, REGISTER, one))
        (found,) = self.driver(second).entries()
        self.assertEqual(one.instance_uuid, found.record.instance_uuid)

    def test_one_that_is_unavailable_is_left_for_the_next(self):
        self.check("ldap://127.0.0.1:1")

    def test_one_that_does_not_answer_is_left_for_the_next(self):
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        self.check(
            f"ldap://127.0.0.1:{silent.getsockname()[1]}",
            operation_timeout=1.0,
        )


class SizeLimitTest(OpenLdapTestCase):
    """The server gives the account a few entries at a time."""

    def test_the_look_up_shrinks_and_the_delivery_does_not(self):
        server = self.server()
        driver = self.limited(server, "size=5")
        records = [directory_contract.record() for _ in range(12)]
        self.ask(driver, REGISTER, *records)
        manager = server.connect()
        self.addCleanup(manager.unbind_ext)
        for number, one in enumerate(records):
            dn = ldap_entry.dn(one.instance_uuid, server.hosts_tree_dn)
            manager.rename_s(dn, f"cn=plain{number}", delold=0)
        new = [directory_contract.record() for _ in range(20)]
        states = [
            *(events.HostState(UNREGISTER, one) for one in records),
            *(events.HostState(REGISTER, one) for one in new),
        ]
        self.assertEqual([base.Done()] * 32, list(driver.apply(states)))
        self.assertEqual(20, len(self.names(server)))

    def test_what_may_not_be_searched_for_is_removed_by_its_dn(self):
        server = self.server()
        driver = self.limited(server, "size.unchecked=1")
        records = [directory_contract.record() for _ in range(4)]
        self.ask(driver, REGISTER, *records)
        self.assertEqual(
            [base.Done()] * 4, self.ask(driver, UNREGISTER, *records)
        )
        self.assertEqual([], self.names(server))

    def test_what_a_search_ends_the_connection_for_is_removed_by_its_dn(self):
        driver = self.driver(self.server())
        records = [directory_contract.record() for _ in range(4)]
        self.ask(driver, REGISTER, *records)

        def timed_out(self, *args, **kwargs):
            self._end(ldap.TIMEOUT())
            raise base.DirectoryUnavailable("no answer in time")

        self.patch(ldap_connection.Connection, "answer", timed_out)
        for outcome in self.ask(driver, UNREGISTER, *records):
            self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual(
            [base.Done()] * 4, self.ask(driver, UNREGISTER, *records)
        )

    def limited(self, server, limit):
        """Make a driver with an account that has a limit."""
        account = server.add_account()
        server.configure(
            f'limits dn.exact="{account}" {limit}',
            "access to attrs=userPassword by anonymous auth",
            f'access to * by dn.exact="{account}" write by * read',
        )
        return self.driver(server, user=account)


class NoRightToReadTest(OpenLdapTestCase):
    def test_a_uuid_that_may_not_be_read_is_no_error_of_the_driver(self):
        server = self.server()
        account = server.add_account()
        connection = server.connect()
        one = directory_contract.record()
        self.ask(self.driver(server), REGISTER, one)
        dn = ldap_entry.dn(one.instance_uuid, server.hosts_tree_dn)
        connection.rename_s(dn, "cn=plain", delold=0)
        connection.unbind_ext()
        server.configure(
            "access to attrs=userPassword by anonymous auth",
            f'access to attrs={ldap_entry.RDN} by dn.exact="{account}" search',
            f'access to * by dn.exact="{account}" write by * read',
        )
        (outcome,) = self.ask(
            self.driver(server, user=account), UNREGISTER, one
        )
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertIn("check the rights of [ldap] user", outcome.reason)


class PasswordTest(OwnServerTestCase):
    def setUp(self):
        super().setUp()
        self.file = self.server.password_file.with_name("of-this-test")
        self.file.write_text(self.server.password)

    def configure(self, **values):
        self.replace("cn=config", **values)

    def lock_after_three(self):
        """Have the server lock an account after three wrong passwords."""
        self.configure(
            passwordLockout="on",
            passwordMaxFailure="3",
            passwordLockoutDuration="3600",
        )

    def change_account(self, name, value):
        self.replace(self.server.bind_dn, **{name: value})

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
        self.lock_after_three()
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

    def test_one_that_was_refused_is_sent_to_none_of_three_replicas(self):
        self.lock_after_three()
        driver = self.driver(
            password_file=str(self.file), url=",".join([self.server.url] * 3)
        )
        self.change_account("userPassword", "a new one")
        for _ in range(3):
            outcome = self.outcome(driver)
            self.assertIn("not sent again for 15 minutes", outcome.reason)
        self.assertEqual(1, self.failures())
        self.file.write_text("a new one")
        self.assertEqual(base.Done(), self.outcome(driver))

    def test_one_that_was_refused_is_sent_again_after_a_while(self):
        driver = self.driver(password_file=str(self.file))
        self.change_account("userPassword", "a new one")
        self.patch(credentials, "REFUSED_FOR", 0.0)
        self.outcome(driver)
        self.change_account("userPassword", self.server.password)
        self.assertEqual(base.Done(), self.outcome(driver))
