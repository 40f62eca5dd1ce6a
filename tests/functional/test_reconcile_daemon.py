# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon reconciles and polls by itself."""

import dataclasses
import threading

import fixtures
from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.cmd.sync import reconcile_service
from nova_dirsvc_plugin.directories import memory
from nova_dirsvc_plugin.nova_api import client, server
from nova_dirsvc_plugin.outbox import repairs
from nova_dirsvc_plugin.reconcile import poll as poller
from tests import processes, waiting
from tests.functional import nova_service, test_sync
from tests.functional.test_reconcile import ReconcileTestCase
from tests.unit import base


class IntervalTest(ReconcileTestCase):
    def wait_for_entries(self, *uuids):
        waiting.until(
            lambda: set(self.entries()) == set(uuids),
            f"the entries to be {uuids}",
        )

    def test_what_was_lost_comes_back_by_itself(self):
        self.configure(reconcile_interval=1, reconcile_policy="sync")
        one = self.nova.boot(1)
        self.start(*self.files)
        self.wait_for_entries(one)
        two = self.nova.boot(2)
        self.wait_for_entries(one, two)
        self.nova.delete(one)
        self.wait_for_entries(two)
        self.nova.is_admin = False
        waiting.until(
            lambda: "is not whole" in self.said(), "the doubt to be said"
        )
        self.assertEqual({two}, set(self.entries()))

    def test_a_poll_stores_what_the_outbox_does_not_know_and_only_once(self):
        self.configure(poll_interval=1)
        self.start(*self.files)
        one = self.nova.boot(1)
        self.nova.change(one)
        self.wait_for_entries(one)
        polls = len(self.nova.requests)
        waiting.until(
            lambda: len(self.nova.requests) > polls + 10, "more polls"
        )
        self.assertEqual(1, self.told("outbox", "status")["entries"])
        address = nova_service.address(9)
        self.nova.change(one, addresses={"private": [address]})
        mac = address["OS-EXT-IPS-MAC:mac_addr"]
        waiting.until(
            lambda: self.entries()[one]["mac_address"] == mac,
            "the change to come",
        )
        self.nova.change(one, status="DELETED")
        gone = self.nova.servers[one]
        self.nova.fault = lambda path, _: (
            (200, {"server": gone}) if path.endswith(one) else None
        )
        self.wait_for_entries()
        types = [
            line["Event Type"]
            for line in self.told("history", one)
            if line["What"] == "stored"
        ]
        self.assertEqual(["dirsvc.poll"] * 3, types)

    def test_an_event_that_came_is_not_stored_again_by_a_poll(self):
        self.configure(poll_interval=1)
        one = self.nova.boot(1)
        self.nova.change(one)
        record = self.record_of(one)
        self.outbox.put(
            events.Event(
                message_id="m",
                event_type="instance.create.end",
                verb=events.Verb.REGISTER,
                occurred_at=base.event().occurred_at,
                request_id="",
                record=record,
            )
        )
        self.start(*self.files)
        self.wait_for_entries(one)
        polls = len(self.nova.requests)
        waiting.until(
            lambda: len(self.nova.requests) > polls + 10, "more polls"
        )
        self.assertEqual(1, self.told("outbox", "status")["entries"])

    def record_of(self, one):
        """Return the host record of an instance, as a notification has it."""
        state = server.state_of(one, self.nova.servers[one], 0.0, self.fail)
        return dataclasses.replace(
            state.record, project_name="demo", user_name="alice"
        )

    def test_the_cursor_of_a_poll_stays_while_a_cell_is_down(self):
        self.configure(poll_interval=1)
        daemon = self.start(*self.files)
        first = self.wait_for_another_since("")
        beyond = self.wait_for_another_since(first)
        self.nova.services[0]["status"] = "UNKNOWN"
        waiting.until(
            lambda: "not known to be all" in self.said(), "the doubt"
        )
        polls = len(self.since())
        waiting.until(lambda: len(self.since()) > polls + 3, "more polls")
        [stays] = set(self.since()[polls:])
        self.assertGreaterEqual(stays, beyond)
        self.end(daemon)
        self.start(*self.files)
        polls = len(self.since())
        waiting.until(lambda: len(self.since()) > polls + 1, "more polls")
        self.assertEqual({stays}, set(self.since()[polls:]))
        self.nova.services[0]["status"] = "enabled"
        self.wait_for_another_since(stays)

    def wait_for_another_since(self, since):
        """Wait until Nova is asked for another time, and return that."""
        waiting.until(
            lambda: self.since() and self.since()[-1] != since,
            f"a poll since another time than {since}",
        )
        return self.since()[-1]

    def since(self):
        """Return the times for which Nova was asked."""
        return [
            params["changes-since"]
            for path, params in self.nova.requests
            if "changes-since" in params
        ]

    def test_a_second_daemon_with_its_own_outbox_does_no_harm(self):
        self.configure(
            reconcile_interval=1, poll_interval=1, reconcile_policy="sync"
        )
        booted = self.nova.boot_many(20)
        self.start(*self.files)
        self.configure(outbox=str(self.folder / "other.db"))
        self.start(*self.files)
        self.wait_for_entries(*booted)
        for key in booted[:5]:
            self.nova.delete(key)
        booted += self.nova.boot_many(3)
        self.wait_for_entries(*booted[5:])
        before = self.entries()
        polls = len(self.nova.requests)
        waiting.until(
            lambda: len(self.nova.requests) > polls + 20, "more rounds"
        )
        self.assertEqual(before, self.entries())
        self.assertNotIn("Traceback", self.said())
        self.assertNotIn("ERROR", self.said())


