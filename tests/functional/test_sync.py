# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon as an operator runs it: a process, a file of options, signals."""

import contextlib
import fcntl
import itertools
import os
import pathlib
import signal
import subprocess
import sys

import fixtures
import ldap
import testtools

from nova_dirsvc_plugin import events, outbox
from tests import outboxes, ports, processes, waiting
from tests.functional import directory389
from tests.unit import base

PROGRAM = pathlib.Path(sys.executable).with_name("nova-dirsvc-sync")
UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"


def command(program, files):
    """Return the words of a program, and those of its files of options."""
    options = (("--config-file", str(file)) for file in files)
    return [*program, *itertools.chain.from_iterable(options)]


class SyncTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.outbox = outbox.Outbox(self.folder / "outbox.db")
        self.log_file = self.folder / "nova_dirsvc_plugin.log"
        self.output = self.folder / "output"
        self.options = {
            "outbox": str(self.outbox.path),
            "directories": "log",
        }

    def write_options(self, **groups):
        groups = {
            "nova_dirsvc": self.options,
            "log": {"path": str(self.log_file)},
        } | groups
        path = self.folder / "sync.conf"
        path.write_text(
            "".join(
                f"[{group}]\n"
                + "".join(f"{key} = {value}\n" for key, value in pairs.items())
                for group, pairs in groups.items()
            )
        )
        # Some have the password of an account.
        path.chmod(0o600)
        return path

    def start(self, *files):
        """Start the daemon and wait until it says that it delivers."""
        arguments = command([PROGRAM], files or [self.write_options()])
        with self.output.open("ab") as output:
            self.earlier = output.tell()
            daemon = subprocess.Popen(
                arguments, stdout=output, stderr=output, process_group=0
            )
        self.addCleanup(self.end, daemon)
        waiting.until(
            lambda: (
                "Delivering" in self.said(self.earlier)
                or daemon.poll() is not None
            ),
            "the daemon to start",
        )
        return daemon

    def end(self, daemon):
        processes.kill_group(daemon)
        self.addDetail("output", testtools.content.text_content(self.said()))

    def said(self, since=0):
        """Return what the daemons of this test said; of the last: earlier."""
        with self.output.open("rb") as output:
            output.seek(since)
            return output.read().decode()

    def assert_refused(self, status, *words, **groups):
        """Run the daemon with options that it should refuse.

        :param words: to expect in the last line
        :returns: that line
        """
        file = self.write_options(**groups)
        result = processes.run(PROGRAM, "--config-file", file)
        self.assertNotIn("Traceback", result.stderr)
        self.assertEqual(status, result.returncode, result.stderr)
        line = result.stderr.splitlines()[-1]
        for each in words:
            self.assertIn(each, line)
        return line

    def logged(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_for_line(self, instance_uuid, verb="Registering"):
        return waiting.until(
            lambda: any(
                verb in line and instance_uuid in line
                for line in self.logged().splitlines()
            ),
            f"a line {verb} {instance_uuid}",
        )


class SyncTest(SyncTestCase):
    def test_it_delivers_what_was_stored_before_and_after_its_start(self):
        early, late = base.event(), base.event()
        self.outbox.put(early)
        self.start()
        self.wait_for_line(early.instance_uuid)
        self.outbox.put(late)
        self.wait_for_line(late.instance_uuid)

    def test_a_directory_that_is_down_delays_no_other(self):
        self.options["directories"] = "ldap,log"
        port = ports.free_port()
        self.start(
            self.write_options(
                ldap={"url": f"ldap://127.0.0.1:{port}", "use_tls": "false"}
            )
        )
        one = base.event()
        self.outbox.put(one)
        self.wait_for_line(one.instance_uuid)
        waiting.until(
            lambda: "Directory ldap: unavailable" in self.said(),
            "the outage to be said",
        )
        self.assertEqual(1, self.outbox.pending("ldap"))

    def test_sigterm_ends_it_with_status_0_and_nothing_stays(self):
        daemon = self.start()
        workers = processes.group(daemon.pid)
        self.assertIn(daemon.pid, workers)
        with contextlib.ExitStack() as stack:
            watched = [
                stack.enter_context(processes.Process(pid)) for pid in workers
            ]
            daemon.terminate()
            self.assertEqual(0, daemon.wait(waiting.LIMIT))
            for process in watched:
                self.assertTrue(process.has_ended(), process.pid)

    def test_an_interrupt_ends_it_with_status_0(self):
        daemon = self.start()
        # As a terminal does: all of the group.
        os.killpg(daemon.pid, signal.SIGINT)
        self.assertEqual(0, daemon.wait(waiting.LIMIT))

    def test_killed_it_goes_on_where_it_was(self):
        daemon = self.start()
        events_ = [base.event() for _ in range(300)]
        for event in events_[:150]:
            self.outbox.put(event)
        processes.kill_group(daemon)
        for event in events_[150:]:
            self.outbox.put(event)
        self.start()
        waiting.until(
            lambda: not self.outbox.pending("log"), "all to be delivered"
        )
        for event in events_:
            self.assertIn(event.instance_uuid, self.logged())

    def test_a_worker_that_dies_is_started_again(self):
        daemon = self.start()
        first = base.event()
        self.outbox.put(first)
        self.wait_for_line(first.instance_uuid)
        processes.kill_child(daemon.pid, processes.children(daemon.pid)[0])
        second = base.event()
        self.outbox.put(second)
        self.wait_for_line(second.instance_uuid)
        self.assertIsNone(daemon.poll())

    def test_sighup_with_a_typing_error_ends_nothing(self):
        daemon = self.start()
        self.options["batch_size"] = "abc"
        self.write_options()
        daemon.send_signal(signal.SIGHUP)
        waiting.until(lambda: "'abc'" in self.said(), "the error to be said")
        one = base.event()
        self.outbox.put(one)
        self.wait_for_line(one.instance_uuid)
        self.assertIsNone(daemon.poll())

    def test_sighup_reads_the_mutable_options_again(self):
        self.options["max_attempts"] = "9"
        daemon = self.start()
        self.options["max_attempts"] = "4"
        self.write_options(DEFAULT={"debug": "true"})
        daemon.send_signal(signal.SIGHUP)
        waiting.until(
            lambda: "max_attempts changed from [9] to [4]" in self.said(),
            "the new value to be said",
        )
        one = base.event()
        self.outbox.put(one)
        self.wait_for_line(one.instance_uuid)

    def test_a_report_on_sigusr2_has_threads_and_no_secret(self):
        daemon = self.start(
            self.write_options(
                nova={
                    "auth_type": "v3password",
                    "auth_url": "http://127.0.0.1:9/v3",
                    "username": "nova-dirsvc",
                    "user_domain_id": "default",
                    "project_name": "service",
                    "project_domain_id": "default",
                    "password": "no-secret-of-this",
                }
            )
        )
        for pid in (daemon.pid, *processes.children(daemon.pid)):
            seen = self.said().count("Guru Meditation")
            os.kill(pid, signal.SIGUSR2)
            waiting.until(
                lambda seen=seen: self.said().count("Guru Meditation") > seen,
                "the report of a process",
            )
        waiting.until(
            lambda: "nova-dirsvc-log" in self.said() or "purge" in self.said(),
            "the threads to be named",
        )
        self.assertNotIn("no-secret-of-this", self.said())
        self.assertIsNone(daemon.poll())


class RefusalTest(SyncTestCase):
    def test_all_that_is_wrong_is_named_in_one_list(self):
        self.options |= {
            "directories": "ldap,log",
            "ownr": "my-cloud",
            "batch_size": "0",
        }
        result = subprocess.run(
            [
                PROGRAM,
                "--config-file",
                self.write_options(ldpa={"url": "ldap://one"}),
            ],
            capture_output=True,
            text=True,
            timeout=waiting.LIMIT,
        )
        lines = result.stderr.splitlines()
        self.assertEqual((2, 4), (result.returncode, len(lines)), lines)
        for line, word in zip(
            lines,
            ("write owner", "write [ldap]", "batch_size", "[ldap] url"),
            strict=True,
        ):
            self.assertIn(word, line)
        self.assertFalse(self.outbox.path.exists())

    def test_a_password_file_that_is_not_there_is_named(self):
        self.options["directories"] = "ldap"
        self.assert_refused(
            2,
            "[ldap] password_file",
            "/nowhere/password",
            ldap={
                "url": "ldap://127.0.0.1",
                "user": "cn=x",
                "password_file": "/nowhere/password",
            },
        )

    def test_a_directory_that_does_not_exist_is_named_with_those_that_do(self):
        self.options["directories"] = "ldpa"
        self.assert_refused(2, "'ldpa'", "ldap, log, memory")

    def test_a_value_that_an_option_cannot_have_is_named(self):
        for name, value in (
            ("batch_size", "abc"),
            ("max_attempts", "0"),
            ("retention_days", "1.9"),
            ("directories", ""),
            ("owner", "a*)(cn=*"),
        ):
            options, self.options = self.options, self.options | {name: value}
            self.assert_refused(2, name)
            self.options = options

    def test_a_value_that_an_option_of_a_driver_cannot_have_is_named(self):
        self.options["directories"] = "ldap"
        for name, value in (
            ("hosts_tree_dn", "nonsense"),
            ("tls_req_cert", "hard"),
        ):
            self.assert_refused(2, name, ldap={name: value})

    def test_a_log_that_cannot_be_written_is_named(self):
        self.assert_refused(
            2, "/nowhere/x.log", DEFAULT={"log_file": "/nowhere/x.log"}
        )

    def test_a_file_that_is_not_there_is_named(self):
        result = processes.run(PROGRAM, "--config-file", "/nowhere.conf")
        self.assertEqual(2, result.returncode)
        self.assertIn("/nowhere.conf", result.stderr)

    def test_an_outbox_that_cannot_be_made_is_named(self):
        (self.folder / "file").write_text("in the way")
        self.options["outbox"] = str(self.folder / "file" / "outbox.db")
        self.assert_refused(1, "file/outbox.db")

    def test_no_library_warns_of_anything(self):
        asked = os.environ.keys() - {"PYTHONWARNINGS"}  # tox sets it
        environment = {name: os.environ[name] for name in asked}
        result = processes.run(PROGRAM, "--version", env=environment)
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.assertRegex(result.stdout, r"^nova-dirsvc-sync \d+\.\d+.*\n$")

    def test_a_second_daemon_on_the_same_directory_is_refused(self):
        self.start()
        self.assert_refused(1, "another nova-dirsvc-sync delivers to log")

    def test_a_second_name_of_the_outbox_lets_no_second_daemon_in(self):
        self.start()
        other = self.folder / "other"
        other.symlink_to(self.folder)
        self.options["outbox"] = str(other / "outbox.db")
        self.assert_refused(1, "another nova-dirsvc-sync delivers to log")
        alias = self.folder / "alias.db"
        self.options["outbox"] = str(alias)
        for link in (alias.symlink_to, alias.hardlink_to):
            link(self.outbox.path)
            self.assert_refused(1, f"{alias}: is ")
            alias.unlink()

    def test_an_outbox_that_another_daemon_uses_is_not_brought_up_to_date(
        self,
    ):
        outboxes.make_older(self.outbox.path, 1)
        with (self.folder / "outbox.db.log.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assert_refused(1, "another nova-dirsvc-sync delivers to log")
        self.assertEqual(
            [(1,)], outboxes.run_sql(self.outbox.path, "PRAGMA user_version")
        )
        self.start()

    def test_a_lock_whose_file_is_removed_is_taken_again(self):
        self.start()
        file = self.folder / "outbox.db.log.lock"
        file.unlink()
        waiting.until(file.exists, "the file of the lock")
        waiting.until(
            lambda: "is locked anew" in self.said(), "the lock to be taken"
        )
        self.assert_refused(1, "another nova-dirsvc-sync delivers to log")

    def test_nothing_is_delivered_while_another_has_the_lock(self):
        self.start()
        file, other = (
            self.folder / name for name in ("outbox.db.log.lock", "other")
        )
        with other.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            other.replace(file)
            waiting.until(
                lambda: "Not delivering" in self.said(), "the daemon to stop"
            )
            event = base.event()
            self.outbox.put(event)
            said = self.said().count("Not delivering")
            waiting.until(
                lambda: self.said().count("Not delivering") > said + 1,
                "the daemon to look again",
            )
            self.assertNotIn(event.instance_uuid, self.logged())
        self.wait_for_line(event.instance_uuid)


class SyncWithLdapTest(SyncTestCase):
    def test_an_instance_comes_and_goes_in_a_real_directory(self):
        server = self.useFixture(directory389.Directory389())
        self.options["directories"] = "ldap"
        self.start(server.conf_file, self.write_options())
        connection = server.connect()
        self.addCleanup(connection.unbind_ext)

        def found():
            return connection.search_s(
                server.hosts_tree_dn,
                1,
                f"(novaInstanceUuid={UUID})",
            )

        self.outbox.put(base.event(instance_uuid=UUID, host_name="plain"))
        waiting.until(found, "the entry")
        self.outbox.put(base.event(events.Verb.UNREGISTER, UUID))
        waiting.until(lambda: not found(), "the entry to be gone")

    def test_killed_among_batches_it_sends_no_write_to_be_refused(self):
        server = self.useFixture(directory389.Directory389())
        connection = server.connect_as_manager()
        self.options["directories"] = "ldap"
        count, kills = 1500, 3
        uuids = [event.instance_uuid for event in self.put_many(count)]

        def entries():
            ((_, found),) = connection.search_s(
                server.hosts_tree_dn,
                ldap.SCOPE_BASE,
                attrlist=["numSubordinates"],
            )
            return int(found.get("numSubordinates", [b"0"])[0])

        for _ in range(kills):
            daemon = self.start(server.conf_file, self.write_options())
            before = entries()
            waiting.until(
                lambda before=before: (
                    entries() - before > 100
                    # Some are written that are not settled.
                    and entries() > count - self.outbox.pending("ldap")
                ),
                "the daemon to be among its batches",
            )
            processes.kill_group(daemon)
        self.start(server.conf_file, self.write_options())
        waiting.until(
            lambda: not self.outbox.pending("ldap"), "all to be delivered"
        )
        found = connection.search_s(
            server.hosts_tree_dn, ldap.SCOPE_ONELEVEL, attrlist=["1.1"]
        )
        self.assertEqual(
            sorted(uuids),
            sorted(dn.partition("=")[2].partition(",")[0] for dn, _ in found),
        )
        # What it says of its adds is written when it ends.
        server.stop()
        said = server.access_log.read_text()
        self.assertIn("RESULT err=0 tag=105", said)
        self.assertNotIn("RESULT err=68 tag=105", said)

    def put_many(self, count):
        made = [base.event() for _ in range(count)]
        self.outbox.put_all(made)
        return made
