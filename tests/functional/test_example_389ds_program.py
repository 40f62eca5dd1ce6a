# SPDX-License-Identifier: Apache-2.0
"""The program dirsvc-389ds can be run again and again, and cleans up."""

from __future__ import annotations

import grp
import os
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import ldap
import ldap.modlist
import testtools
from testtools.content import text_content

from tests import ports, processes, waiting
from tests.functional import golden389
from tests.functional.directory389 import Directory389, semaphores
from tests.functional.golden389 import SUFFIX, run_program
from tests.functional.test_example_389ds import (
    A_RULE,
    HOSTS,
    REFUSED,
    host_dn,
    host_entry,
)


class ProgramTestCase(testtools.TestCase):
    """Runs dirsvc-389ds."""

    def run_program(self, *arguments: str) -> tuple[int, str]:
        """Return the exit code and what was written to stderr."""
        done = run_program(*arguments)
        self.addDetail(
            " ".join(arguments), text_content(done.stdout + done.stderr)
        )
        return done.returncode, done.stderr

    def assert_one_line(self, expected: str, *arguments: str) -> None:
        """A refusal has an exit code, names the remedy and has no trace."""
        code, text = self.run_program(*arguments)
        self.assertEqual(1, code)
        self.assertRegex(text, rf"\Adirsvc-389ds: error: .*{expected}.*\n\Z")

    def new_prefix(self) -> Path:
        folder = tempfile.TemporaryDirectory(prefix="ds389-")
        self.addCleanup(folder.cleanup)
        return Path(folder.name, "prefix")

    def deployed(self) -> tuple[Directory389, list[str]]:
        """Return a deployed server that no process of ours runs.

        The second value are the options that say where it is.
        """
        directory = self.useFixture(Directory389(started=False))
        where = [
            "--prefix", str(directory.folder), "--instance", directory.name,
        ]  # fmt: skip
        self.addCleanup(run_program, "remove", *where)
        return directory, where

    def deploy(self, directory: Directory389, where: list[str]) -> list[str]:
        """Return the words that deploy it, as it is."""
        return [
            "deploy", *where,
            "--suffix", SUFFIX,
            "--port", str(directory.port),
            "--secure-port", str(directory.secure_port),
            "--user", golden389.current_user(),
        ]  # fmt: skip


