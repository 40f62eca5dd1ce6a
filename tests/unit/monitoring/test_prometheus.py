# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The metrics, as Prometheus reads them."""

from prometheus_client import parser

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.delivery import dispatcher, retry
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.monitoring import (
    activity,
    catalogue,
    facts,
    prometheus,
    wire,
)
from nova_dirsvc_plugin.outbox import admin, comparisons
from tests.unit import base

NOW = 1_000_000.0
HOSTILE = 'l"d\\a\np{}'


class Refusing(memory.MemoryDirectory):
    """Refuses for good what has a bad name."""

    def apply(self, states):
        return [
            contract.Rejected("no such class", certain=True)
            if state.record.display_name == "bad"
            else super(Refusing, self).apply([state])[0]
            for state in states
        ]


class FactsTestCase(base.TestCase):
    """An outbox with something of everything, and the facts about it."""

    def setUp(self):
        super().setUp()
        self.now = NOW
        self.path = self.folder / "outbox.db"
        self.outbox = outbox.Outbox(self.path, clock=self.clock)
        self.meter = activity.Meter("d", self.clock)
        self.dispatcher = dispatcher.Dispatcher(
            "d",
            Refusing(None, "nova"),
            self.outbox,
            retry.Settings(),
            clock=self.clock,
            watch=self.meter,
        )

    def clock(self):
        return self.now

    def put(self, name="good", verb=events.Verb.REGISTER):
        self.outbox.put(
            base.event(verb, occurred_at=self.now - 2.0, display_name=name)
        )

    def fill(self):
        self.put()
        self.put("bad")
        self.put(verb=events.Verb.UNREGISTER)
        self.dispatcher.step()
        self.outbox.put(
            events.Parked({"event_type": "x"}, "not understood", "")
        )
        self.now += 90
        self.put()
        self.put()
        self.now += 10
        box = admin.OutboxAdmin(self.path)
        comparisons.note(
            box,
            comparisons.Comparison(
                "d", NOW, True, 7, 8, {"missing": 2, "conflict": 1}
            ),
        )
        comparisons.note_guard(box, "d", NOW, ["too many"])

    def daemon(self, **about):
        return facts.Daemon(
            process=1,
            release="1",
            started_at=NOW,
            activities={"d": self.meter.read()},
            idle={"d": 0.25},
            **about,
        )

    def collect(self, daemon=None, configured=("d",)):
        return facts.collect(
            self.path, lambda known: configured, daemon, self.now
        )

    def metrics(self, found):
        """Return (name, label values but the directory) -> value."""
        _, content = prometheus.exposition(found)
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parser.text_string_to_metric_families(
                content.decode()
            )
            for sample in family.samples
        }


class ValuesTest(FactsTestCase):
    def value(self, name, **labels):
        found = self.metrics(self.collect(self.daemon()))
        return found.get((f"nova_dirsvc_{name}", *sorted(labels.items())))

    def test_the_numbers_are_those_of_the_outbox(self):
        self.fill()
        for name, labels, value in (
            ("outbox_entries", {"state": "waiting"}, 2),
            ("outbox_entries", {"state": "deferred"}, 0),
            ("outbox_entries", {"state": "buried"}, 1),
            ("outbox_entries", {"state": "confirm"}, 1),
            ("outbox_oldest_seconds", {}, 10),
            ("directory_configured", {}, 1),
            ("directory_delivered", {}, 0),
            ("drift_entries", {"kind": "missing"}, 2),
            ("drift_entries", {"kind": "conflict"}, 1),
            ("comparison_timestamp_seconds", {}, NOW),
            ("comparison_whole", {}, 1),
            ("comparison_instances", {}, 7),
            ("comparison_entries", {}, 8),
            ("guard_stopped", {}, 1),
            ("directory_up", {}, 1),
            ("dispatcher_idle_seconds", {}, 0.25),
            ("attempts_total", {"answer": "done"}, 2),
            ("attempts_total", {"answer": "rejected"}, 1),
            ("end_to_end_seconds_count", {}, 2),
            ("end_to_end_seconds_sum", {}, 4),
            ("end_to_end_seconds_bucket", {"le": "1.0"}, 0),
            ("end_to_end_seconds_bucket", {"le": "2.0"}, 2),
            ("end_to_end_seconds_bucket", {"le": "+Inf"}, 2),
        ):
            self.assertEqual(
                value,
                self.value(name, directory="d", **labels),
                (name, labels),
            )
        for name, value in (
            ("outbox_readable", 1),
            ("outbox_parked", 1),
            ("outbox_stored_total", 5),
            ("outbox_last_event_timestamp_seconds", self.now - 10),
            ("source_lag_seconds", 2),
            ("unstored_events", 0),
        ):
            self.assertEqual(value, self.value(name), name)

    def test_the_word_of_the_guard_outlives_an_audit(self):
        self.fill()
        comparisons.note(
            admin.OutboxAdmin(self.path),
            comparisons.Comparison("d", NOW + 9, False, 7, 8, {"missing": 0}),
        )
        self.assertEqual(1, self.value("guard_stopped", directory="d"))
        self.assertEqual(0, self.value("comparison_whole", directory="d"))
        self.assertIsNone(
            self.value("drift_entries", directory="d", kind="conflict")
        )

    def test_before_the_first_batch_nobody_says_that_it_is_up(self):
        self.outbox.check_writable()
        self.assertIsNone(self.value("directory_up", directory="d"))

    def test_one_that_is_no_longer_configured_is_known_as_such(self):
        self.fill()
        found = self.metrics(self.collect(configured=["other"]))
        for name, value in (("d", 0), ("other", 1)):
            key = ("nova_dirsvc_directory_configured", ("directory", name))
            self.assertEqual(value, found[key])

    def test_an_outbox_that_cannot_be_read_is_a_metric(self):
        found = self.metrics(self.collect())
        self.assertEqual(0, found["nova_dirsvc_outbox_readable",])
        self.assertNotIn(("nova_dirsvc_outbox_parked",), found)

    def test_hostile_names_end_no_line(self):
        self.fill()
        found = self.collect(configured=[HOSTILE])
        key = ("nova_dirsvc_directory_configured", ("directory", HOSTILE))
        self.assertEqual(1, self.metrics(found)[key])


