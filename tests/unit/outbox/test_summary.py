# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A claim reads a few entries of an instance, and decides as with all."""

import dataclasses
import random

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import decision, retry, state
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.outbox import admin, queries, selection
from nova_dirsvc_plugin.outbox import claim as outbox_claim
from tests import outboxes
from tests.unit import base

A, B = "a" * 32, "b" * 32
INSTANCES = (A, B)

#: All entries of an instance, as a claim read them before it had a bound.
WHOLE = """
SELECT e.*, coalesce(o.remote_address, '') AS remote_address,
  e.number <= coalesce((
    SELECT number FROM position WHERE directory = :directory), 0)
  AND coalesce(x.state, 'confirm') = 'confirm'
  AND NOT EXISTS (
    SELECT 1 FROM journal AS j
    WHERE j.number = e.number AND j.directory = :directory
      AND j.state = 'dropped') AS taken
FROM entry AS e
LEFT JOIN origin AS o ON o.request_id = e.request_id
LEFT JOIN backlog AS x ON x.directory = :directory AND x.number = e.number
WHERE e.instance_uuid = :instance ORDER BY e.number DESC
"""


def whole(database, directory, turn):
    """Return the turn as it is with all entries of its instance."""
    claimed = {entry.number: entry for entry in turn.entries}
    values = {
        "directory": directory,
        "instance": turn.entries[0].event.instance_uuid,
    }
    refuted = False
    entries, taken, removals = [], [], []
    for row in database.execute(WHOLE, values):
        entry = outbox.Entry.from_row(row)
        if entry.ahead > outbox.TOLERATED_LEAD:
            entry = dataclasses.replace(entry, refuted=refuted)
        else:
            refuted = True
        if one := claimed.get(entry.number):
            entries.insert(0, dataclasses.replace(one, refuted=entry.refuted))
        elif row["taken"]:
            taken.append(entry)
        elif entry.event.verb.removes:
            removals.append(entry)
    return dataclasses.replace(
        turn, entries=entries, taken=taken, removals=removals
    )


class History:
    """Random events, answers and decisions of an operator, one after another.

    :ivar decisions: pairs, with the bound and without
    """

    def __init__(self, path, seed, append_only):
        self.random = random.Random(seed)
        self.now = 10_000.0
        self.box = outbox.Outbox(path, clock=lambda: self.now)
        self.admin = admin.OutboxAdmin(path, clock=lambda: self.now)
        self.append_only = append_only
        self.policy = retry.RetryPolicy(
            retry.Settings(max_attempts=2),
            lambda: self.now,
            self.random.uniform,
            confirms=not append_only,
        )
        self.decisions = []
        self.box.check_writable()
        with self.box._session as database:
            database.execute("PRAGMA synchronous = OFF")

    def go_on(self, steps):
        for _ in range(steps):
            self.now += self.random.choice((0.0, 1.0, 30.0, 900.0))
            action = self.random.choices(
                (self.put, self.deliver, self.decide_by_hand), (4, 4, 1)
            )[0]
            action()
        self.box.close()

    def put(self):
        chance = self.random
        for _ in range(chance.randint(1, 5)):
            lead = chance.choice((-900, -5, 0, 0, 0, 50, 70, 4000))
            addresses = (events.Address(f"192.0.2.{chance.randint(1, 9)}"),)
            verbs = [*events.Verb, events.Verb.REFRESH, events.Verb.REFRESH]
            if chance.random() < 0.8:
                verbs.remove(events.Verb.UNREGISTER)
            self.box.put(
                base.event(
                    chance.choice(verbs),
                    chance.choice(INSTANCES),
                    message_id=f"{chance.getrandbits(64):x}",
                    occurred_at=self.now + lead,
                    display_name=f"{chance.getrandbits(16):x}",
                    project_name=chance.choice(("", "demo", "admin")),
                    user_name=chance.choice(("", "", "alice", "bob")),
                    user_remote_address=chance.choice(
                        ("", "", "", "192.0.2.1", "192.0.2.2")
                    ),
                    addresses=chance.choice((None, None, (), addresses)),
                )
            )

    def deliver(self):
        limit = self.random.choice((2, 5))
        found = self.box.claim("d", limit, self.append_only)
        settlements = []
        for turn in found.turns:
            decided = self.decided(turn)
            settlements += [
                outbox.Settlement(entry, outbox.State.SKIPPED, reason)
                for entry, reason in decided.skipped
            ]
            if decided.write:
                answer = self.random.choice(
                    (
                        contract.Done(),
                        contract.Done(),
                        contract.Unavailable("busy"),
                        contract.NotSent("late"),
                        contract.Rejected("no", certain=True),
                    )
                )
                settlements += self.policy.resolve(decided.write, answer)
        self.box.settle("d", found, settlements)

    def decided(self, turn):
        decide = (
            decision.decide_log if self.append_only else decision.decide_state
        )
        with self.admin.snapshot() as database:
            expected = decide(whole(database, "d", turn))
        found = decide(turn)
        self.decisions.append((expected, found))
        return found

    def decide_by_hand(self):
        with self.admin.snapshot() as database:
            items = queries.items(
                database,
                ["d"],
                {outbox.State.BURIED, outbox.State.DEFERRED},
            )
        if items:
            self.random.choice((self.admin.retry, self.admin.drop))(
                [self.random.choice(items)]
            )


class BoundTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path, clock=lambda: self.now)
        self.addCleanup(self.outbox.close)

    def bound(self, **limits):
        for name, value in limits.items():
            module = selection if name == "each" else outbox_claim
            self.patch(module, name.upper(), value)

    def put(self, count, instance=A, verb=events.Verb.REFRESH, **fields):
        self.outbox.put_all(
            [base.event(verb, instance, **fields) for _ in range(count)]
        )

    def claim(self, limit=10, one_each=False):
        return self.outbox.claim("d", limit, one_each)

    def settle(self, claim, outcome=outbox.State.DELIVERED, **fields):
        outboxes.settle(self.outbox, "d", outcome, claim, **fields)

    def deferred(self):
        return outboxes.items(self.path, "d", outbox.State.DEFERRED)

    def deliver(self):
        while claim := self.claim():
            self.settle(claim)

    def rows(self, statement):
        return outboxes.run_sql(self.path, statement)


class DecisionTest(BoundTestCase):
    def check(self, append_only):
        self.bound(each=3, window=1, few=100, many=3)
        for seed in range(40):
            history = History(self.folder / f"{seed}.db", seed, append_only)
            history.go_on(60)
            for expected, found in history.decisions:
                self.assertEqual(expected, found, f"seed {seed}")

    def test_the_state_is_decided_as_with_the_whole_history(self):
        self.check(append_only=False)

    def test_a_record_of_events_is_decided_as_with_the_whole_history(self):
        self.check(append_only=True)


