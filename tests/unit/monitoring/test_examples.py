# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The alerts, the dashboard and the page about them know the same metrics."""

import json
import pathlib
import re

import yaml

from nova_dirsvc_plugin.monitoring import activity, catalogue
from nova_dirsvc_plugin.outbox import State
from nova_dirsvc_plugin.reconcile import item
from tests.unit import base

ROOT = pathlib.Path(__file__).parents[3]
EXAMPLES = ROOT / "examples/prometheus"
DOC = ROOT / "doc/source/admin/monitoring.rst"

#: The values that a label may have.
WORDS = {
    "state": {state.value for state in State},
    "outcome": {state.value for state in State},
    "kind": {kind.value for kind in item.Kind},
    "answer": set(activity.ANSWERS.values()),
}

#: What Prometheus and its node_exporter add.
LABELS = {"instance", "job", "le", "file"}


def expressions():
    """Yield (where, expression) of all queries."""
    rules = yaml.safe_load((EXAMPLES / "alerts.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    dashboard = json.loads((EXAMPLES / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def shown(metric):
    """Return the name that Prometheus shows."""
    suffix = "_total" if metric.type is catalogue.Type.COUNTER else ""
    return metric.name + suffix


def exposed():
    """Return the name of each series -> its labels."""
    found = {}
    for metric in catalogue.METRICS.values():
        names = [shown(metric)]
        if metric.type is catalogue.Type.HISTOGRAM:
            names = [f"{metric.name}_{end}" for end in ("bucket", "count")]
        found |= {name: {*metric.labels} for name in names}
    return found


class ExamplesTest(base.TestCase):
    def test_each_query_asks_for_what_there_is(self):
        known = exposed()
        asked = set()
        for where, expression in expressions():
            for name, selector in re.findall(
                r"\b(nova_dirsvc_\w+)(?:\{([^}]*)\})?", expression
            ):
                self.assertIn(name, known, where)
                asked.add(name)
                for label, value in re.findall(
                    r'(\w+)[=!]~?"([^"]*)"', selector
                ):
                    self.assertIn(label, known[name] | LABELS, where)
                    for word in value.split("|"):
                        self.assertIn(word, WORDS.get(label, {word}), where)
        self.assertGreaterEqual(len(asked), 20)

    def test_each_alert_is_tested_and_has_its_runbook(self):
        tests = (EXAMPLES / "alerts_test.yml").read_text()
        text = DOC.read_text()
        alerts = re.findall(
            r"alert: (\w+)", (EXAMPLES / "alerts.yml").read_text()
        )
        self.assertEqual(len(alerts), len(set(alerts)))
        for alert in alerts:
            self.assertIn(f'alertname="{alert}"', tests)
        documented = re.findall(r"^``(Nova\w+)``", text, re.MULTILINE)
        self.assertEqual(alerts, documented)

    def test_the_table_of_metrics_is_that_of_the_code(self):
        self.maxDiff = None
        text = DOC.read_text()
        table = text.partition(".. the table of metrics\n")[2]
        table = table.partition(".. end of metrics\n")[0]
        rows = [
            [
                " ".join(cell.replace("`", "").split())
                for cell in re.split(r"^ {5}- ?", row, flags=re.MULTILINE)
            ]
            for row in re.split(r"^ {3}\* - ", table, flags=re.MULTILINE)[2:]
        ]
        self.assertEqual(
            [
                [
                    shown(metric),
                    metric.type.value,
                    ", ".join(metric.labels),
                    metric.help,
                ]
                for metric in catalogue.METRICS.values()
            ],
            rows,
        )
