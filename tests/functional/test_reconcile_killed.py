# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The verbs that reconcile, killed at random moments, and run again.

``KILLS`` says how many are killed, ``SEED`` repeats what failed.
"""

import collections
import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import sys
import time

from testtools import content, content_type

from nova_dirsvc_plugin.cmd.manage import app
from nova_dirsvc_plugin.directories.ldap import entry as ldap_entry
from nova_dirsvc_plugin.outbox import repairs
from tests import waiting
from tests.functional.test_reconcile import ReconcileTestCase
from tests.functional.test_reconcile_ldap import LdapTestCase

KILLS = int(os.environ.get("KILLS", "20"))
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 1_000_000)

#: Instances: several portions, in some rounds. In others, few are changed.
COUNT = 120
MANY_CHANGES = 12
EACH_VERB = ("plan", "reconcile", "apply", "undo")

#: Processes that have read all modules: only their work is killed.
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(
    [
        "nova_dirsvc_plugin.cmd.manage.app",
        *(f"nova_dirsvc_plugin.cmd.manage.{verb}" for verb in EACH_VERB),
        "nova_dirsvc_plugin.directories.ldap.driver",
        "nova_dirsvc_plugin.directories.rest.driver",
        "keystoneauth1.identity.v3",
    ]
)

#: The part of the kills that come after Nova was read, where all is written.
LATE = 0.8


def _run(arguments, output):
    """Be the program; as a function of a module it can be forked."""
    with output.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.exit(app.main(arguments))


class KilledTestCase(ReconcileTestCase):
    """A cloud, a directory, and what each round has begun with.

    :ivar earlier: the runs before that of which no second may write
    :ivar before: the instances that had an entry
    :ivar drift: those whose entry, or lack of one, is to be repaired
    """

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.number = itertools.count(COUNT)
        self.kept = repairs.Repairs(self.outbox.path)
        self.killed = collections.Counter()
        self.round = ""
        self.addDetail(
            "seed",
            content.content_from_reader(
                lambda: [f"SEED={SEED}, {self.round}".encode()],
                content_type.UTF8_TEXT,
                buffer_now=False,
            ),
        )
        self.configure(guard_max_removals=100_000, guard_max_changes=100_000)
        #: verb -> seconds from its start, and from its reading of Nova
        self.seconds = dict.fromkeys(EACH_VERB, (1.0, 0.3))

    def kill_all(self):
        """Let the two differ, kill, and repeat; until enough are killed."""
        self.fill(COUNT)
        for number in itertools.count():
            verb = EACH_VERB[number % len(EACH_VERB)]
            self.round = f"round {number}: {verb}, after {dict(self.killed)}"
            size = COUNT if number % MANY_CHANGES < len(EACH_VERB) else 5
            self.begin_round(size, all_kinds=verb != "undo")
            self.killed[verb] += getattr(self, f"kill_{verb}")()
            self.assert_equal()
            self.assert_written_once()
            if self.killed.total() >= KILLS:
                return

    # -- rounds: each tells whether the kill came in time --------------------

    def kill_plan(self):
        file = self.folder / "plan.json"
        file.unlink(missing_ok=True)
        verb = ("plan", "--policy", "sync", "-o", file)
        was_killed = self.kill(*verb)
        self.assertEqual(self.earlier, self.runs())
        if file.exists():
            self.run_to_end({4}, "apply", file)
        self.run_to_end({0, 3}, *verb)
        self.run_to_end({0, 4}, "apply", file)
        return was_killed

    def kill_reconcile(self):
        verb = ("reconcile", "--policy", "sync")
        was_killed = self.kill(*verb)
        self.run_to_end({0, 4}, *verb)
        return was_killed

    def kill_apply(self):
        file = self.folder / "plan.json"
        self.run_to_end({3}, "plan", "--policy", "sync", "-o", file)
        was_killed = self.kill("apply", file)
        if self.run_to_end({0, 4, 127}, "apply", file) == 127:
            # What was done already is a change of what the plan rests on.
            self.assertIn("has changed", self.said_last)
            self.run_to_end({0, 4}, "reconcile", "--policy", "sync")
        return was_killed

    def kill_undo(self):
        self.run_to_end({4}, "reconcile", "--policy", "sync")
        run = self.kept.runs()[0].run_id
        self.earlier = self.runs()
        self.nova.servers = self.servers_before
        was_killed = self.kill("undo", run)
        self.run_to_end({0, 4}, "undo", run)
        return was_killed

    # -- equipment -----------------------------------------------------------

    def begin_round(self, size, *, all_kinds):
        """Let Nova and the directory differ.

        :param size: instances that are changed, at most
        :param all_kinds: not only changes
        """
        self.earlier = self.runs()
        self.before = set(self.compute_hosts())
        servers = self.nova.servers
        self.servers_before = {key: {**servers[key]} for key in servers}
        keys = self.random.sample([*servers], len(servers))
        gone, lost, changed = keys[:3], keys[3:8], keys[8:][:size]
        host = f"host-{next(self.number)}"
        for key in changed:
            self.nova.change(key, **{"OS-EXT-SRV-ATTR:host": host})
        self.drift = {*changed}
        if all_kinds:
            for key in gone:
                self.nova.delete(key)
            self.lose(lost)
            self.before -= {*lost}
            new = [self.nova.boot(next(self.number)) for _ in range(3)]
            self.drift |= {*gone, *lost, *new}

    def kill(self, verb, *arguments):
        """Start a verb, and kill it; give whether it still ran."""
        whole, tail = self.seconds[verb]
        process = self.begin(verb, *arguments)
        if self.random.random() < LATE:
            self.wait_for_the_reading(process, verb)
            whole = tail
        process.join(self.random.uniform(0.0, whole))
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.join(waiting.LIMIT)
        if process.exitcode == -signal.SIGKILL:
            return True
        self.seconds[verb] = tuple(one / 2 for one in self.seconds[verb])
        return False

    def run_to_end(self, statuses, verb, *arguments):
        """Run a verb; see how it ends, and give its exit status."""
        process = self.begin(verb, *arguments)
        began = time.monotonic()
        self.wait_for_the_reading(process, verb)
        read = time.monotonic()
        process.join(waiting.LIMIT)
        ended = time.monotonic()
        if process.exitcode in (3, 4):
            self.seconds[verb] = (ended - began, ended - read)
        self.said_last = (self.folder / "verb.output").read_text()
        self.assertNotIn("Traceback", self.said_last)
        self.assertIn(process.exitcode, statuses, self.said_last)
        return process.exitcode

    def begin(self, *arguments):
        self.nova.requests.clear()
        given = [
            word for file in self.files for word in ("--config-file", file)
        ]
        process = FORKING.Process(
            target=_run,
            args=(
                [*map(str, (*given, *arguments))],
                self.folder / "verb.output",
            ),
        )
        process.start()
        return process

    def wait_for_the_reading(self, process, verb):
        """Wait until a verb has asked Nova for what it needs, or ends."""

        def has_read():
            paths = [path for path, _ in [*self.nova.requests]]
            if verb in ("reconcile", "plan"):
                return sum(one.endswith("/os-services") for one in paths) > 1
            return any("/servers/" in one for one in paths)

        waiting.until(
            lambda: has_read() or process.exitcode is not None,
            f"{verb} to read Nova",
        )

    def runs(self):
        return {run.run_id for run in self.kept.runs()}

    def assert_equal(self):
        """See that the directory has what Nova has."""
        servers = self.nova.servers
        self.assertEqual(
            {key: servers[key]["OS-EXT-SRV-ATTR:host"] for key in servers},
            self.compute_hosts(),
        )

    def assert_written_once(self):
        """See that each difference has one repair, with what was before.

        What the next round repairs is seen as well: only what it is about.
        """
        images = [
            (instance_uuid, before is not None)
            for run_id in self.runs() - self.earlier
            for instance_uuid, _, before in self.kept.before_images(run_id)
        ]
        self.assertEqual(
            sorted((key, key in self.before) for key in self.drift),
            sorted(images),
        )


class KilledRestTest(KilledTestCase):
    def test_what_was_killed_is_done_once_by_the_next_run(self):
        self.kill_all()

    def compute_hosts(self):
        return {
            key: one["host_record"]["compute_host"]
            for key, one in self.entries().items()
        }

    def lose(self, keys):
        with self.service.session("manager") as session:
            for key in keys:
                session.delete(f"{self.service.url}/{key}")


class KilledLdapTest(KilledTestCase, LdapTestCase):
    def test_what_was_killed_is_done_once_by_the_next_run(self):
        self.kill_all()

    def compute_hosts(self):
        return {
            key: one["novaComputeHost"][0].decode()
            for key, one in self.entries().items()
        }

    def lose(self, keys):
        for key in keys:
            self.manager.delete_s(
                ldap_entry.dn(key, self.server.hosts_tree_dn)
            )
