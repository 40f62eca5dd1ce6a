# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import collections
import contextlib
import dataclasses
import functools
import math
import pathlib
import threading

import ldap
import testtools

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.ldap import connection as ldap_connection
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.directories.ldap import look_up
from tests import drivers, ports, waiting
from tests.functional import directory389, directory_contract

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER
REFRESH = events.Verb.REFRESH


class DriverTestCase(testtools.TestCase):
    """A test of the driver with a real 389 DS, ``self.server``."""

    def driver(self, owner="nova", **options):
        """Make a driver from the file that the example writes.

        Another owner has no account of its own here: the manager acts.
        """
        if owner != "nova":
            options["user"] = "cn=Directory Manager"
            options["password_file"] = str(self.manager_password_file())
        return drivers.load(
            self, "ldap", owner, self.server.conf_file, **options
        )

    def manager_password_file(self):
        path = pathlib.Path(self.server.folder) / "manager.test-password"
        path.write_text(self.server.manager_password)
        return path

    def ask(self, driver, verb, *records):
        return driver.apply([events.HostState(verb, item) for item in records])

    @functools.cached_property
    def manager(self):
        """A connection of the server's manager, who may do anything."""
        connection = self.server.connect_as_manager()
        self.addCleanup(connection.unbind_ext)
        return connection

    def replace(self, dn, **values):
        """Give attributes of an entry of the server other values."""
        replace_values(self.manager, dn, **values)

    def dn(self, record):
        return ldap_entry.dn(record.instance_uuid, self.server.hosts_tree_dn)

    def entry(self, record):
        """Return the entry as the server has it, or None."""
        try:
            ((_, attributes),) = self.manager.search_s(
                self.dn(record), ldap.SCOPE_BASE
            )
        except ldap.NO_SUCH_OBJECT:
            return None
        return attributes


def replace_values(manager, dn, **values):
    """Have a server's manager give attributes other values."""
    manager.modify_s(
        dn,
        [
            (ldap.MOD_REPLACE, name, [value.encode()])
            for name, value in values.items()
        ],
    )


class LdapDirectoryTestCase(
    directory389.SharedDirectoryTestCase, DriverTestCase
):
    """A test with an empty directory, of a server that its class shares."""

    @property
    def server(self):
        return self.directory


class OwnServerTestCase(DriverTestCase):
    """A test that does with a server what others could not bear."""

    def setUp(self):
        super().setUp()
        self.server = self.useFixture(directory389.Directory389())


class LdapDirectoryContractTest(
    LdapDirectoryTestCase,
    directory_contract.OwnerContract,
    directory_contract.TimeContract,
    directory_contract.OutageContract,
):
    def break_directory(self):
        self.addCleanup(self.server.start)
        self.server.stop()
        return self.server.start


class SlowServerTest(LdapDirectoryTestCase):
    """A batch ends in its time, however slow the server is."""

    LIMIT = 4.0

    def setUp(self):
        super().setUp()
        self.patch(base, "LONGEST_BATCH", self.LIMIT)
        self.patch(ldap_connection, "_SEND_MARGIN", self.LIMIT / 2)

    @contextlib.contextmanager
    def slow_server(self):
        """Let the server work for a millisecond out of a hundred."""
        stop = threading.Event()

        def hinder():
            while not stop.wait(0.001):
                self.server.freeze()
                stop.wait(0.1)
                self.server.thaw()

        thread = threading.Thread(target=hinder)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def test_what_does_not_fit_waits_and_is_done_later(self):
        driver = self.driver()
        records = [directory_contract.record() for _ in range(512)]
        self.assertEqual(
            [base.Done()],
            self.ask(driver, REGISTER, directory_contract.record()),
        )
        with self.slow_server():
            outcomes = self.ask(driver, REGISTER, *records)
        self.assertIsInstance(outcomes[0], base.Done)
        self.assertIsInstance(outcomes[-1], base.NotSent)
        while waiting := [
            record
            for record, outcome in zip(records, outcomes, strict=True)
            if outcome != base.Done()
        ]:
            # On a busy machine that may take several batches, too.
            records = waiting
            outcomes = self.ask(driver, REGISTER, *records)
            self.assertIn(base.Done(), outcomes)
        self.assertEqual({base.Done()}, set(outcomes))


