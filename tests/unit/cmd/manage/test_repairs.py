# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A repair is shown as what it is: an event for one directory."""

import dataclasses

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.outbox import repairs
from tests.unit import base
from tests.unit.cmd.manage.base import A, ManageTestCase

BEFORE = {"name": "cn=\x1b[31ma", "owner": "c", "as_of": 1.0, "content": {}}


class RepairsTest(ManageTestCase):
    def setUp(self):
        super().setUp()
        self.put(base.event(instance_uuid=A))
        self.settle()
        self.settle(directory="rest")
        box = repairs.Repairs(self.path, clock=lambda: self.now)
        box.begin(
            repairs.Run("run-7", "log", "p", "reconcile", False, self.now)
        )
        event = dataclasses.replace(
            base.event(events.Verb.REFRESH, A), event_type=events.RECONCILE
        )
        box.put("run-7", [repairs.Repair(event, BEFORE, ("cn",))], self.now)
        self.now += 1

    def claim(self, directory, state, **fields):
        claim = self.outbox.claim(directory, 10)
        self.outbox.settle(
            directory,
            claim,
            [
                outbox.Settlement(entry, state, **fields)
                for entry in claim.entries
            ],
        )
        self.now += 1

    def skip(self):
        self.claim(
            "rest", outbox.State.SKIPPED, reason="for directory log only"
        )

    def test_it_waits_with_its_own_directory_only(self):
        self.assertEqual([(2, "log", "waiting")], self.listed())
        waiting = {
            name: numbers["waiting"]
            for name, numbers in self.status()["directories"].items()
        }
        self.assertEqual({"log": 1, "rest": 0}, waiting)

    def test_it_is_shown_with_its_run_and_what_was_before(self):
        shown = self.told("outbox", "show", 2)
        self.assertEqual(
            ("log", "run-7", ["cn"], "dirsvc.reconcile"),
            tuple(
                shown[name]
                for name in ("only_for", "run", "changes", "event_type")
            ),
        )
        self.assertNotIn("\x1b", shown["before"]["name"])
        shown = self.told("outbox", "show", 1)
        self.assertEqual("", shown["only_for"])
        self.assertNotIn("run", shown)

    def test_history_names_its_directory_and_why_others_skip_it(self):
        self.skip()
        self.claim("log", outbox.State.DELIVERED)
        self.assertEqual(
            [
                ("stored", "log", ""),
                ("skipped", "rest", "for directory log only"),
                ("delivered", "log", ""),
            ],
            [
                (line["What"], line["Directory"], line["Reason"])
                for line in self.told("history", A)
                if line["Event Type"] == "dirsvc.reconcile"
            ],
        )

    def test_it_is_tried_again_and_dropped_with_its_directory(self):
        self.skip()
        self.claim("log", outbox.State.BURIED, reason="no", attempts=5)
        self.assertEqual([(2, "log", "buried")], self.listed())
        status, out, _ = self.manage("outbox", "retry", 2)
        self.assertEqual(0, status)
        self.assertIn("log", out)
        self.assertNotIn("rest", out)
        self.claim("log", outbox.State.BURIED, reason="no", attempts=5)
        status, _, _ = self.manage("outbox", "drop", 2, "--yes")
        self.assertEqual(0, status)
        self.assertEqual([], self.listed())
