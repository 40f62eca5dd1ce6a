# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon, watched as in production: by Prometheus and by systemd."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import fixtures
from prometheus_client import parser

from nova_dirsvc_plugin.monitoring import catalogue
from tests import ports, processes, waiting
from tests.functional import openldap, server, test_sync
from tests.unit import base

MANAGE = pathlib.Path(sys.executable).with_name("nova-dirsvc-manage")
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples/prometheus"


def get(url):
    """Return status and content of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Prometheus(server.Server):
    """A real Prometheus with our alerts, which do not wait for long."""

    NAME = "prometheus"

    def __init__(self, target):
        super().__init__()
        self._target = target

    def _setUp(self):
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.url = f"http://127.0.0.1:{ports.free_port()}"
        for name in ("alerts.yml", "prometheus.yml"):
            shutil.copy(EXAMPLES / name, self.folder)
        self._replace("alerts.yml", r"for: \d+\w", "for: 1s")
        self._replace("prometheus.yml", r"127\.0\.0\.1:\d+", self._target)
        self._replace(
            "prometheus.yml", r"scrape_interval: 15s", "scrape_interval: 1s"
        )
        with (self.folder / "prometheus.yml").open("a") as file:
            file.write("global:\n  evaluation_interval: 1s\n")
        self.keep_output(self.folder / "output")
        self.addCleanup(self.kill)
        self.start()

    def _replace(self, name, pattern, by):
        path = self.folder / name
        text, count = re.subn(pattern, by, path.read_text())
        assert count, pattern
        path.write_text(text)

    def command(self):
        return [
            "/usr/bin/prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data",
            f"--web.listen-address={self.url.removeprefix('http://')}",
        ]

    def answers(self):
        with contextlib.suppress(OSError):
            return get(f"{self.url}/-/ready")[0] == 200
        return False

    def firing(self):
        """Return the names of the alerts that fire, and their directories."""
        _, content = get(f"{self.url}/api/v1/alerts")
        return {
            (
                alert["labels"]["alertname"],
                alert["labels"].get("directory", ""),
            )
            for alert in json.loads(content)["data"]["alerts"]
            if alert["state"] == "firing"
        }

    def query(self, expression):
        """Return the values of a query, without their labels."""
        quoted = urllib.parse.quote(expression)
        _, content = get(f"{self.url}/api/v1/query?query={quoted}")
        return [
            float(one["value"][1])
            for one in json.loads(content)["data"]["result"]
        ]

    def wait_for(self, *alerts):
        """Wait until these fire, and no others."""
        try:
            waiting.until(
                lambda: self.firing() == set(alerts), f"the alerts {alerts}"
            )
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.firing()}") from error


class MonitoringTestCase(test_sync.SyncTestCase):
    def setUp(self):
        super().setUp()
        self.port = ports.free_port()
        self.options["monitoring_port"] = str(self.port)
        self.url = f"http://127.0.0.1:{self.port}"

    def answers(self, path="/healthz"):
        with contextlib.suppress(OSError):
            return get(self.url + path)
        return None

    def start(self, *files):
        daemon = super().start(*files)
        waiting.until(self.answers, "the daemon to answer")
        return daemon

    def manage(self, *words, status=0):
        result = subprocess.run(
            [MANAGE, "--config-file", self.folder / "sync.conf", *words],
            capture_output=True,
            text=True,
            timeout=waiting.LIMIT,
        )
        self.assertEqual(status, result.returncode, result.stderr)
        return result.stdout

    def samples(self):
        """Return (name, labels) -> value."""
        _, content = get(f"{self.url}/metrics")
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in parser.text_string_to_metric_families(content)
            for sample in family.samples
        }

    def sample(self, name, **labels):
        key = (f"nova_dirsvc_{name}", frozenset(labels.items()))
        return self.samples().get(key)


class OutageTest(MonitoringTestCase):
    def test_alerts_fire_in_an_outage_and_clear_after_it(self):
        directory = self.useFixture(openldap.OpenLdap())
        self.options["directories"] = "ldap,log"
        options = self.write_options(
            ldap={
                "url": directory.url,
                "use_tls": "false",
                "user": directory.user,
                "password_file": directory.password_file,
                "hosts_tree_dn": directory.hosts_tree_dn,
            }
        )
        daemon = self.start(options)
        watch = self.useFixture(Prometheus(f"127.0.0.1:{self.port}"))
        self.outbox.put(base.event(occurred_at=time.time()))
        waiting.until(
            lambda: watch.query("sum(nova_dirsvc_directory_up)") == [2.0],
            "both directories to be up",
        )
        self.assertEqual(set(), watch.firing())
        directory.stop()
        self.outbox.put(base.event(occurred_at=time.time()))
        watch.wait_for(("NovaDirsvcDirectoryUnavailable", "ldap"))
        status, reasons = self.answers("/readyz")
        self.assertEqual(503, status)
        self.assertIn("directory ldap: unavailable", reasons)
        self.assertEqual(200, self.answers("/healthz")[0])
        self.assertEqual(
            [1.0],
            watch.query('nova_dirsvc_outbox_entries{directory="ldap"} > 0'),
        )
        directory.start()
        watch.wait_for()
        self.assertEqual((200, "ready\n"), self.answers("/readyz"))
        self.assertEqual(
            2.0,
            self.sample(
                "events_total",
                directory="ldap",
                event_type="instance.create.end",
                outcome="delivered",
            ),
        )
        processes.kill_group(daemon)
        watch.wait_for(("NovaDirsvcDown", ""))
        self.start(options)
        watch.wait_for()

    def test_the_rules_pass_their_own_tests(self):
        for arguments in (
            ("check", "rules", "alerts.yml"),
            ("check", "config", "prometheus.yml"),
            ("test", "rules", "alerts_test.yml"),
        ):
            result = subprocess.run(
                ["promtool", *arguments],
                cwd=EXAMPLES,
                capture_output=True,
                text=True,
            )
            self.assertEqual(0, result.returncode, result)


class TakenAddressTest(MonitoringTestCase):
    def test_a_taken_port_keeps_no_event_from_its_directory(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))
            other.listen()
            test_sync.SyncTestCase.start(self)
            one = base.event()
            self.outbox.put(one)
            self.wait_for_line(one.instance_uuid)
            waiting.until(
                lambda: "No metrics and no status page" in self.said(),
                "the reason to be said",
            )
        waiting.until(self.answers, "the daemon to answer")
        self.assertEqual(1, self.said().count("No metrics"))

    def test_port_0_turns_it_off(self):
        self.options["monitoring_port"] = "0"
        test_sync.SyncTestCase.start(self)
        one = base.event()
        self.outbox.put(one)
        self.wait_for_line(one.instance_uuid)
        self.assertNotIn("http://", self.said())


class FileTest(MonitoringTestCase):
    def test_the_tool_writes_what_the_outbox_knows(self):
        self.start()
        one = base.event()
        self.outbox.put(one)
        self.wait_for_line(one.instance_uuid)
        path = self.folder / "nova-dirsvc.prom"
        path.write_text("old")
        self.manage("metrics", "-o", str(path))
        self.assertEqual(0o644, path.stat().st_mode & 0o777)
        families = {
            family.name: family
            for family in parser.text_string_to_metric_families(
                path.read_text()
            )
        }
        self.assertEqual(
            [1.0],
            [
                one.value
                for one in families["nova_dirsvc_outbox_stored"].samples
            ],
        )
        self.assertLess(
            families.keys(),
            {metric.name for metric in catalogue.METRICS.values()},
        )
        self.assertEqual(
            path.read_text(), self.manage("metrics"), "it prints the same"
        )
        self.assertEqual([path], list(self.folder.glob("*.prom*")))

    def test_an_outbox_that_is_not_there_is_a_metric_and_a_failure(self):
        self.write_options()
        said = self.manage("metrics", status=1)
        self.assertIn("nova_dirsvc_outbox_readable 0.0\n", said)


class WatchdogTest(MonitoringTestCase):
    def test_signs_of_life_come_until_it_ends(self):
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(path)
            systemd.settimeout(waiting.LIMIT)
            for name, value in (
                ("NOTIFY_SOCKET", path),
                ("WATCHDOG_USEC", "200000"),
            ):
                self.useFixture(fixtures.EnvironmentVariable(name, value))
            daemon = self.start()
            self.assertEqual(b"READY=1", systemd.recv(100))
            for _ in range(3):
                self.assertEqual(b"WATCHDOG=1", systemd.recv(100))
            daemon.terminate()
            daemon.wait(waiting.LIMIT)
            systemd.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.assertEqual(b"WATCHDOG=1", systemd.recv(100))
        self.assertNotIn("hangs", self.said())

    def test_without_systemd_there_are_none(self):
        self.assertNotIn("WATCHDOG_USEC", os.environ)
        self.start()
        self.assertNotIn("watchdog", self.said().lower())