class LdapEntryTest(LdapDirectoryTestCase):
    def test_the_entry_has_the_promised_classes_and_values(self):
        one = directory_contract.record()
        self.ask(self.driver(), REGISTER, one)
        entry = self.entry(one)
        self.assertEqual(
            {b"top", b"device", b"novaInstance", b"ipHost", b"ieee802Device"},
            set(entry["objectClass"]),
        )
        self.assertEqual([b"10.0.0.54"], entry["ipHostNumber"])
        self.assertEqual([b"nova"], entry["novaOwnerMark"])
        self.assertEqual([b"20261122102753Z"], entry["novaCreatedAt"])

    def test_an_instance_without_an_address_has_no_class_for_one(self):
        one = directory_contract.record(addresses=())
        self.ask(self.driver(), REGISTER, one)
        self.assertEqual(
            {b"top", b"device", b"novaInstance"},
            set(self.entry(one)["objectClass"]),
        )

    def test_an_equal_entry_is_not_written_again(self):
        one = directory_contract.record()
        driver = self.driver()
        self.ask(driver, REGISTER, one)
        before = self.operations("modifyentryops")
        self.ask(driver, REGISTER, one)
        self.assertEqual(before, self.operations("modifyentryops"))
        self.ask(
            driver,
            REGISTER,
            directory_contract.record(one.instance_uuid, user_name="bob"),
        )
        self.assertEqual(before + 1, self.operations("modifyentryops"))

    def test_many_are_looked_up_by_few_searches_to_be_removed(self):
        records = [directory_contract.record() for _ in range(20)]
        driver = self.driver()
        self.ask(driver, REGISTER, *records)
        before = self.operations("searchops")
        self.assertEqual(
            [base.Done()] * 20, self.ask(driver, UNREGISTER, *records)
        )
        # Each count is a search, too.
        self.assertEqual(before + 3, self.operations("searchops"))

    def operations(self, name):
        """Return how many operations of a kind the server has done."""
        ((_, found),) = self.manager.search_s(
            "cn=snmp,cn=monitor", ldap.SCOPE_BASE, attrlist=[name]
        )
        return int(found[name][0])

    def test_what_an_operator_added_to_an_entry_stays(self):
        one = directory_contract.record()
        driver = self.driver()
        self.ask(driver, REGISTER, one)
        self.manager.modify_s(
            self.dn(one), [(ldap.MOD_ADD, "description", [b"rack 7"])]
        )
        newer = directory_contract.record(one.instance_uuid, addresses=())
        self.assertEqual([base.Done()], self.ask(driver, REGISTER, newer))
        self.assertEqual([b"rack 7"], self.entry(one)["description"])
        self.assertNotIn("ipHostNumber", self.entry(one))

    def test_an_entry_that_somebody_else_made_is_left_alone(self):
        one = directory_contract.record()
        foreign = ldap_entry.attributes(one, "somebody", 0.0)
        self.manager.add_s(self.dn(one), list(foreign.items()))
        driver = self.driver()
        for verb in (REGISTER, UNREGISTER):
            (outcome,) = self.ask(driver, verb, one)
            self.assertIsInstance(outcome, base.Rejected)
            self.assertIn(one.instance_uuid, outcome.reason)
        self.assertEqual([b"somebody"], self.entry(one)["novaOwnerMark"])


