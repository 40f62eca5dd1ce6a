# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``nova-dirsvc-manage check``: planted mistakes are found, by their names.

Each is planted in an installation of which the check finds nothing wrong: a
real 389 DS, Nova's and Keystone's APIs in their wire format, a nova.conf.
"""

import io
import json
import logging
import os
import pathlib
import socket
import subprocess
import sys
import time

import fixtures
import ldap
import testtools

from nova_dirsvc_plugin.cmd.manage import app, check
from nova_dirsvc_plugin.outbox import lock
from tests import ports, waiting
from tests.functional import directory389, nova_service, openldap, rabbitmq
from tests.functional.test_sync import SyncTestCase
from tests.unit import base

PROGRAM = pathlib.Path(sys.executable).with_name("nova-dirsvc-manage")

#: Seconds for all of a check.
LONGEST = 10.0

#: Seconds that a service does not answer.
SILENCE = 30.0


class CheckTestCase(SyncTestCase):
    """An installation with nothing wrong, and the program."""

    directory: directory389.Directory389

    def setUp(self):
        super().setUp()
        # The program sets up the log of its process.
        package = logging.getLogger("nova_dirsvc_plugin")
        self.addCleanup(package.setLevel, package.level)
        root = logging.getLogger()
        self.addCleanup(setattr, root, "handlers", list(root.handlers))
        self.nova = self.useFixture(nova_service.NovaService())
        self.folder.chmod(0o2770)
        self.password = self.secret("password", self.directory.password)
        self.ldap = {
            "url": self.directory.url,
            "user": self.directory.bind_dn,
            "password_file": self.password,
            "hosts_tree_dn": self.directory.hosts_tree_dn,
            "tls_cacertfile": self.directory.ca_file,
        }
        self.options = {
            "outbox": self.outbox.path,
            "directories": "ldap",
            "owner": self.directory.owner,
        }
        self.account = self.nova.options()
        self.groups = {}
        self.paste = ""
        self.nova_conf = {
            "oslo_messaging_notifications": ["driver = nova_dirsvc"],
            "notifications": [
                "notification_format = both",
                "notify_on_state_change = vm_state",
            ],
            "nova_dirsvc": [f"outbox = {self.outbox.path}"],
        }
        self.outbox.put(base.event())
        self.deliver("ldap")

    def deliver(self, *names):
        """Be the daemon, as far as the outbox knows."""
        self.held = {}
        for name in names:
            self.held[name] = lock.DirectoryLock(self.outbox.path, name)
            self.held[name].acquire()
            self.addCleanup(self.held[name].release)

    def secret(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def write(self):
        """Write all files of options."""
        groups = {
            "nova_dirsvc": self.options,
            "ldap": self.ldap,
            "nova": self.account,
        } | self.groups
        file = self.write_options(
            **{name: group for name, group in groups.items() if group}
        )
        if "log" not in self.groups:
            text = file.read_text()
            file.write_text(text.replace("[log]\npath", "[log]\n#"))
        file.chmod(0o600)
        theirs = self.folder / "nova.conf"
        theirs.write_text(
            "".join(
                f"[{group}]\n" + "".join(f"{line}\n" for line in lines)
                for group, lines in self.nova_conf.items()
            )
        )
        if self.paste:
            (self.folder / "api-paste.ini").write_text(self.paste)
        return file, theirs

    def check(self):
        """Check within this process; give the exit status and the lines."""
        out, err = io.StringIO(), io.StringIO()
        with (
            fixtures.MonkeyPatch("sys.stdout", out),
            fixtures.MonkeyPatch("sys.stderr", err),
        ):
            began = time.monotonic()
            status = app.main(list(map(str, self.arguments())))
            self.took = time.monotonic() - began
        self.assertNotIn("Traceback", err.getvalue())
        self.assertIn(status, (0, 3, 4), err.getvalue())
        return status, json.loads(out.getvalue())

    def run_program(self):
        return subprocess.run(
            [PROGRAM, *map(str, self.arguments())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=waiting.LIMIT,
        )

    def arguments(self):
        """Write all files; give the words of a check of them."""
        file, theirs = self.write()
        return (
            *("--config-file", file, "check", "-f", "json"),
            *("--nova-conf", theirs, "--user", self.user()),
        )

    def user(self):
        return subprocess.run(
            ["id", "-un"], capture_output=True, text=True, check=True
        ).stdout.strip()

    def assert_clean(self):
        """See that nothing is wrong, and that no entry is left."""
        status, found = self.check()
        self.assertEqual(
            (0, []),
            (status, [one for one in found if one["Name"]]),
        )
        self.assertEqual([], self.entries())

    def entries(self):
        manager = self.directory.connect_as_manager()
        found = manager.search_s(
            self.directory.hosts_tree_dn,
            ldap.SCOPE_ONELEVEL,
            "(objectClass=novaInstance)",
        )
        manager.unbind_s()
        return [dn for dn, _ in found]


class Directory389CheckTest(
    CheckTestCase, directory389.SharedDirectoryTestCase
):
    def assert_found(self, name, word, level="ERROR"):
        """See that a mistake is found, with what to do, in time.

        :param word: part of the finding
        """
        status, found = self.check()
        lines = [
            f"{one['Finding']} | {one['Remedy']}"
            for one in found
            if (one["Name"], one["Result"]) == (name, level)
        ]
        self.assertTrue(lines, (name, found))
        self.assertIn(word, " ".join(lines))
        self.assertTrue(all(line.partition(" | ")[2] for line in lines))
        levels = {one["Result"] for one in found}
        self.assertEqual(3 if "ERROR" in levels else 4, status)
        self.addDetail(
            name, testtools.content.text_content(f"{name}: {lines[0]}")
        )
        with table() as file:
            file.write(f"{self.id().rpartition('.')[2][5:]}\t{name}\t")
            file.write(f"{level}\t{lines[0]}\n")
        return found

    def test_nothing_is_found_where_nothing_is_wrong(self):
        self.assert_clean()

    def test_the_program_prints_a_line_each_and_exits_with_0(self):
        done = self.run_program()
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(
            {"ok"}, {one["Result"] for one in json.loads(done.stdout)}
        )

    def test_the_daemon_says_at_its_start_what_a_directory_refuses(self):
        self.password.write_text("wrong")
        self.options |= {
            "directories": "ldap",
            "outbox": self.folder / "another.db",
        }
        file, _ = self.write()
        self.start(file)
        # Nothing is to be delivered: it would not connect by itself.
        waiting.until(
            lambda: "directory ldap: ldap://" in self.said(),
            "the refusal to be logged",
        )
        self.assertIn("correct [ldap] user", self.said())

    # -- options -----------------------------------------------------------

    def test_an_option_that_is_misspelt(self):
        self.options["ownr"] = "my-cloud"
        self.assert_found("option-unknown", "write owner")

    def test_an_option_of_a_directory_that_is_misspelt(self):
        self.ldap["pasword_file"] = self.ldap.pop("password_file")
        self.assert_found("option-unknown", "write password_file")

    def test_a_section_that_is_misspelt(self):
        self.groups = {"ldap": {}, "ldpa": self.ldap}
        found = self.assert_found("section-unknown", "write [ldap]")
        self.assertIn("url-missing", [one["Name"] for one in found])

    def test_an_option_in_the_wrong_section(self):
        self.groups = {"DEFAULT": {"directories": "ldap"}}
        self.assert_found("option-misplaced", "[nova_dirsvc]")

    def test_a_value_that_an_option_cannot_have(self):
        self.options["batch_size"] = "many"
        self.assert_found("option-value", "many")

    def test_a_directory_that_there_is_not(self):
        self.options["directories"] = "ldpa"
        self.assert_found("directory-unknown", "ldap, log, memory")

    def test_a_directory_without_its_section(self):
        self.ldap = {}
        self.assert_found("url-missing", "ldap://127.0.0.1:1389")

    def test_a_tree_that_is_no_dn(self):
        self.ldap["hosts_tree_dn"] = "hosts"
        self.assert_found("directory-options", "is not a DN")

    def test_a_reconcile_without_a_policy(self):
        self.options["reconcile_interval"] = 60
        self.assert_found("policy-missing", "upsert-only")

    # -- files -------------------------------------------------------------

    def test_a_password_file_that_is_missing(self):
        self.ldap["password_file"] = "/nowhere/password"
        self.assert_found("file-missing", "/nowhere/password")

    def test_a_password_that_everybody_may_read(self):
        self.password.chmod(0o644)
        self.assert_found("secret-exposed", str(self.password))

    def test_a_password_file_that_is_empty(self):
        self.password.write_text("")
        self.assert_found("secret-empty", "is empty")

    def test_a_log_folder_that_is_missing(self):
        self.options["directories"] = "ldap,log"
        self.groups = {"log": {"path": "/nowhere/n.log"}}
        self.assert_found("folder-missing", "/nowhere")

    # -- outbox ------------------------------------------------------------

    def test_an_outbox_folder_that_is_missing(self):
        self.options["outbox"] = "/nowhere/outbox.db"
        self.assert_found("outbox-folder-missing", "-m 2770")

    def test_an_outbox_folder_that_is_open_to_all(self):
        self.folder.chmod(0o2777)
        self.assert_found("outbox-folder-open", "every account")

    def test_an_outbox_folder_without_its_group_bit(self):
        self.folder.chmod(0o770)
        self.assert_found("outbox-folder-no-setgid", "2770", "warning")

    def test_an_outbox_that_is_none(self):
        other = self.folder / "other.db"
        other.write_text("not a database, and long enough to be one " * 99)
        self.options["outbox"] = other
        self.assert_found("outbox-unusable", "not a database")

    def test_a_daemon_that_does_not_run(self):
        self.options["directories"] = "ldap,memory"
        self.assert_found("outbox-not-delivered", "nova-dirsvc-sync")

    def test_a_directory_that_left_the_options(self):
        self.outbox.settle("rest", self.outbox.claim("rest", 10), [])
        self.assert_found(
            "outbox-not-configured", "outbox forget rest", "warning"
        )

    # -- nova.conf ---------------------------------------------------------

    def test_a_nova_without_the_driver(self):
        self.nova_conf["oslo_messaging_notifications"] = [
            "driver = nova-dirsvc"
        ]
        self.assert_found("nova-driver", "there is nova-dirsvc")

    def test_a_nova_that_notifies_in_the_old_format(self):
        self.nova_conf["notifications"].pop(0)
        self.assert_found("nova-format", "unversioned", "warning")

    def test_a_nova_that_says_no_state(self):
        self.nova_conf["notifications"].pop(1)
        self.assert_found("nova-state-change", "vm_state", "warning")

    def test_a_nova_with_another_outbox(self):
        self.nova_conf["nova_dirsvc"] = ["outbox = /var/lib/other.db"]
        self.assert_found("nova-outbox", "/var/lib/other.db")

    def test_a_filter_in_no_pipeline(self):
        self.paste = (
            "[pipeline:api]\npipeline = authtoken app\n"
            "[filter:remote_address]\n"
            "use = egg:nova-dirsvc-plugin#remote_address\n"
        )
        self.assert_found("filter-unused", "keystonecontext", "warning")

    # -- the directory -----------------------------------------------------

    def test_a_host_that_does_not_resolve(self):
        self.ldap["url"] = "ldap://directory.invalid"
        self.assert_found("host-unknown", "directory.invalid")

    def test_a_port_on_which_nothing_listens(self):
        self.ldap["url"] = f"ldap://127.0.0.1:{ports.free_port()}"
        self.assert_found("unreachable", "nothing answers")

    def test_a_server_that_accepts_and_says_nothing(self):
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        self.ldap["url"] = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        _, found = self.check()
        [line] = [one for one in found if one["Subject"] == "directory ldap"]
        self.assertEqual("ERROR", line["Result"], line)

    def test_a_ca_that_has_not_signed_the_certificate(self):
        self.ldap["tls_cacertfile"] = "/etc/ssl/certs/ca-certificates.crt"
        self.assert_found("tls", "tls_cacertfile")

    def test_a_password_that_is_wrong(self):
        self.password.write_text("wrong")
        self.assert_found("bind-refused", "password")

    def test_a_container_that_there_is_not(self):
        self.ldap["hosts_tree_dn"] = f"ou=guests,{self.directory.suffix}"
        self.assert_found("container-missing", "ou=guests")

    def test_an_account_that_may_only_read(self):
        self.ldap["user"] = self.directory.reader_dn
        self.secret("password", self.directory.reader_password)
        self.assert_found("write-refused", "Insufficient")

    def test_an_owner_mark_that_the_directory_does_not_admit(self):
        self.options["owner"] = "my-cloud"
        self.assert_found("write-refused", "owner mark 'my-cloud'")
        manager = self.directory.connect_as_manager()
        manager.add_s(*self.entry_of_a_host())
        manager.unbind_s()
        self.assert_found("owner-mark", "has entries with nova")

    def entry_of_a_host(self):
        uuid = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"
        return (
            f"novaInstanceUuid={uuid},{self.directory.hosts_tree_dn}",
            [
                ("objectClass", [b"device", b"novaInstance"]),
                ("cn", [b"web"]),
                ("novaInstanceUuid", [uuid.encode()]),
                ("novaOwnerMark", [b"nova"]),
            ],
        )

    # -- Nova and Keystone -------------------------------------------------

    def test_no_account_of_nova(self):
        self.account = {}
        self.assert_found("nova-account-missing", "[nova]", "warning")

    def test_a_keystone_that_does_not_run(self):
        port = ports.free_port()
        self.account["auth_url"] = f"http://127.0.0.1:{port}/v3"
        self.assert_found("keystone-unreachable", "auth_url")

    def test_a_keystone_that_refuses_the_password(self):
        self.nova.fault = lambda path, _: (
            (401, {"error": {"code": 401, "message": "no"}})
            if path.startswith("/v3/auth")
            else None
        )
        self.assert_found("keystone-refuses", "password")

    def test_an_account_that_does_not_see_all(self):
        self.nova.is_admin = False
        self.assert_found("nova-role", "role admin")

    def test_a_nova_that_fails(self):
        self.nova.fault = lambda path, _: (
            (503, {}) if "/servers" in path else None
        )
        self.assert_found("nova-fails", "503")

    def test_a_cell_that_is_down(self):
        self.nova.services = [
            *self.nova.services,
            {"host": "two", "status": "UNKNOWN"},
        ]
        self.assert_found("nova-cells", "cell", "warning")

    def test_a_nova_that_does_not_answer_in_time(self):
        self.nova.fault = lambda path, _: (
            time.sleep(SILENCE) if "/servers" in path else None
        )
        self.assert_found("no-answer", "in time")
        self.assertLess(check.LIMIT, LONGEST)
        self.assertLess(self.took, SILENCE)


class OwnServerCheckTest(CheckTestCase):
    """Mistakes in the server itself."""

    def setUp(self):
        self.directory = self.useFixture(directory389.Directory389())
        super().setUp()

    assert_found = Directory389CheckTest.assert_found

    def test_a_server_without_its_index(self):
        self.ldap["user"] = self.directory.manager_dn
        self.secret("password", self.directory.manager_password)
        manager = self.directory.connect_as_manager()
        [(dn, _)] = manager.search_s(
            "cn=ldbm database,cn=plugins,cn=config",
            ldap.SCOPE_SUBTREE,
            "(&(objectClass=nsIndex)(cn=novaOwnerMark))",
        )
        manager.delete_s(dn)
        manager.unbind_s()
        self.assert_found("index-missing", "novaOwnerMark", "warning")

    def test_a_server_that_limits_what_it_gives(self):
        manager = self.directory.connect_as_manager()
        for number in range(30):
            uuid = f"{number:08}-0000-4000-8000-000000000000"
            manager.add_s(
                f"novaInstanceUuid={uuid},{self.directory.hosts_tree_dn}",
                [
                    ("objectClass", [b"device", b"novaInstance"]),
                    ("cn", [b"web"]),
                    ("novaInstanceUuid", [uuid.encode()]),
                    ("novaOwnerMark", [self.directory.owner.encode()]),
                ],
            )
        manager.modify_s(
            self.directory.bind_dn,
            [(ldap.MOD_REPLACE, "nsPagedSizeLimit", [b"10"])],
        )
        manager.modify_s(
            self.directory.bind_dn,
            [(ldap.MOD_REPLACE, "nsSizeLimit", [b"10"])],
        )
        manager.unbind_s()
        self.assert_found("read-refused", "limit", "warning")


class OpenLdapCheckTest(CheckTestCase):
    """The same of an OpenLDAP."""

    assert_found = Directory389CheckTest.assert_found
    assert_clean = CheckTestCase.assert_clean

    def setUp(self):
        self.directory = self.useFixture(openldap.OpenLdap())
        self.directory.owner = "nova"
        self.directory.bind_dn = self.directory.user
        self.directory.ca_file = ""
        super().setUp()
        self.ldap["use_tls"] = "false"

    def entries(self):
        manager = self.directory.connect()
        found = manager.search_s(
            self.directory.hosts_tree_dn, ldap.SCOPE_ONELEVEL
        )
        manager.unbind_ext()
        return [dn for dn, _ in found]

    def test_nothing_is_found_where_nothing_is_wrong(self):
        self.assert_clean()

    def test_a_server_without_our_schema(self):
        self.directory.stop()
        conf = self.directory.folder / "slapd.conf"
        lines = conf.read_text().splitlines(keepends=True)
        conf.write_text(
            "".join(line for line in lines if "nova" not in line.lower())
        )
        self.directory.start()
        self.assert_found("schema-missing", "novaInstance")

    def test_a_server_with_a_schema_of_an_older_release(self):
        self.directory.stop()
        schema = self.directory.folder / "nova.schema"
        schema.write_text(schema.read_text().replace("novaAsOf", "novaOld"))
        self.directory.start()
        self.assert_found("schema-old", "novaAsOf")

    def test_tls_with_a_server_that_has_no_certificate(self):
        self.ldap["use_tls"] = "true"
        self.assert_found("tls", "certificate")

    def test_a_server_that_is_read_only(self):
        self.directory.configure("readonly on")
        self.assert_found("unavailable", "restricted")


class BusCheckTest(CheckTestCase, directory389.SharedDirectoryTestCase):
    """The message bus of a listener."""

    assert_found = Directory389CheckTest.assert_found

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.broker = rabbitmq.RabbitMq()
        cls.addClassCleanup(cls.broker.remove)
        cls.broker.start()

    def setUp(self):
        super().setUp()
        self.options |= {"listen": "true"}
        self.groups = {"DEFAULT": {"transport_url": self.broker.url}}
        self.nova_conf["oslo_messaging_notifications"] = [
            "driver = messagingv2"
        ]
        self.nova_conf["notifications"].append(
            "versioned_notifications_topics = nova_dirsvc"
        )

    def check(self):
        """Run the program: it chooses the threads of its process."""
        done = self.run_program()
        self.assertIn(done.returncode, (3, 4), done.stderr)
        return done.returncode, json.loads(done.stdout)

    def test_a_bus_without_a_nova(self):
        self.assert_found("bus-exchange", "listener_exchange", "warning")

    def test_a_password_of_the_bus_that_is_wrong(self):
        self.groups["DEFAULT"]["transport_url"] = self.broker.url.replace(
            rabbitmq.PASSWORD, "wrong"
        )
        self.assert_found("bus-refuses", "transport_url")

    def test_a_broker_that_does_not_run(self):
        self.groups["DEFAULT"]["transport_url"] = (
            f"rabbit://u:p@127.0.0.1:{ports.free_port()}/"
        )
        self.assert_found("unreachable", "nothing answers")

    def test_a_topic_that_nova_does_not_send_to(self):
        self.nova_conf["notifications"].pop()
        self.assert_found("nova-topics", "nova_dirsvc")

    def test_queues_of_another_kind_than_novas(self):
        self.nova_conf["oslo_messaging_rabbit"] = [
            "rabbit_quorum_queue = true"
        ]
        self.assert_found("bus-queues", "rabbit_quorum_queue")


def table():
    """Open the file for the table of mistakes and lines."""
    return pathlib.Path(os.environ.get("CHECK_TABLE", os.devnull)).open("a")