class CatalogueTest(FactsTestCase):
    def families(self, found):
        _, content = prometheus.exposition(found)
        return {
            family.name: family
            for family in parser.text_string_to_metric_families(
                content.decode()
            )
        }

    def test_each_metric_is_shown_with_its_type_labels_and_help(self):
        self.fill()
        found = self.families(self.collect(self.daemon()))
        for metric in catalogue.METRICS.values():
            family = found.pop(metric.name)
            self.assertEqual(metric.type, family.type)
            self.assertEqual(metric.help, family.documentation)
            for sample in family.samples:
                labels = sample.labels.keys() - {"le"}
                self.assertEqual({*metric.labels}, labels)
        self.assertEqual({}, found)

    def test_without_a_daemon_there_is_what_the_outbox_knows(self):
        self.fill()
        self.assertEqual(
            {catalogue.METRICS[name].name for name in catalogue.OF_OUTBOX},
            self.families(self.collect()).keys(),
        )

    def test_the_other_format_is_spoken_too(self):
        self.fill()
        content_type, content = prometheus.exposition(
            self.collect(), "application/openmetrics-text; version=1.0.0"
        )
        self.assertIn("openmetrics", content_type)
        self.assertTrue(content.endswith(b"# EOF\n"))


class WireTest(FactsTestCase):
    def test_what_a_daemon_knows_arrives(self):
        self.fill()
        daemon = self.daemon(listeners=2, active=1)
        path, found = wire.decode(wire.encode(self.collect(daemon)))
        self.assertEqual(str(self.path), path)
        self.assertEqual(
            self.metrics(self.collect(daemon)),
            self.metrics(self.collect(found)),
        )
        self.assertEqual(
            [one.latencies.total for one in daemon.activities["d"].minutes],
            [one.latencies.total for one in found.activities["d"].minutes],
        )

    def test_nonsense_is_refused(self):
        for text in (
            "",
            "[]",
            '{"outbox": "", "daemon": null}',
            '{"outbox": "", "daemon": {"activities": {"d": {}}}}',
        ):
            self.assertRaises(wire.NotUnderstood, wire.decode, text)


class HealthTest(FactsTestCase):
    def test_what_is_wrong_is_said(self):
        self.fill()
        self.assertEqual([], self.collect(self.daemon()).why_not_ready())
        self.meter.answered([contract.Unavailable("no route")], 1, False)
        daemon = self.daemon(listeners=2, active=1)
        self.assertEqual(
            [
                "directory d: unavailable: no route",
                "1 of 2 processes consume the message bus",
            ],
            self.collect(daemon).why_not_ready(),
        )
        self.assertEqual([], self.collect(daemon).why_not_alive())
        daemon.idle["d"] = facts.STUCK_AFTER + 1
        self.assertEqual(
            ["directory d: its dispatcher has taken no turn for 301 s"],
            self.collect(daemon).why_not_alive(),
        )
        self.path.rename(self.folder / "moved")
        found = self.collect(self.daemon())
        self.assertIn("outbox", found.fault)
        self.assertIn(found.fault, found.why_not_ready())