class Requests:
    """Counts what a driver sends, and what the server refuses.

    :ivar sent: methods of python-ldap's
    """

    WRITES = ("add_ext", "modify_ext", "delete_ext")

    def __init__(self, driver):
        self.sent = collections.Counter()
        self.refused = []
        self._tickets = {}
        connection = driver._connection
        send, receive = connection.send, connection.receive

        def count_sent(request):
            ticket = send(request)
            self.sent[request[0]] += 1
            self._tickets[ticket] = request
            return ticket

        def count_received(ticket):
            try:
                return receive(ticket)
            except ldap.LDAPError:
                method, arguments = self._tickets[ticket]
                if method in self.WRITES:
                    self.refused.append((method, arguments[0]))
                raise

        connection.send, connection.receive = count_sent, count_received

    @property
    def writes(self):
        return sum(self.sent[name] for name in self.WRITES)


class LookFirstTest(LdapDirectoryTestCase):
    """No write is sent to be refused."""

    COUNT = 40

    def setUp(self):
        super().setUp()
        # However slow this machine is.
        self.patch(look_up, "_AHEAD", math.inf)
        self.ours = self.driver()
        self.records = [directory_contract.record() for _ in range(self.COUNT)]

    def states(self, verb, as_of=10.0, known=True, **fields):
        return [
            events.HostState(
                verb, dataclasses.replace(one, **fields), as_of, known
            )
            for one in self.records
        ]

    def apply(self, states):
        """Apply states; each is to be done. Return the requests."""
        requests = Requests(self.ours)
        self.assertEqual({base.Done()}, set(self.ours.apply(states)))
        self.assertEqual([], requests.refused)
        return requests

    def test_what_is_there_already_is_not_written(self):
        self.apply(self.states(REGISTER, known=False))
        for verb in (REGISTER, REFRESH, events.Verb.RESTORE):
            requests = self.apply(self.states(verb))
            self.assertEqual(0, requests.writes)
            self.assertEqual(3, requests.sent["search_ext"])

    def test_what_has_changed_is_modified_once(self):
        self.apply(self.states(REGISTER, known=False))
        requests = self.apply(self.states(REFRESH, 20.0, user_name="bob"))
        self.assertEqual(self.COUNT, requests.sent["modify_ext"])
        self.assertEqual(self.COUNT, requests.writes)
        self.assertEqual([b"bob"], self.entry(self.records[0])["novaUserName"])

    def test_what_is_not_there_is_added(self):
        requests = self.apply(self.states(REFRESH))
        self.assertEqual(self.COUNT, requests.sent["add_ext"])
        self.assertEqual(self.COUNT, requests.writes)

    def test_what_is_new_is_added_without_a_look(self):
        requests = self.apply(self.states(REGISTER, known=False))
        self.assertEqual({"add_ext": self.COUNT}, dict(requests.sent))

    def test_what_is_gone_is_not_deleted_once_more(self):
        self.apply(self.states(REGISTER, known=False))
        requests = self.apply(self.states(UNREGISTER))
        self.assertEqual(self.COUNT, requests.sent["delete_ext"])
        self.assertEqual(3, requests.sent["search_ext"])
        requests = self.apply(self.states(UNREGISTER))
        self.assertEqual(0, requests.writes)

    def test_one_alone_is_read_and_not_written(self):
        self.records = self.records[:1]
        self.apply(self.states(REGISTER, known=False))
        self.assertEqual(0, self.apply(self.states(REFRESH)).writes)
        self.apply(self.states(UNREGISTER))
        self.assertEqual(0, self.apply(self.states(UNREGISTER)).writes)

    def test_the_next_batch_is_looked_up_while_this_one_is_written(self):
        requests = Requests(self.ours)
        news = self.states(REFRESH, 20.0, user_name="bob")
        self.ours.apply(self.states(REGISTER, known=False))
        self.look_ahead(news)
        searches = requests.sent["search_ext"]
        self.assertEqual(3, searches)
        self.assertEqual({base.Done()}, set(self.ours.apply(news)))
        self.assertEqual(searches, requests.sent["search_ext"])
        self.assertEqual([b"bob"], self.entry(self.records[0])["novaUserName"])

    def test_a_batch_that_was_looked_up_need_not_come(self):
        self.apply(self.states(REGISTER, known=False))
        self.look_ahead(self.states(REFRESH, 20.0, user_name="bob"))
        # What was looked up to be removed does not tell what to change.
        self.look_ahead(self.states(UNREGISTER))
        requests = self.apply(self.states(REFRESH, 30.0, user_name="eve"))
        self.assertEqual(self.COUNT, requests.sent["modify_ext"])
        self.assertEqual([b"eve"], self.entry(self.records[0])["novaUserName"])
        # Nor what is unknown, and may be filled in.
        self.look_ahead(self.states(UNREGISTER))
        requests = self.apply(self.states(REFRESH, 20.0, user_name="bob"))
        self.assertEqual(0, requests.writes)

    def test_what_was_asked_over_another_connection_is_asked_again(self):
        self.apply(self.states(REGISTER, known=False))
        news = self.states(REFRESH, 20.0, user_name="bob")
        self.look_ahead(news)
        self.ours.close()
        self.assertEqual(3, self.apply(news).sent["search_ext"])

    def look_ahead(self, states):
        """Look up a batch while another one is written."""
        other = events.HostState(REGISTER, directory_contract.record())
        self.ours.apply_overlapping(
            [other], lambda: self.ours.look_ahead(states)
        )


