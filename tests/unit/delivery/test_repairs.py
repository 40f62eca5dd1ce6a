# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova is asked about a repair that removes an entry, or that comes late."""

import dataclasses

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, nova_check, retry
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.nova_api import server
from nova_dirsvc_plugin.outbox import repairs
from tests.unit import base

A = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"


class _RepairTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.answers = []
        path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(path, clock=lambda: self.now)
        self.addCleanup(self.outbox.close)
        self.directory = memory.MemoryDirectory(None, "nova")
        self.checker = nova_check.NovaChecker(
            lambda uuids: dict.fromkeys(uuids, self.answers[-1]),
            lambda: self.now,
        )
        self.dispatcher = dispatcher.Dispatcher(
            "d",
            self.directory,
            self.outbox,
            retry.Settings(),
            clock=lambda: self.now,
            checker=self.checker,
        )
        self.repairs = repairs.Repairs(path, clock=lambda: self.now)

    def repair(self, verb):
        self.outbox.check_writable()
        self.repairs.begin(
            repairs.Run("run", "d", "plan", "reconcile", False, self.now)
        )
        event = dataclasses.replace(
            base.event(verb, A, occurred_at=self.now - 1),
            event_type=events.RECONCILE,
        )
        self.repairs.put("run", [repairs.Repair(event, {})], self.now)

    def deliver(self, answer):
        self.answers.append(answer)
        for _ in range(5):
            self.dispatcher.step()
            self.checker.step()
            self.now += 10


class RemovalTest(_RepairTestCase):
    def setUp(self):
        super().setUp()
        self.outbox.put(base.event(instance_uuid=A, occurred_at=990.0))
        self.dispatcher.step()
        self.repair(events.Verb.SOFT_UNREGISTER)

    def test_of_an_instance_that_is_gone_it_is_done(self):
        self.deliver(server.gone(A, self.now))
        self.assertEqual({}, self.directory.content)
        self.assertEqual(0, self.repairs.waiting("d"))

    def test_of_one_that_lives_it_leaves_the_entry(self):
        record = events.HostRecord(instance_uuid=A, display_name="alive")
        self.deliver(events.HostState(events.Verb.REFRESH, record, self.now))
        self.assertEqual(
            "alive", self.directory.content[A].record.display_name
        )
        self.assertEqual(0, self.repairs.waiting("d"))

    def test_while_nova_does_not_know_it_waits(self):
        self.deliver(events.StateUnknown("a cell is down"))
        self.assertIn(A, self.directory.content)
        self.assertEqual(1, self.repairs.waiting("d"))


class LateRegisterTest(_RepairTestCase):
    """The unregister may have been delivered from another outbox since."""

    def setUp(self):
        super().setUp()
        self.repair(events.Verb.REGISTER)
        self.now += retry.Settings().late_after

    def test_of_an_instance_that_is_gone_since_it_adds_nothing(self):
        self.deliver(server.gone(A, self.now))
        self.assertEqual({}, self.directory.content)
        self.assertEqual(0, self.repairs.waiting("d"))

    def test_while_nova_does_not_know_it_waits(self):
        self.deliver(events.StateUnknown("a cell is down"))
        self.assertEqual({}, self.directory.content)
        self.assertEqual(1, self.repairs.waiting("d"))
