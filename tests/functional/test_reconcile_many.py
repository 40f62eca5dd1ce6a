# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Many instances, every kind of drift at once, beside entries of others."""

import concurrent.futures
import dataclasses
import itertools
import threading
import time
import uuid

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import server
from tests import waiting
from tests.functional import nova_service
from tests.functional.test_reconcile import ReconcileTestCase, numbers
from tests.functional.test_reconcile_ldap import LdapTestCase
from tests.integration import editors

COUNT = 500
LOST, CHANGED, FOREIGN, MOVED, GONE = 50, 50, 20, 20, 20

#: What a second cloud has in the same directory.
OTHERS = 100


class ManyTestCase(ReconcileTestCase):
    """A second cloud's entries are there from the beginning.

    :ivar editor: all of the directory, as its administrator sees it
    """

    def setUp(self):
        super().setUp()
        self.number = itertools.count(COUNT)
        booted = self.fill(COUNT)
        self.others = [
            self.editor.copy(key, "another-cloud") for key in booted[:OTHERS]
        ]

    def drift(self):
        """Let Nova and the directory part, and no event tell it.

        :returns: how many repairs that takes
        """
        keys = iter([*self.nova.servers])

        def some(count):
            return [*itertools.islice(keys, count)]

        foreign = some(FOREIGN // 2)
        for key in foreign:
            self.editor.give(key, "another-cloud")
        self.foreign = [
            *self.others,
            *map(self.editor.key, foreign),
            *(self.editor.add_unmarked() for _ in range(FOREIGN // 2)),
        ]
        for key in foreign:
            self.nova.delete(key)
        self.editor.remove(*map(self.editor.key, some(LOST)))
        for key in some(CHANGED):
            self.editor.change(key)
        for key in some(MOVED):
            address = nova_service.address(next(self.number))
            # A port's address is not in the instance's own row.
            self.nova.servers[key]["addresses"] = {"private": [address]}
        for key in some(GONE):
            self.nova.delete(key)
        for _ in range(GONE):
            self.nova.boot(next(self.number))
        everything = self.editor.everything()
        self.before = {key: everything[key] for key in self.foreign}
        return LOST + CHANGED + MOVED + 2 * GONE

    def differences(self):
        """Return what is not as Nova says: instance -> (wanted, found)."""
        wanted = {
            key: (
                one["OS-EXT-SRV-ATTR:host"],
                one["name"],
                [port["addr"] for port in one["addresses"]["private"]],
            )
            for key, one in [*self.nova.servers.items()]
        }
        found = self.seen()
        return {
            key: (wanted.get(key), found.get(key))
            for key in wanted.keys() | found.keys()
            if wanted.get(key) != found.get(key)
        }

    def assert_mended(self):
        """All is as Nova says, nothing foreign is touched, no more to do."""
        self.assertEqual({}, self.differences())
        everything = self.editor.everything()
        self.assertEqual(
            self.before, {key: everything[key] for key in self.foreign}
        )
        line = self.reconcile(0)
        self.assertEqual(
            (0, 0, 0, 0), numbers(line, "Stored Missing Differing Removals")
        )
        self.assertEqual(everything, self.editor.everything())

    def mends_all_and_touches_nothing_else(self):
        count = self.drift()
        self.assertEqual(count, len(self.differences()))
        line = self.reconcile(4)
        self.assertEqual(
            (LOST + GONE, CHANGED + MOVED, GONE, count, 0),
            numbers(line, "Missing Differing Removals Stored Waiting"),
        )
        self.assert_mended()

    def mends_all_while_instances_are_booted_and_deleted(self):
        self.drift()
        ends = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            client = pool.submit(self.live, ends)
            try:
                self.reconcile(4)
            finally:
                ends.set()
        self.assertGreater(client.result(), 20)
        waiting.until(
            lambda: not self.differences(), "what was booted and deleted"
        )
        under_way = ("outbox", "list", "--state", "waiting")
        waiting.until(
            lambda: self.run_verb(0, *under_way) == [], "no more writes"
        )
        self.assert_mended()

    def live(self, ends):
        """Boot two and delete one of them, again and again, with events.

        :returns: how often
        """
        lives = 0
        while not ends.wait(0.02):
            keys = [self.nova.boot(next(self.number)) for _ in range(2)]
            for key in keys:
                self.tell(events.Verb.REGISTER, self.nova.servers[key])
            self.tell(events.Verb.UNREGISTER, self.nova.servers.pop(keys[0]))
            lives += 1
        return lives

    def tell(self, verb, one):
        """Store what Nova's notification says."""
        record = server.state_of(one["id"], one, 0.0, self.fail).record
        self.outbox.put(
            events.Event(
                message_id=str(uuid.uuid4()),
                event_type="instance.create.end",
                verb=verb,
                occurred_at=time.time(),
                request_id="",
                record=dataclasses.replace(
                    record, project_name="demo", user_name="alice"
                ),
            )
        )


class ManyInLdapTest(ManyTestCase, LdapTestCase):
    def use_directory(self):
        super().use_directory()
        self.editor = editors.LdapEditor(
            {
                "ldap_url": self.server.url,
                "ldap_hosts_tree_dn": self.server.hosts_tree_dn,
                "ldap_tls_cacertfile": self.server.ca_file,
                "ldap_manager_user": self.server.manager_dn,
                "ldap_manager_password_file": self.more["ldap"][
                    "password_file"
                ],
            }
        )

    def seen(self):
        return {
            key: (
                one["novaComputeHost"][0].decode(),
                one["novaDisplayName"][0].decode(),
                [ip.decode() for ip in one["ipHostNumber"]],
            )
            for key, one in self.entries().items()
        }

    def test_one_run_mends_all_and_touches_nothing_else(self):
        self.mends_all_and_touches_nothing_else()

    def test_so_it_does_while_instances_are_booted_and_deleted(self):
        self.mends_all_while_instances_are_booted_and_deleted()


class ManyInRestTest(ManyTestCase):
    def use_directory(self):
        super().use_directory()
        self.editor = editors.RestEditor(
            {
                "rest_url": self.service.url,
                "rest_manager_token_file": self.service.manager_token_file,
            }
        )

    def seen(self):
        return {
            key: (
                one["host_record"]["compute_host"],
                one["host_record"]["display_name"],
                [port["ip"] for port in one["host_record"]["addresses"]],
            )
            for key, one in self.editor.everything().items()
            if one.get("owner") == self.owner
        }

    def test_one_run_mends_all_and_touches_nothing_else(self):
        self.mends_all_and_touches_nothing_else()

    def test_so_it_does_while_instances_are_booted_and_deleted(self):
        self.mends_all_while_instances_are_booted_and_deleted()
