# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The role collect-nova-dirsvc-logs, run by Ansible on this machine.

Only journalctl is a stand-in: not every machine that runs this has systemd.
"""

import base64
import os
import pathlib
import sqlite3
import subprocess

import fixtures
import testtools
import yaml
from testtools import matchers

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.outbox import Outbox
from tests.zuul import ansible, layout, tree

PLAYBOOK = "playbooks/collect-nova-dirsvc-logs.yaml"
DEFAULTS = "roles/collect-nova-dirsvc-logs/defaults/main.yaml"
UUID = "c1c0e3d2-4f0c-4a0e-8a35-000000000001"
SERVICE_PASSWORD = "6yXlCJ-service"
MANAGER_PASSWORD = "k0Rw_f-manager"
SERVICE_TOKEN = "u2XpNd_service"
NOVA_PASSWORD = "r7sVq_e-nova"
JOURNALCTL = """#!/bin/sh
for unit; do :; done
echo "journal of $unit"
"""
JOURNALS = {
    "devstack@nova-dirsvc.txt",
    "devstack@nova-dirsvc-rest.txt",
    "dirsrv@dirsvc.txt",
}
OUTBOX = {"outbox.db", "outbox.sql.txt"}
ENTRIES = {"instances.db", "instances.sql.txt"}


class Controller(fixtures.Fixture):
    """What a stack.sh leaves on the controller, in a folder.

    :ivar outbox: in use: its rows are in the write-ahead log still
    :ivar entries: of the HTTP service; so are its rows
    """

    def _setUp(self) -> None:
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.conf = self._make_folder("etc/nova-dirsvc")
        self.logs = self._make_folder("var/log/dirsrv/slapd-dirsvc")
        self.stage = self._make_folder("home/zuul")
        self.collected = self.stage / "nova-dirsvc"
        self._make_journalctl()
        self.outbox_file = self._make_folder("data/nova-dirsvc") / "outbox.db"
        self.rest = self._make_folder("data/nova-dirsvc/rest")

    def stack(self) -> None:
        """Leave what there is after a stack.sh that ended well."""
        self.write(self.conf / "nova-dirsvc.conf", "[nova_dirsvc]\n")
        self.write(self.conf / "directory.conf", "[ldap]\n")
        self.write(self.conf / "account.conf", f"password = {NOVA_PASSWORD}\n")
        self.write(
            self.conf / "bus.conf",
            f"transport_url = rabbit://nova:{NOVA_PASSWORD}@192.0.2.1/\n",
        )
        self.write(self.conf / "ca.crt", "a certificate\n")
        self.write(self.conf / "service.password", SERVICE_PASSWORD)
        self.write(self.conf / "manager.password", MANAGER_PASSWORD + "\n")
        for name in ("access", "access.20261123-010203", "errors", "security"):
            self.write(self.logs / name, f"log {name}\n")
        self.write(self.logs / "audit", "userPassword: {PBKDF2-SHA512}\n")
        self.outbox = Outbox(self.outbox_file)
        self.addCleanup(self.outbox.close)
        self.put(UUID)
        self._serve()

    def put(self, uuid: str, name: str = "") -> None:
        number = self.outbox.put(
            events.Event(
                message_id=f"of {uuid}",
                event_type="instance.create.end",
                verb=events.Verb.REGISTER,
                occurred_at=1.0,
                request_id="",
                record=events.HostRecord(
                    instance_uuid=uuid, display_name=name
                ),
            )
        )
        if number is None:
            raise RuntimeError(f"{uuid} is there already")

    def collect(self) -> subprocess.CompletedProcess[str]:
        """Run the playbook."""
        return ansible.play(
            PLAYBOOK,
            {
                "ansible_remote_tmp": str(self.folder / "tmp"),
                "nova_dirsvc_389ds_log_dir": str(self.logs),
                "nova_dirsvc_conf_dir": str(self.conf),
                "nova_dirsvc_outbox": str(self.outbox_file),
                "nova_dirsvc_rest_dir": str(self.rest),
                "stage_dir": str(self.stage),
            },
            home=self._make_folder("home/ansible"),
            path=f"{self.folder / 'bin'}:{os.defpath}",
        )

    def keep(self, document: str) -> None:
        """Have the HTTP service keep a document."""
        with self.entries:
            self.entries.execute(
                "INSERT INTO instances (document) VALUES (?)", (document,)
            )

    def names(self) -> set[str]:
        return {path.name for path in self.collected.iterdir()}

    def content(self) -> bytes:
        """Return all that was collected, one after the other."""
        return b"".join(path.read_bytes() for path in self.collected.iterdir())

    @staticmethod
    def write(path: pathlib.Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)

    def _serve(self) -> None:
        for whose in ("service", "manager"):
            self.write(self.rest / f"{whose}.token", SERVICE_TOKEN)
        self.write(self.rest / "directory.conf", "[rest]\n")
        self.entries = sqlite3.connect(self.rest / "instances.db")
        self.addCleanup(self.entries.close)
        self.entries.execute("PRAGMA journal_mode = WAL")
        self.entries.execute("CREATE TABLE instances (document TEXT)")
        self.keep(f"document of {UUID}")

    def _make_folder(self, name: str) -> pathlib.Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _make_journalctl(self) -> None:
        program = self._make_folder("bin") / "journalctl"
        program.write_text(JOURNALCTL)
        program.chmod(0o755)


class CollectTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.controller = self.useFixture(Controller())

    def test_all_logs_are_collected_and_no_secret(self) -> None:
        self.controller.stack()
        self._collects()
        self.assertEqual(
            JOURNALS
            | OUTBOX
            | ENTRIES
            | {
                "access.txt",
                "access.20261123-010203.txt",
                "directory.conf.txt",
                "errors.txt",
                "nova-dirsvc.conf.txt",
                "security.txt",
            },
            self.controller.names(),
        )
        content = self.controller.content()
        self.assertIn(b"log access.20261123-010203", content)
        self.assertIn(b"journal of devstack@nova-dirsvc", content)
        self.assertIn(b"journal of devstack@nova-dirsvc-rest", content)
        self.assertIn(b"journal of dirsrv@dirsvc", content)
        text = self.controller.collected / "instances.sql.txt"
        self.assertIn(f"document of {UUID}", text.read_text())
        for secret in (
            SERVICE_PASSWORD,
            MANAGER_PASSWORD,
            SERVICE_TOKEN,
            NOVA_PASSWORD,
            "PBKDF2",
        ):
            self.assertNotIn(secret.encode(), content)
        for path in self.controller.collected.iterdir():
            self.assertEqual(0o644, path.stat().st_mode & 0o777, path.name)

    def test_an_outbox_is_copied_while_it_is_used(self) -> None:
        self.controller.stack()
        deleted = "deadbeef-0000-4000-8000-000000000002"
        self.controller.put(deleted)
        with sqlite3.connect(self.controller.outbox_file) as writer:
            writer.execute(
                "DELETE FROM entry WHERE instance_uuid = ?", (deleted,)
            )
        self.addCleanup(writer.close)
        wal = pathlib.Path(f"{self.controller.outbox_file}-wal")
        self.assertThat(wal.stat().st_size, matchers.GreaterThan(0))
        before = (self.controller.outbox_file.stat(), wal.read_bytes())
        self._collects()
        after = (self.controller.outbox_file.stat(), wal.read_bytes())
        self.assertEqual(before, after)
        self.assertNotIn(deleted.encode(), self.controller.content())
        copy = Outbox(self.controller.collected / "outbox.db")
        self.addCleanup(copy.close)
        [entry] = copy.claim("ldap", 10).entries
        self.assertEqual(UUID, entry.event.instance_uuid)
        text = self.controller.collected / "outbox.sql.txt"
        self.assertIn(UUID, text.read_text())

    def test_a_stack_that_ended_early_leaves_journals(self) -> None:
        self.controller.logs.rmdir()
        self.controller.conf.rmdir()
        self.controller.rest.rmdir()
        self._collects()
        self.assertEqual(JOURNALS, self.controller.names())

    def test_a_log_with_a_password_is_removed_and_reported(self) -> None:
        self.controller.stack()
        errors = self.controller.logs / "errors"
        self.controller.write(errors, f"bind with {MANAGER_PASSWORD}\n")
        encoded = base64.b64encode(SERVICE_PASSWORD.encode()).decode()
        access = self.controller.logs / "access"
        self.controller.write(access, f"userPassword:: {encoded}\n")
        self._refuses("errors.txt: had manager.password")
        self.assertNotIn("errors.txt", self.controller.names())
        self.assertNotIn("access.txt", self.controller.names())
        self.assertIn("security.txt", self.controller.names())

    def test_an_outbox_with_a_password_is_removed(self) -> None:
        self.controller.stack()
        self.controller.put(UUID.replace("1", "2"), f"a{SERVICE_PASSWORD}b")
        self._refuses("outbox.db: had service.password")
        self.assertFalse(OUTBOX & self.controller.names())

    def test_entries_with_a_token_are_removed(self) -> None:
        self.controller.stack()
        self.controller.keep(f"Bearer {SERVICE_TOKEN}")
        self._refuses("instances.db: had ")
        self.assertFalse(ENTRIES & self.controller.names())
        self.assertLessEqual(OUTBOX, self.controller.names())

    def test_a_broken_outbox_does_not_publish_a_password(self) -> None:
        self.controller.stack()
        self.controller.outbox.close()
        self.controller.outbox_file.write_bytes(b"not a database" * 100)
        errors = self.controller.logs / "errors"
        self.controller.write(errors, f"bind with {MANAGER_PASSWORD}\n")
        self._refuses("file is not a database")
        self.assertNotIn("errors.txt", self.controller.names())
        self.assertIn("access.txt", self.controller.names())

    def _collects(self) -> None:
        done = self.controller.collect()
        self.assertEqual(0, done.returncode, done.stdout)

    def _refuses(self, reason: str) -> None:
        done = self.controller.collect()
        self.assertNotEqual(0, done.returncode, done.stdout)
        self.assertIn(reason, done.stdout)
        for secret in (SERVICE_PASSWORD, MANAGER_PASSWORD, SERVICE_TOKEN):
            self.assertNotIn(secret, done.stdout)


class DefaultsTest(testtools.TestCase):
    def test_they_are_those_of_the_plugin(self) -> None:
        defaults = yaml.safe_load((layout.ROOT / DEFAULTS).read_text())
        base = "{{ devstack_base_dir | default('/opt/stack') }}"
        settings = tree.Settings({}).variables
        rest = (layout.ROOT / "devstack/lib/directory-rest").read_text()
        self.assertIn(
            "\n_NOVA_DIRSVC_REST_DIR="
            + defaults["nova_dirsvc_rest_dir"].replace(
                f"{base}/data", "$DATA_DIR"
            )
            + "\n",
            rest,
        )
        self.assertEqual(
            settings["NOVA_DIRSVC_CONF_DIR"], defaults["nova_dirsvc_conf_dir"]
        )
        self.assertEqual(
            settings["NOVA_DIRSVC_OUTBOX"],
            defaults["nova_dirsvc_outbox"].replace(base, "/opt/stack"),
        )
        self.assertEqual(
            settings["NOVA_DIRSVC_389DS_INSTANCE"],
            defaults["nova_dirsvc_389ds_instance"],
        )