class LdapOvertakenTest(LdapDirectoryTestCase):
    """Somebody removes the entry after the driver saw it."""

    def apply_overtaken(self, method, state):
        """Apply a change, and remove the entry before the driver writes."""
        driver, other = self.driver(), self.driver()
        self.ask(driver, REGISTER, state.record)
        send, removed = driver._connection.send, []

        def send_after_the_other(request):
            if request[0] == method and not removed:
                removed.extend(self.ask(other, UNREGISTER, state.record))
            return send(request)

        driver._connection.send = send_after_the_other
        (outcome,) = driver.apply([state])
        self.assertEqual([base.Done()], removed)
        return outcome

    def test_who_comes_second_to_remove_it_is_done(self):
        state = events.HostState(UNREGISTER, directory_contract.record())
        outcome = self.apply_overtaken("delete_ext", state)
        self.assertEqual(base.Done(), outcome)

    def test_who_corrects_it_tries_again_and_buries_nothing(self):
        news = directory_contract.record(display_name="newer")
        state = events.HostState(REGISTER, news, as_of=10.0)
        outcome = self.apply_overtaken("modify_ext", state)
        self.assertIsInstance(outcome, base.Unavailable)


class LdapLookedAndOvertakenTest(LdapDirectoryTestCase):
    """Somebody writes between the look and the write of a batch."""

    def setUp(self):
        super().setUp()
        self.patch(look_up, "_AHEAD", math.inf)
        self.one, self.another = (
            directory_contract.record() for _ in range(2)
        )
        self.ours, self.other = self.driver(), self.driver()

    def states(self, verb, as_of, **fields):
        return [
            events.HostState(
                verb, dataclasses.replace(one, **fields), as_of, known=True
            )
            for one in (self.one, self.another)
        ]

    def apply(self, states, meanwhile, looked=()):
        """Look up a batch, let something happen, and apply the batch."""
        outcomes = []

        def look():
            self.ours.look_ahead(looked or states)
            # The look is over by now.
            meanwhile()

        other = directory_contract.record()
        self.ours.apply_overlapping([events.HostState(REGISTER, other)], look)
        outcomes = self.ours.apply(states)
        self.ours.apply([events.HostState(UNREGISTER, other)])
        return list(outcomes)

    def by_the_other(self, verb, as_of, **fields):
        def act():
            # What was looked up is read before that.
            found = self.ours._look_ups._ahead
            found.found(self.states(verb, as_of)[0])
            outcomes = self.other.apply(self.states(verb, as_of, **fields))
            self.assertEqual([base.Done()] * 2, outcomes)

        return act

    def user_names(self):
        return [
            entry["novaUserName"][0]
            for entry in map(self.entry, (self.one, self.another))
        ]

    def test_who_finds_it_changed_by_a_later_state_leaves_it(self):
        self.other.apply(self.states(REGISTER, 10.0))
        outcomes = self.apply(
            self.states(REFRESH, 20.0, user_name="earlier"),
            self.by_the_other(REFRESH, 30.0, user_name="later"),
        )
        self.assertEqual([base.Done()] * 2, outcomes)
        self.assertEqual([b"later"] * 2, self.user_names())

    def test_who_finds_it_changed_by_an_earlier_state_changes_it(self):
        self.other.apply(self.states(REGISTER, 10.0))
        outcomes = self.apply(
            self.states(REFRESH, 30.0, user_name="later"),
            self.by_the_other(REFRESH, 20.0, user_name="earlier"),
        )
        self.assertEqual([base.Done()] * 2, outcomes)
        self.assertEqual([b"later"] * 2, self.user_names())

    def test_who_fills_in_a_name_replaces_no_later_one(self):
        self.other.apply(self.states(REGISTER, 20.0, user_name=""))
        outcomes = self.apply(
            self.states(REGISTER, 10.0, user_name="earlier"),
            self.by_the_other(REFRESH, 30.0, user_name="later"),
        )
        self.assertEqual([base.Done()] * 2, outcomes)
        self.assertEqual([b"later"] * 2, self.user_names())

    def test_who_finds_it_made_meanwhile_changes_it(self):
        outcomes = self.apply(
            self.states(REFRESH, 30.0, user_name="later"),
            self.by_the_other(REGISTER, 20.0, user_name="earlier"),
        )
        self.assertEqual([base.Done()] * 2, outcomes)
        self.assertEqual([b"later"] * 2, self.user_names())

    def test_who_finds_it_removed_meanwhile_tries_again(self):
        self.other.apply(self.states(REGISTER, 10.0))
        news = self.states(REFRESH, 20.0, user_name="bob")
        for outcome in self.apply(news, self.by_the_other(UNREGISTER, 20.0)):
            self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual([base.Done()] * 2, self.ours.apply(news))
        self.assertEqual([b"bob"] * 2, self.user_names())

    def test_who_removes_what_is_removed_meanwhile_is_done(self):
        self.other.apply(self.states(REGISTER, 10.0))
        gone = self.states(UNREGISTER, 20.0)
        self.assertEqual(
            [base.Done()] * 2,
            self.apply(gone, self.by_the_other(UNREGISTER, 20.0)),
        )
        self.assertIsNone(self.entry(self.one))

    def test_who_removes_what_is_made_meanwhile_removes_it(self):
        gone = self.states(UNREGISTER, 20.0)
        self.assertEqual(
            [base.Done()] * 2,
            self.apply(gone, self.by_the_other(REGISTER, 30.0)),
        )
        self.assertIsNone(self.entry(self.one))

    def test_who_removes_what_is_renamed_meanwhile_removes_it(self):
        self.other.apply(self.states(REGISTER, 10.0))
        manager = self.server.connect_as_manager()
        self.addCleanup(manager.unbind_ext)
        tree = self.server.hosts_tree_dn
        gone = self.states(UNREGISTER, 20.0)

        def rename():
            self.ours._look_ups._ahead.found(gone[0])
            dn = ldap_entry.dn(self.one.instance_uuid, tree)
            manager.rename_s(dn, "cn=renamed", delold=0)

        self.assertEqual([base.Done()] * 2, self.apply(gone, rename))
        self.assertEqual(
            [],
            manager.search_s(tree, ldap.SCOPE_ONELEVEL, attrlist=["1.1"]),
        )

    def test_a_look_of_long_ago_tells_nothing(self):
        self.patch(look_up, "_AHEAD", -1.0)
        registered = self.states(REGISTER, 10.0, user_name="bob")
        self.other.apply(registered)

        def change():
            self.ours._look_ups._ahead.found(registered[0])
            self.replace(self.dn(self.one), novaUserName="eve")
            self.replace(self.dn(self.another), novaOwnerMark="theirs")

        done, foreign = self.apply(registered, change)
        self.assertEqual(base.Done(), done)
        self.assertEqual([b"bob"], self.entry(self.one)["novaUserName"])
        self.assertIsInstance(foreign, base.Foreign)

    def test_what_is_removed_for_a_time_is_read_just_before(self):
        self.other.apply(self.states(REGISTER, 10.0))
        softly = self.states(events.Verb.SOFT_UNREGISTER, 20.0)
        restored = self.states(events.Verb.RESTORE, 30.0)
        outcomes = self.apply(softly, lambda: self.other.apply(restored))
        self.assertEqual([base.Done()] * 2, outcomes)
        self.assertIsNotNone(self.entry(self.one))

    def test_so_is_what_nova_says_to_be_removed_for_a_time(self):
        self.other.apply(self.states(REGISTER, 10.0))
        outcomes = self.apply(
            self.states(events.Verb.SOFT_UNREGISTER, 20.0),
            self.by_the_other(events.Verb.RESTORE, 30.0),
            looked=self.states(REFRESH, 20.0),
        )
        self.assertEqual([base.Done()] * 2, outcomes)
        self.assertIsNotNone(self.entry(self.one))


