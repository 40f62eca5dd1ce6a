# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import json

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from tests import drivers
from tests.unit import base

A = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
OLD, NEW = (
    (events.Address("10.0.0.54", f"fa:16:3e:51:8e:0{end}"),) for end in "12"
)


class ByEventTest(base.TestCase):
    """What a log is told, event by event."""

    def setUp(self):
        super().setUp()
        self.path = self.folder / "log"
        self.outbox = outbox.Outbox(self.folder / "outbox.db")
        self.addCleanup(self.outbox.close)
        self.dispatcher = dispatcher.Dispatcher(
            "log",
            drivers.load(self, "log", path=str(self.path)),
            self.outbox,
            retry.Settings(batch_size=10, max_attempts=3),
        )

    def lines(self, *told):
        """Deliver events; give the first word and the MAC of each line."""
        for verb, fields in told:
            self.outbox.put(base.event(verb, A, **fields))
        while self.dispatcher.step():
            pass
        return [
            (line.split()[0], json.loads(line[line.index("{") :]))
            for line in self.path.read_text().splitlines()
        ]

    def test_what_changes_nothing_that_a_line_says_has_no_line(self):
        known = {"user_name": "alice", "addresses": OLD}
        lines = self.lines(
            (events.Verb.REFRESH, known | {"compute_host": "one"}),
            (events.Verb.REGISTER, known | {"compute_host": "one"}),
            (events.Verb.REFRESH, known | {"display_name": "renamed"}),
            (events.Verb.REFRESH, {"compute_host": "two"}),
            (events.Verb.REFRESH, known | {"addresses": NEW}),
            (events.Verb.SOFT_UNREGISTER, {}),
            (events.Verb.RESTORE, known | {"addresses": NEW}),
            (events.Verb.UNREGISTER, {}),
            (events.Verb.UNREGISTER, {}),
        )
        self.assertEqual(
            [
                ("Registering", OLD[0].mac),
                ("Registering", NEW[0].mac),
                ("Unregistering", None),
                ("Registering", NEW[0].mac),
                ("Unregistering", None),
            ],
            [(word, said.get("mac_address")) for word, said in lines],
        )

    def test_an_unregister_that_was_refused_stands_for_no_other(self):
        self.outbox.put(base.event(events.Verb.UNREGISTER, A))
        claim = self.outbox.claim("log", 10, one_each=True)
        (entry,) = claim.entries
        refused = outbox.Settlement(entry, outbox.State.BURIED, "no")
        self.outbox.settle("log", claim, [refused])
        lines = self.lines(
            (events.Verb.REGISTER, {}), (events.Verb.UNREGISTER, {})
        )
        self.assertEqual(["Unregistering"], [word for word, _ in lines])