class BoundTest(BoundTestCase):
    def known(self):
        (turn,) = self.claim().turns
        return len(turn.taken)

    def test_a_claim_reads_as_few_after_thousand_events_as_after_fifty(self):
        self.put(1, user_remote_address="192.0.2.7")
        self.put(49)
        self.deliver()
        self.put(1)
        after_fifty = self.known()
        self.put(950)
        self.deliver()
        self.put(1)
        self.assertLessEqual(self.known(), after_fifty)
        (turn,) = self.claim().turns
        self.assertIn(1, [entry.number for entry in turn.taken])

    def test_an_event_is_known_that_one_of_a_wrong_clock_had_hidden(self):
        self.put(20)
        self.put(1, occurred_at=1050.0, display_name="right")
        self.put(1)
        self.put(1, occurred_at=5000.0, display_name="wrong")
        self.deliver()
        self.put(1, occurred_at=1001.0)
        (turn,) = self.claim().turns
        self.assertEqual("right", state.merge(turn.taken).record.display_name)

    def test_a_record_of_events_has_what_comes_before_the_removal(self):
        self.put(1)
        self.put(1, verb=events.Verb.UNREGISTER)
        (turn,) = self.claim(one_each=True).turns
        self.assertIsNotNone(decision.decide_log(turn).write)

    def test_a_backlog_of_one_instance_leaves_room_for_others(self):
        self.bound(each=4)
        self.put(1)
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=1010.0)
        self.put(30)
        while (claim := self.claim()).waiting:
            self.settle(claim)
        self.now = 1011.0
        self.put(1, B)
        claim = self.claim()
        self.assertEqual(
            {1, 2, 3, 4, 32}, {entry.number for entry in claim.entries}
        )

    def test_what_waits_behind_another_is_not_looked_at(self):
        self.put(1)
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=1010.0)
        self.put(30)
        while (claim := self.claim()).waiting:
            self.settle(claim)
        (due,) = self.rows(
            "SELECT count(*) FROM backlog WHERE not_before <= 2000"
        )
        self.assertEqual((1,), due)

    def test_what_waited_follows_when_the_one_before_it_has_gone(self):
        endings = {
            "delivered": lambda item: self.settle(self.claim(one_each=True)),
            "buried": lambda item: self.settle(
                self.claim(one_each=True), outbox.State.BURIED
            ),
            "dropped": lambda item: admin.OutboxAdmin(self.path).drop([item]),
        }
        for ending, end in endings.items():
            self.put(3, ending)
            self.settle(
                self.claim(one_each=True),
                outbox.State.DEFERRED,
                not_before=self.now + 10.0,
            )
            (item,) = self.deferred()
            self.now += 11.0
            end(item)
            (entry,) = self.claim(one_each=True).entries
            self.assertEqual(item.number + 1, entry.number, ending)
            self.deliver()

    def test_what_was_dropped_meanwhile_holds_back_nothing(self):
        self.put(1)
        self.settle(self.claim(), outbox.State.DEFERRED, not_before=1010.0)
        self.put(1)
        claim = self.claim()
        admin.OutboxAdmin(self.path).drop(self.deferred())
        self.settle(claim)
        self.assertEqual([2], [entry.number for entry in self.claim().entries])

    def test_a_summary_goes_with_the_last_entry_of_its_instance(self):
        self.put(50)
        self.deliver()
        self.now = 2000.0
        self.put(1)
        self.deliver()
        self.outbox.purge(["d"], before=1500.0)
        self.assertEqual(
            [(A,)], self.rows("SELECT instance_uuid FROM summary")
        )
        self.outbox.purge(["d"], before=3000.0)
        self.assertEqual([], self.rows("SELECT * FROM summary"))

    def test_a_damaged_summary_holds_nobody(self):
        self.put(50)
        self.deliver()
        for numbers in ("[1, ", '["x", 7]', "7"):
            outboxes.run_sql(
                self.path, "UPDATE summary SET numbers = ?", numbers
            )
            self.put(1)
            self.put(1, B)
            self.assertEqual(2, len(self.claim().turns))
            self.deliver()

    def test_an_outbox_of_an_older_release_is_read_as_a_whole_once(self):
        self.put(300)
        self.deliver()
        with self.outbox._session.transaction() as database:
            for statement in (
                "DROP TRIGGER tally_added",
                "DROP TRIGGER tally_removed",
                "DROP TRIGGER tally_changed",
                "DROP TABLE tally",
                "DROP INDEX backlog_state",
                "DROP INDEX backlog_latest",
                "DROP TABLE comparison",
                "DROP TABLE run",
                "DROP TABLE repair",
                "DROP TABLE reading",
                "DROP INDEX entry_directory",
                "ALTER TABLE entry DROP COLUMN directory",
                "DROP TABLE summary",
                "DROP INDEX entry_removal",
                "PRAGMA user_version = 5",
            ):
                database.execute(statement)
        self.outbox.close()
        self.put(1)
        self.assertEqual(300, self.known())
        self.deliver()
        self.put(1)
        self.assertLess(self.known(), 20)