class AgainTest(ProgramTestCase):
    """dirsvc-389ds can be run again and again, and cleans up."""

    def test_deploying_again_changes_nothing(self) -> None:
        directory, where = self.deployed()
        deploy = self.deploy(directory, where)
        self.assertEqual((0, ""), self.run_program(*deploy))
        before = self.state_of(directory)
        self.assertEqual((0, ""), self.run_program(*deploy))
        after = self.state_of(directory)
        for what, state in before.items():
            self.assertEqual(state, after[what], what)

    def state_of(self, directory: Directory389) -> dict[str, object]:
        """Return all that a deploy could have changed."""
        manager = directory.connect_as_manager()
        entries = dict(
            manager.search_s(
                SUFFIX, ldap.SCOPE_SUBTREE, attrlist=["*", "+", "aci"]
            )
        )
        indexes = manager.search_s(
            "cn=ldbm database,cn=plugins,cn=config",
            ldap.SCOPE_SUBTREE,
            "(objectClass=nsIndex)",
        )
        [(_, config)] = manager.search_s("cn=config", ldap.SCOPE_BASE)
        manager.unbind_s()
        return {
            "entries": entries,
            "indexes": indexes,
            "config": {
                name: config[name]
                for name in ("nsslapd-port", "nsslapd-listenhost",
                             "nsslapd-rootpw")
            },
            "pid": directory.pid_file.read_text(),
            "files": {
                path.name: path.read_bytes()
                for path in directory.folder.iterdir()
                if path.is_file()
            },
        }  # fmt: skip

    def test_a_link_in_the_place_of_a_file_is_replaced(self) -> None:
        directory, where = self.deployed()
        elsewhere = directory.folder / "var/elsewhere"
        elsewhere.write_text("precious")
        elsewhere.chmod(0o600)
        names = ("directory.conf", "ca.crt", "service.password")
        for name in names:
            (directory.folder / name).unlink()
            (directory.folder / name).symlink_to(elsewhere)
        code, _ = self.run_program(*self.deploy(directory, where))
        self.assertEqual(0, code)
        self.assertEqual("precious", elsewhere.read_text())
        self.assertEqual(0o600, stat.S_IMODE(elsewhere.stat().st_mode))
        for name in names:
            self.assertFalse((directory.folder / name).is_symlink(), name)

    def test_a_given_password_is_the_password(self) -> None:
        directory, where = self.deployed()
        given = directory.folder / "given"
        given.write_text("correct horse battery\n")
        deploy = self.deploy(directory, where)
        code, _ = self.run_program(
            *deploy, "--service-password-file", str(given)
        )
        self.assertEqual(0, code)
        connection = directory.connect(
            directory.bind_dn, "correct horse battery"
        )
        connection.unbind_s()

    def test_a_group_may_read_the_password_that_it_is_named_for(self) -> None:
        directory, where = self.deployed()
        deploy = self.deploy(directory, where)
        groups = [grp.getgrgid(gid).gr_name for gid in some_groups()]
        self.run_program(
            *deploy, "--group", groups[0], "--reader-group", groups[1]
        )
        self.assertEqual(
            [(groups[0], 0o640), (groups[1], 0o640)],
            passwords_are_open_to(directory),
        )
        self.run_program(*deploy)
        self.assertEqual([0o600, 0o600], [
            mode for _, mode in passwords_are_open_to(directory)
        ])  # fmt: skip

    def test_the_daemon_reads_the_options_of_the_operator_last(self) -> None:
        directory, where = self.deployed()
        deploy = self.deploy(directory, where)
        ours = f"nova-dirsvc-sync --config-file {directory.conf_file}"
        self.assertEqual(ours, run_program(*deploy).stdout.splitlines()[-1])
        own = directory.folder / "nova-dirsvc.conf"
        own.write_text("[nova_dirsvc]\ndirectories = ldap,log\n")
        self.assertEqual(
            f"{ours} --config-file {own}",
            run_program(*deploy).stdout.splitlines()[-1],
        )

    def test_other_ports_are_taken_over(self) -> None:
        directory, where = self.deployed()
        port = ports.free_port()
        deploy = [*self.deploy(directory, where), "--port", str(port)]
        self.assertEqual(0, self.run_program(*deploy)[0])
        directory.url = f"ldap://127.0.0.1:{port}"
        directory.connect().unbind_s()
        self.assertIn(directory.url, directory.conf_file.read_text())

    def test_a_rule_of_the_operator_survives_a_deploy(self) -> None:
        directory, where = self.deployed()
        self.run_program("start", *where)
        manager = directory.connect_as_manager()
        manager.modify_s(HOSTS, [(ldap.MOD_ADD, "aci", [A_RULE.encode()])])
        self.run_program(*self.deploy(directory, where))
        [(_, entry)] = manager.search_s(
            HOSTS, ldap.SCOPE_BASE, attrlist=["aci"]
        )
        manager.unbind_s()
        self.assertIn(A_RULE.encode(), entry["aci"])

    def test_a_changed_owner_mark_replaces_the_rules(self) -> None:
        directory, where = self.deployed()
        deploy = self.deploy(directory, where)
        self.run_program(*deploy, "--owner", "elsewhere")
        service = directory.connect()
        self.addCleanup(service.unbind_s)
        mine = host_entry("one", novaOwnerMark=["elsewhere"])
        service.add_s(host_dn("one"), ldap.modlist.addModlist(mine))
        before = ldap.modlist.addModlist(host_entry("two"))
        self.assertRaises(REFUSED, service.add_s, host_dn("two"), before)

    def test_status_tells_running_from_stopped(self) -> None:
        _, where = self.deployed()
        codes = [
            self.run_program(command, *where)[0]
            for command in ("status", "start", "status", "stop", "status")
        ]
        self.assertEqual([3, 0, 0, 0, 3], codes)

    def test_removing_leaves_nothing(self) -> None:
        directory, where = self.deployed()
        self.run_program("start", *where)
        with processes.Process(int(directory.pid_file.read_text())) as server:
            self.assertEqual((0, ""), self.run_program("remove", *where))
            self.assertTrue(server.has_ended())
        self.assertFalse(directory.folder.exists())
        self.assertEqual([], semaphores(directory.name))

    def test_removing_spares_what_is_not_ours(self) -> None:
        directory, where = self.deployed()
        precious = directory.folder / "precious"
        precious.touch()
        self.run_program("remove", *where)
        self.assertEqual([precious], list(directory.folder.iterdir()))

    def test_removing_nothing_succeeds(self) -> None:
        prefix = self.new_prefix()
        self.assertEqual(
            (0, ""), self.run_program("remove", "--prefix", str(prefix))
        )

    def test_a_deploy_killed_half_way_is_made_good_by_the_next(self) -> None:
        prefix = self.new_prefix()
        name = prefix.parent.name
        where = ["--prefix", str(prefix), "--instance", name]
        self.addCleanup(run_program, "remove", *where)
        deploy = [
            "deploy", *where,
            "--port", str(ports.free_port()),
            "--secure-port", str(ports.free_port()),
            "--user", golden389.current_user(),
        ]  # fmt: skip
        self.kill_a_deploy_that_has_started_a_server(prefix, deploy)
        self.assertEqual((0, ""), self.run_program(*deploy))
        self.assertEqual((0, ""), self.run_program("remove", *where))
        self.assertFalse(prefix.exists())
        self.assertEqual([], semaphores(name))

    def kill_a_deploy_that_has_started_a_server(
        self, prefix: Path, deploy: list[str]
    ) -> None:
        process = subprocess.Popen(
            [str(golden389.PROGRAM), *deploy],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        waiting.until(
            lambda: any(prefix.glob("run/slapd-*.pid")),
            "the first deploy to have started a server",
        )
        process.kill()
        process.wait()

    def test_a_port_in_use_is_told(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            self.assert_one_line(
                f"port {port} is in use.*--port",
                "deploy", "--prefix", str(self.new_prefix()),
                "--user", golden389.current_user(),
                "--port", str(port),
            )  # fmt: skip

    def test_a_socket_path_that_is_too_long_is_told(self) -> None:
        self.assert_one_line(
            "longer than 107 bytes.*--prefix",
            "deploy", "--prefix", str(self.new_prefix() / ("x" * 90)),
            "--user", golden389.current_user(),
        )  # fmt: skip

    def test_a_folder_of_somebody_else_is_left_alone(self) -> None:
        prefix = self.new_prefix()
        (prefix / "etc").mkdir(parents=True)
        self.assert_one_line(
            "not made by this program",
            "deploy", "--prefix", str(prefix),
            "--user", golden389.current_user(),
        )  # fmt: skip
        self.assertEqual(0, self.run_program("remove", "--prefix",
                                             str(prefix))[0])  # fmt: skip
        self.assertTrue((prefix / "etc").exists())

    def test_a_prefix_is_not_removed_under_another_name(self) -> None:
        directory, _ = self.deployed()
        self.assert_one_line(
            f"holds the instance {directory.name}",
            "remove", "--prefix", str(directory.folder),
        )  # fmt: skip
        self.assertTrue(directory.conf_file.exists())

    def test_another_suffix_is_refused(self) -> None:
        directory, where = self.deployed()
        self.assert_one_line(
            "does not serve dc=other",
            *self.deploy(directory, where), "--suffix", "dc=other",
        )  # fmt: skip


def some_groups() -> tuple[int, int]:
    """Return two groups that this user may give a file to."""
    own = sorted({os.getegid(), *os.getgroups()})
    if os.geteuid() == 0:
        own += [grp.getgrnam("nogroup").gr_gid]
    return own[0], own[-1]


def passwords_are_open_to(directory: Directory389) -> list[tuple[str, int]]:
    """Return the group and mode of the service's and reader's password."""
    files = [
        directory.password_file.stat(),
        (directory.folder / "reader.password").stat(),
    ]
    return [
        (grp.getgrgid(file.st_gid).gr_name, stat.S_IMODE(file.st_mode))
        for file in files
    ]