class LdapReleaseBeforeTest(OwnServerTestCase):
    """A directory that knows nothing of ``novaAsOf`` yet."""

    def test_a_server_without_its_schema_is_waited_for_with_advice(self):
        self.forget_as_of()
        (outcome,) = self.ask(
            self.driver(), REGISTER, directory_contract.record()
        )
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertIn("schema.ldif", outcome.reason)

    def forget_as_of(self):
        ((_, schema),) = self.manager.search_s(
            "cn=schema", ldap.SCOPE_BASE, attrlist=["objectClasses"]
        )
        (known,) = [
            one for one in schema["objectClasses"] if b"'novaInstance'" in one
        ]
        older = known.replace(b" $ novaAsOf", b"")
        for state, value in ((ldap.MOD_DELETE, known), (ldap.MOD_ADD, older)):
            self.manager.modify_s(
                "cn=schema", [(state, "objectClasses", [value])]
            )

    def test_of_two_who_correct_an_old_entry_the_newer_wins(self):
        one = directory_contract.record()
        driver, other = self.driver(), self.driver()
        self.ask(driver, REGISTER, one)
        self.manager.modify_s(
            self.dn(one), [(ldap.MOD_DELETE, "novaAsOf", None)]
        )
        send, told = driver._connection.send, []

        def send_after_the_other(request):
            if request[0] == "modify_ext" and not told:
                told.append("newer")
                self.tell(other, one, "newer", as_of=20.0)
            return send(request)

        driver._connection.send = send_after_the_other
        self.tell(driver, one, "older", as_of=10.0)
        self.assertEqual([b"newer"], self.entry(one)["novaDisplayName"])

    def tell(self, driver, record, name, as_of):
        news = dataclasses.replace(record, display_name=name)
        state = events.HostState(events.Verb.REFRESH, news, as_of)
        self.assertEqual([base.Done()], list(driver.apply([state])))