class RefusalTest(ReconcileTestCase):
    def refused(self):
        result = processes.run(
            *test_sync.command([test_sync.PROGRAM], self.files)
        )
        self.assertEqual(2, result.returncode, result.stderr)
        return result.stderr

    def test_what_an_interval_needs_is_named(self):
        self.configure(reconcile_interval=60)
        self.assertIn("reconcile_policy", self.refused())
        self.options["reconcile_policy"] = "sync"
        self.files = (self.conf_file, self.write_options())
        self.assertIn("[nova]", self.refused())


class _Raising(memory.MemoryDirectory):
    """Its service answers what the driver does not expect."""

    def entries(self):
        raise RecursionError("maximum recursion depth exceeded")


class UnexpectedErrorTest(ReconcileTestCase):
    def daemon_conf(self):
        conf = cfg.ConfigOpts()
        for group in (
            options.SOURCE_OPTS,
            options.SYNC_OPTS,
            options.RECONCILE_OPTS,
        ):
            conf.register_opts(group, options.GROUP)
        conf(["--config-file", str(self.files[1])], project="test")
        return conf

    def test_an_error_of_one_driver_ends_neither_the_daemon_nor_the_rest(self):
        """It would start again, compare at once, and deliver nothing."""
        self.nova.boot()
        conf = self.daemon_conf()
        conf.set_override("reconcile_interval", 3600, options.GROUP)
        conf.set_override("reconcile_policy", "sync", options.GROUP)
        self.useFixture(
            fixtures.MonkeyPatch(f"{reconcile_service.__name__}.PATIENCE", 1.0)
        )
        stop = threading.Event()

        class Last(memory.MemoryDirectory):
            def close(self):
                stop.set()

        directories = {
            "odd": _Raising(None, "my-cloud"),
            "last": Last(None, "my-cloud"),
        }
        reconcile_service.ReconcileRounds(
            conf, client.from_conf(conf), directories
        ).run(stop)
        (run,) = repairs.Repairs(self.outbox.path).runs()
        self.assertEqual("last", run.directory)

    def test_an_error_of_a_poll_does_not_end_the_daemon(self):
        conf = self.daemon_conf()
        conf.set_override("poll_interval", 0.01, options.GROUP)
        stop = threading.Event()
        rounds = reconcile_service.PollRounds(conf, client.from_conf(conf))
        polls = []

        def poll(_):
            polls.append(len(polls))
            if len(polls) > 1:
                stop.set()
            raise RecursionError("maximum recursion depth exceeded")

        self.useFixture(
            fixtures.MonkeyPatch(f"{poller.__name__}.Poller.poll", poll)
        )
        rounds.run(stop)
        self.assertEqual([0, 1], polls)
