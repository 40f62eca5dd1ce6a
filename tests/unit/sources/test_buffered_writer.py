# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import multiprocessing
import sqlite3

from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.notifications import reader
from nova_dirsvc_plugin.sources import buffered_writer, notification_driver
from tests import outboxes, recordings, waiting
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"


class BufferedWriterTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox" / "outbox.db"
        self.outbox = outbox.Outbox(self.path)
        self.intake = buffered_writer.BufferedWriter(self.outbox)

    def take(self, ctxt, message):
        self.intake.take(reader.NotificationReader().read(ctxt, message))

    def stored(self):
        claim = outbox.Outbox(self.path).claim("d", 100)
        return [entry.event.instance_uuid for entry in claim.entries]

    def test_an_event_is_stored_and_said_once(self):
        self.take(*recordings.create_end())
        self.assertEqual([UUID], self.stored())
        self.assertEqual(
            f"INFO Outbox entry 1: register instance {UUID}: stored\n",
            self.log.output,
        )

    def test_what_is_none_of_ours_is_not_even_opened_a_file_for(self):
        self.take({}, {"event_type": "instance.delete.start"})
        self.take({}, {})
        self.assertFalse(self.path.exists())

    def test_what_cannot_be_understood_is_parked_and_named(self):
        ctxt, message = recordings.create_end()
        ctxt["auth_token"] = "gAAAAA-secret"
        message["payload"]["nova_object.version"] = "2.0"
        data = message["payload"]["nova_object.data"]
        data["metadata"] = {"db_password": "a secret of the tenant"}
        self.take(ctxt, message)
        ((_, instance, reason),) = outboxes.parked(self.outbox)
        self.assertEqual(UUID, instance)
        self.assertIn("'2.0'", reason)
        self.assertIn(f"instance {UUID} cannot be understood", self.log.output)
        with sqlite3.connect(self.path) as database:
            dump = "\n".join(database.iterdump())
        self.assertIn("alice", dump)
        self.assertNotIn("secret", dump + self.log.output)

    def test_any_malformed_payload_is_parked_and_nothing_is_raised(self):
        for payload in (None, [], {}, {"nova_object.data": {"uuid": "\x00"}}):
            ctxt, message = recordings.create_end()
            message["payload"] = payload
            self.take(ctxt, message)
        self.assertEqual(4, len(outboxes.parked(self.outbox)))
        self.assertNotIn("Traceback", self.log.output)

    def test_an_unusable_folder_keeps_events_until_it_is_usable(self):
        self.path.parent.write_text("a file in the way")
        self.take(*recordings.create_end())
        self.take(*recordings.delete_end())
        self.assertEqual(2, self.intake.held)
        self.assertIn(
            f"ERROR register instance {UUID}: not stored, kept in memory",
            self.log.output,
        )
        self.assertIn("Not a directory", self.log.output)
        self.path.parent.unlink()
        waiting.until(
            lambda: not self.intake.held, "what is held to be stored"
        )
        self.assertEqual([UUID, UUID], self.stored())

    def test_a_full_disk_keeps_events_until_there_is_room(self):
        self.take(*recordings.create_end())
        full = sqlite3.connect(self.path, isolation_level=None)
        self.fill(self.outbox)
        held = 0
        while not self.intake.held:
            self.take(*recordings.create_end(f"{held:032x}"))
            held += 1
            self.assertLess(held, 1000)
        self.assertIn("full", self.log.output)
        self.make_room(self.outbox)
        waiting.until(
            lambda: not self.intake.held, "what is held to be stored"
        )
        (stored,) = full.execute("SELECT count(*) FROM entry").fetchone()
        self.assertEqual(1 + held, stored)
        full.close()

    def fill(self, box):
        """Let SQLite find that no page is left, as on a full disk."""
        with box._session as database:
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages}")

    def make_room(self, box):
        with box._session as database:
            database.execute("PRAGMA max_page_count = 1000000")

    def test_a_locked_outbox_holds_up_one_call_and_no_more(self):
        box = outbox.Outbox(self.path, busy_timeout=0.05)
        self.intake = buffered_writer.BufferedWriter(box)
        self.take(*recordings.create_end())
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for number in range(3):
            self.take(*recordings.create_end(f"{number:032x}"))
        self.assertEqual(3, self.intake.held)
        self.assertEqual(1, self.log.output.count("database is locked"))
        other.execute("ROLLBACK")
        waiting.until(lambda: not self.intake.held, "all to be stored")
        self.assertEqual(4, len(self.stored()))

    def test_a_child_forked_in_trouble_stores_its_own(self):
        self.path.parent.write_text("a file in the way")
        self.take(*recordings.create_end())
        self.path.parent.unlink()
        context = multiprocessing.get_context("fork")
        child = context.Process(
            target=self.take, args=recordings.create_end("c" * 32)
        )
        child.start()
        child.join(waiting.LIMIT)
        self.assertEqual(0, child.exitcode)
        self.assertIn("cccccccc-cccc-cccc-cccc-cccccccccccc", self.stored())
        waiting.until(lambda: not self.intake.held, "the parent's own")
        self.assertEqual(2, len(self.stored()))

    def test_memory_is_bounded_and_the_oldest_loss_is_named(self):
        self.useFixture(
            base.fixtures.MonkeyPatch(
                "nova_dirsvc_plugin.sources.buffered_writer.HELD_AT_MOST", 2
            )
        )
        self.path.parent.write_text("a file in the way")
        for number in range(3):
            self.take(*recordings.create_end(f"{number:032x}"))
        self.assertEqual(2, self.intake.held)
        self.assertIn(
            "CRITICAL register instance 00000000-0000-0000-0000-000000000000"
            ": lost",
            self.log.output,
        )


class OutboxDriverTest(base.TestCase):
    def test_the_path_is_an_option_of_novas_own_configuration(self):
        path = self.folder / "nova.db"
        file = self.folder / "nova.conf"
        file.write_text(f"[nova_dirsvc]\noutbox = {path}\n")
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(file)])
        for _ in range(2):  # Nova makes two Notifiers in a process.
            driver = notification_driver.OutboxDriver(conf, ["t"], None)
        driver.notify(*recordings.create_end(), "INFO", -1)
        self.assertEqual(1, outbox.Outbox(path).pending("d"))

    def test_it_says_at_the_first_notification_that_it_is_loaded(self):
        path = self.folder / "nova.db"
        conf = cfg.ConfigOpts()
        conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
        conf([], default_config_files=[])
        conf.set_override("outbox", str(path), group=options.GROUP)
        driver = notification_driver.OutboxDriver(conf, ["versioned"], None)
        self.assertEqual("", self.log.output)
        for _ in range(2):
            driver.notify({}, {"event_type": "service.update"}, "INFO", -1)
        self.assertEqual(
            "INFO Notification driver nova_dirsvc loaded for topic versioned,"
            f" outbox {path}\n",
            self.log.output,
        )

    def test_what_nobody_thought_of_is_logged_and_not_raised(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        driver = notification_driver.OutboxDriver(conf, ["t"], None)
        driver.notify(None, recordings.create_end()[1], "INFO", -1)
        self.assertIn("report this as a bug", self.log.output)

    def test_the_default_path_is_a_system_path(self):
        conf = cfg.ConfigOpts()
        conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
        conf([], default_config_files=[])
        self.assertEqual(
            "/var/lib/nova-dirsvc/outbox.db", conf.nova_dirsvc.outbox
        )