class LdapTroubleTest(OwnServerTestCase):
    def unavailable(self, driver):
        (outcome,) = self.ask(driver, REGISTER, directory_contract.record())
        self.assertIsInstance(outcome, base.Unavailable)
        return outcome.reason

    def test_a_frozen_server_is_unavailable_after_the_time_out(self):
        driver = self.driver(operation_timeout=0.5)
        one = directory_contract.record()
        self.until_done(driver, one)
        self.server.freeze()
        self.unavailable(driver)
        self.server.thaw()
        self.until_done(driver, one)

    def until_done(self, driver, record):
        """Ask until it is done: in so short a time it may not be at once."""
        waiting.until(
            lambda: self.ask(driver, REGISTER, record) == [base.Done()],
            "the driver to register",
        )

    def test_a_killed_server_loses_nothing_that_it_acknowledged(self):
        driver = self.driver()
        records = [directory_contract.record() for _ in range(200)]
        outcomes = self.ask(driver, REGISTER, *records)
        self.assertEqual([base.Done()] * 200, outcomes)
        self.server.kill()
        self.server.start()
        self.assertEqual(
            {item.instance_uuid for item in records},
            {entry.record.instance_uuid for entry in self.driver().entries()},
        )

    def test_a_refused_bind_says_which_options_to_look_at(self):
        wrong = self.server.password_file.with_name("wrong")
        wrong.write_text("wrong")
        reason = self.unavailable(self.driver(password_file=str(wrong)))
        self.assertIn("user and password_file", reason)
        self.assertIn(self.server.url, reason)
        self.assertNotIn(self.server.password, reason)

    def test_a_faulty_file_of_ours_is_named_and_buries_nothing(self):
        binary = self.server.password_file.with_name("binary")
        binary.write_bytes(b"\xff\xfe")
        for option, value in (
            ("tls_cacertfile", "/nowhere/ca.crt"),
            ("password_file", str(binary)),
        ):
            reason = self.unavailable(self.driver(**{option: value}))
            self.assertIn(f"[ldap] {option}", reason)

    def test_an_entry_that_may_not_be_read_is_not_taken_for_gone(self):
        one = directory_contract.record()
        self.ask(self.driver(), REGISTER, one)
        blind = f"cn=blind,ou=services,{self.server.suffix}"
        self.manager.add_s(
            blind,
            [
                ("objectClass", [b"top", b"simpleSecurityObject", b"device"]),
                ("cn", [b"blind"]),
                ("userPassword", [b"a password of its own"]),
            ],
        )
        file = self.server.password_file.with_name("blind")
        file.write_text("a password of its own")
        driver = self.driver(user=blind, password_file=str(file))
        (outcome,) = self.ask(driver, UNREGISTER, one)
        self.assertNotIsInstance(outcome, base.Done)
        self.assertIsNotNone(self.entry(one))

    def test_a_missing_password_file_is_named(self):
        reason = self.unavailable(self.driver(password_file="/nowhere"))
        self.assertIn("/nowhere", reason)

    def test_a_server_of_another_ca_is_not_trusted(self):
        reason = self.unavailable(self.driver(tls_cacertfile=""))
        self.assertIn("tls_cacertfile", reason)

    def test_a_missing_container_waits_and_is_not_buried(self):
        # The service account is not even told that it is missing.
        driver = self.driver(
            hosts_tree_dn=f"ou=no,{self.server.suffix}",
            user=self.server.manager_dn,
            password_file=str(self.manager_password_file()),
        )
        (outcome,) = self.ask(driver, REGISTER, directory_contract.record())
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertIn("ou=no", outcome.reason)

    def test_wrong_options_are_named(self):
        for name, value in (
            ("hosts_tree_dn", "no dn"),
            ("url", "http://example.org"),
            ("password_file", ""),
        ):
            error = self.assertRaises(
                base.WrongOption, self.driver, **{name: value}
            )
            self.assertIn(name, str(error))


class LdapsTest(LdapDirectoryTestCase):
    def test_ldaps_and_the_kernels_word_over_ldapi_work_too(self):
        for options in (
            {"url": self.server.secure_url},
            {"url": self.server.ldapi_url, "user": ""},
        ):
            driver = self.driver(**options)
            one = directory_contract.record()
            self.assertEqual([base.Done()], self.ask(driver, REGISTER, one))
            self.assertIsNotNone(self.entry(one))

    def test_each_address_gets_tls_in_its_own_way(self):
        dead = ports.free_port()
        for url in (
            f"ldaps://127.0.0.1:{dead},{self.server.url}",
            f"ldap://127.0.0.1:{dead},{self.server.secure_url}",
        ):
            driver = self.driver(url=url)
            one = directory_contract.record()
            self.assertEqual([base.Done()], self.ask(driver, REGISTER, one))

    def test_the_first_server_that_answers_is_taken(self):
        dead = f"ldap://127.0.0.1:{ports.free_port()}"
        driver = self.driver(url=f"{dead},{self.server.url}")
        (outcome,) = self.ask(driver, REGISTER, directory_contract.record())
        self.assertEqual(base.Done(), outcome)
