# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Plans in files, wrong input, and ends of the verbs that nobody planned."""

import os
import pty
import signal
import subprocess

from tests import processes, waiting
from tests.functional import test_manage, test_sync
from tests.functional.test_reconcile import ReconcileTestCase


class PlanTest(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.file = self.folder / "plan.json"

    def plan(self, status, *arguments):
        [line] = self.run_verb(
            status, "plan", "--policy", "sync", "-o", self.file, *arguments
        )
        return line

    def refused(self, *words):
        """Apply; see that nothing is done, in one line."""
        before = self.entries()
        result = self.run_tool("apply", self.file)
        self.assertEqual(127, result.returncode, result.stderr)
        self.assertEqual(("", 1), (result.stdout, result.stderr.count("\n")))
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(before, self.entries())

    def test_a_plan_is_applied_as_it_is(self):
        booted = self.fill(6)
        self.nova.delete(booted[0])
        self.nova.boot(7)
        self.nova.change(booted[1], **{"OS-EXT-SRV-ATTR:host": "host2"})
        planned = self.plan(3)
        self.assertEqual(0o600, self.file.stat().st_mode & 0o777)
        [applied] = self.run_verb(4, "apply", self.file)
        self.assertEqual(planned["Plan"], applied["Plan"])
        self.assertEqual(3, applied["Stored"])
        self.assertEqual({}, self.found(0))
        self.plan(0)
        self.run_verb(0, "apply", self.file)

    def test_a_plan_is_refused_when_what_it_rests_on_has_moved(self):
        booted = self.fill(3)
        self.nova.delete(booted[0])
        self.plan(3)
        self.nova.boot(id=booted[0])
        self.refused("has changed", booted[0])

    def test_a_plan_that_is_not_for_here_is_refused(self):
        self.fill(3)
        self.nova.boot(4)
        self.plan(3)
        content = self.file.read_bytes()
        self.configure(owner="another-cloud")
        self.refused("another owner mark, 'my-cloud'")
        self.configure(owner=self.owner)
        for broken in (
            content[:-40],
            content.replace(b"missing", b"removal"),
            b"",
            b"\xff\xfe",
        ):
            self.file.write_bytes(broken)
            self.refused(str(self.file))
        self.file.unlink()
        self.refused("No such file")

    def test_a_plan_of_another_cloud_is_refused(self):
        self.nova.boot(1)
        self.plan(3)
        self.nova.url += "/"
        self.nova.url = self.nova.url.replace("127.0.0.1", "localhost")
        self.refused("another cloud")

    def test_a_file_that_cannot_be_written_is_said(self):
        self.file = self.folder / "nowhere" / "plan"
        result = self.run_tool("plan", "--policy", "sync", "-o", self.file)
        self.assertEqual(1, result.returncode)
        self.assertIn(str(self.file), result.stderr)


class BadInputTest(ReconcileTestCase):
    def refused(self, *arguments):
        """Run a verb that should be refused; give what it says."""
        result = self.run_tool(*arguments)
        self.assertEqual((127, ""), (result.returncode, result.stdout))
        return result.stderr

    def test_what_may_be_done_has_to_be_said(self):
        said = self.refused("reconcile")
        for word in ("--policy", "reconcile_policy", "upsert-only"):
            self.assertIn(word, said)
        self.configure(reconcile_policy="create-only")
        self.assertEqual(0, self.run_tool("reconcile").returncode)

    def test_wrong_options_and_words_are_named(self):
        self.assertIn("'all'", self.refused("reconcile", "--policy", "all"))
        self.assertIn("'ldap'", self.refused("audit", "--directory", "ldap"))
        self.assertIn("--nonsense", self.refused("audit", "--nonsense"))
        self.assertIn("no run x", self.refused("undo", "x"))
        self.assertIn("a UUID", self.refused("audit", "--instance", "x"))
        self.configure(guard_max_removals=-1)
        self.assertIn("guard_max_removals", self.refused("audit"))

    def test_without_an_account_for_nova_nothing_can_be_compared(self):
        self.files = (self.conf_file, self.write_options())
        for verb in (("audit",), ("reconcile", "--policy", "sync")):
            self.assertIn("[nova]", self.refused(*verb))

    def test_a_keystone_that_is_not_there_is_an_error(self):
        self.nova.fault = lambda path, _: (
            (503, {}) if path.startswith("/v3") else None
        )
        result = self.run_tool("audit")
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertIn("cannot be asked", result.stderr)

    def test_an_outbox_that_is_not_there_is_an_error(self):
        self.configure(outbox=str(self.folder / "none.db"))
        result = self.run_tool("reconcile", "--policy", "sync")
        self.assertEqual(1, result.returncode)
        self.assertIn("there is no outbox", result.stderr)

    def test_a_service_that_only_takes_is_left_out_by_its_name(self):
        self.more = {"rest": {"entries_url": ""}}
        self.configure()
        result = self.run_tool("audit")
        self.assertEqual(1, result.returncode, result.stderr)
        self.assertIn("directory rest is left out", result.stderr)


class EndsTest(ReconcileTestCase):
    def command(self, *arguments):
        program = [test_manage.PROGRAM]
        return [*test_sync.command(program, self.files), *arguments]

    def begin(self):
        """Start a reconcile, and wait until it is under way."""
        asked = len(self.nova.requests)
        # Who runs tests in the background may have them ignore it.
        sensitive = ("env", "--default-signal=INT")
        running = subprocess.Popen(
            [*sensitive, *self.command("reconcile", "--policy", "sync")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self.addCleanup(processes.kill_group, running)
        waiting.until(
            lambda: (
                len(self.nova.requests) > asked + 2
                and self.outbox.pending("rest")
            ),
            "something to be stored",
        )
        return running

    def test_killed_or_interrupted_it_goes_on_where_it_was(self):
        booted = self.nova.boot_many(700)
        # Without a daemon it waits for room.
        killed = self.begin()
        processes.kill_group(killed)
        interrupted = self.begin()
        interrupted.send_signal(signal.SIGINT)
        interrupted.communicate(timeout=waiting.LIMIT)
        self.assertEqual(130, interrupted.returncode)
        self.start(*self.files)
        self.reconcile(4, policy="upsert-only")
        self.assertEqual(set(booted), set(self.entries()))
        stored = {
            line["Instance"] for line in self.told("outbox", "list", "--all")
        }
        self.assertEqual(set(booted), stored)
        self.assertEqual(700, self.outbox_entries())
        self.assertEqual({}, self.found(0))

    def outbox_entries(self):
        return self.told("outbox", "status")["entries"]

    def test_there_is_a_bar_on_a_terminal_and_lines_elsewhere(self):
        self.nova.boot_many(3)
        ours, theirs = pty.openpty()
        command = self.command("audit", "-f", "json")
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=theirs, check=False
        )
        os.close(theirs)
        shown = os.read(ours, 10_000).decode()
        os.close(ours)
        self.assertEqual(3, done.returncode)
        self.assertIn("\r", shown)
        self.assertEqual("", self.run_tool("audit").stderr)
