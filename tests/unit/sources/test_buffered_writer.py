# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import collections.abc
import contextlib
import math
import sqlite3
import subprocess
import sys
import threading

from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.notifications import reader
from nova_dirsvc_plugin.sources import (
    buffered_writer,
    held_report,
    notification_driver,
    storing,
)
from tests import outboxes, processes, recordings, waiting
from tests.unit import base

UUID = "edab9a8e-0a9d-4ecb-8e9a-26009bd80962"

#: Stores an event, in this process or a child, and ends.
ENDING = """
import multiprocessing
import sys

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.sources import buffered_writer
from tests.unit import base

path, child = sys.argv[1:]
writer = buffered_writer.BufferedWriter(outbox.Outbox(path, 0.05))


def work():
    writer.take(base.event())


if child:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
else:
    work()
"""


class BufferedWriterTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "outbox" / "outbox.db"
        self.outbox = outbox.Outbox(self.path)
        self.intake = buffered_writer.BufferedWriter(self.outbox)

    def take(self, ctxt, message):
        self.intake.take(reader.NotificationReader().read(ctxt, message))

    def stored(self):
        claim = outbox.Outbox(self.path).claim("d", 9999)
        return [entry.event.instance_uuid for entry in claim.entries]

    def until_stored(self):
        waiting.until(
            lambda: not self.intake.held, "what is held to be stored"
        )

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
        dump = outboxes.dump(self.path)
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
        self.until_stored()
        self.assertEqual([UUID, UUID], self.stored())

    def test_a_full_disk_keeps_events_until_there_is_room(self):
        self.take(*recordings.create_end())
        self.fill(self.outbox)
        held = 0
        while not self.intake.held:
            self.take(*recordings.create_end(f"{held:032x}"))
            held += 1
            self.assertLess(held, 1000)
        self.assertIn("full", self.log.output)
        self.make_room(self.outbox)
        self.until_stored()
        stored = outboxes.run_sql(self.path, "SELECT * FROM entry")
        self.assertEqual(1 + held, len(stored))

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
        with outboxes.locked(self.path):
            for number in range(3):
                self.take(*recordings.create_end(f"{number:032x}"))
            self.assertEqual(3, self.intake.held)
            self.assertEqual(1, self.log.output.count("database is locked"))
        self.until_stored()
        self.assertEqual(4, len(self.stored()))

    def test_a_child_forked_in_trouble_stores_its_own(self):
        self.path.parent.write_text("a file in the way")
        self.take(*recordings.create_end())
        self.path.parent.unlink()
        told = recordings.create_end("c" * 32)
        self.assertEqual(0, processes.forked(self.take, *told))
        self.assertIn("cccccccc-cccc-cccc-cccc-cccccccccccc", self.stored())
        self.until_stored()
        self.assertEqual(2, len(self.stored()))

    def locked(self, busy_timeout):
        """Return what has locked the outbox; the writer waits that long."""
        self.patch(buffered_writer, "BUSY_TIMEOUT", busy_timeout)
        self.intake = buffered_writer.BufferedWriter(
            outbox.Outbox(self.path, busy_timeout)
        )
        self.intake.take(base.event())
        other = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False
        )
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        return other

    def test_what_many_threads_bring_at_once_is_stored_when_they_go_on(self):
        other = self.locked(waiting.LIMIT)
        late = []

        def take():
            event = base.event()
            self.intake.take(event)
            if event.instance_uuid not in self.stored():
                late.append(event)

        threads = [threading.Thread(target=take) for _ in range(20)]
        for thread in threads:
            thread.start()
        waiting.until(lambda: self.intake.held == 20, "all to be there")
        other.execute("ROLLBACK")
        for thread in threads:
            thread.join(waiting.LIMIT)
        self.assertEqual([], late)
        self.assertEqual(21, self.log.output.count(": stored"))

    def test_a_disk_that_does_not_answer_holds_up_one_thread_and_no_more(self):
        other = self.locked(waiting.LIMIT)
        self.patch(buffered_writer, "BUSY_TIMEOUT", 0.05)
        first = threading.Thread(target=self.intake.take, args=[base.event()])
        first.start()
        waiting.until(self.intake._turn.locked, "it to be written")
        for _ in range(100):
            self.intake.take(base.event())
        self.assertEqual(101, self.intake.held)
        self.assertEqual(1, self.log.output.count("the disk has taken more"))
        other.execute("ROLLBACK")
        self.until_stored()
        first.join(waiting.LIMIT)
        self.assertEqual(102, len(self.stored()))

    def test_what_is_stored_as_the_wait_ends_is_no_trouble(self):
        class Turn:
            """One that is not free in time, when all has been stored."""

            def acquire(_, timeout):
                self.intake._store_portion()
                return False

        turn = self.intake._turn
        self.intake._turn = Turn()
        self.intake.take(base.event())
        self.intake._turn = turn
        self.intake.take(base.event())
        self.assertEqual(2, self.log.output.count(": stored"))
        self.assertNotIn("kept in memory", self.log.output)

    def test_what_is_held_is_stored_first_and_said_now_and_then(self):
        self.patch(held_report, "COMPLAINT_INTERVAL", 0.01)
        other = self.locked(0.01)
        items = [base.event() for _ in range(1200)]
        for item in items:
            self.intake.take(item)
        waiting.until(
            lambda: "ERROR 1200 events are not stored" in self.log.output,
            "the number and the age",
        )
        self.assertIn("the oldest for 0 s: outbox", self.log.output)
        other.execute("ROLLBACK")
        waiting.until(
            lambda: "INFO All events that were kept" in self.log.output, "all"
        )
        self.intake.take(base.event())
        rows = outboxes.run_sql(
            self.path, "SELECT instance_uuid FROM entry ORDER BY number"
        )
        stored = [instance for (instance,) in rows]
        self.assertEqual([item.instance_uuid for item in items], stored[1:-1])

    def test_what_is_held_when_a_process_ends_is_stored_or_named(self):
        for child in ("", "child"):
            self.path.parent.write_text("a file in the way")
            self.assertIn(": lost: the process ends", self.ending(child))
            self.path.parent.unlink()
            self.outbox.put(base.event())
            with outboxes.locked(self.path):
                process = self.popen(child)
                for line in process.stderr:
                    if "not stored, kept in memory" in line:
                        break
            rest = process.stderr.read()
            self.assertEqual(0, process.wait(waiting.LIMIT))
            self.assertNotIn("lost", rest)
            self.assertEqual(2, len(self.stored()))
            self.outbox.close()
            for file in self.path.parent.iterdir():
                file.unlink()
            self.path.parent.rmdir()

    def popen(self, child):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDING, str(self.path), child],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.stderr.close)
        return process

    def ending(self, child):
        process = self.popen(child)
        said = process.stderr.read()
        self.assertEqual(0, process.wait(waiting.LIMIT))
        return said

    def test_what_no_outbox_can_hold_is_parked_and_delays_no_other(self):
        broken = base.event(occurred_at=math.nan)
        self.intake.take(broken)
        self.intake.take(base.event())
        self.assertEqual(0, self.intake.held)
        self.assertEqual(1, len(self.stored()))
        ((_, _, reason),) = outboxes.parked(self.outbox)
        self.assertIn("ValueError: NOT NULL constraint", reason)

    def test_what_cannot_even_be_parked_is_in_the_log_and_delays_nobody(self):
        broken, good = base.event(), base.event()

        def put_all(items):
            for item in items:
                if item is not good:
                    raise TypeError("never")
            return [7]

        self.assertEqual([None, 7], storing.store(put_all, [broken, good]))
        self.assertIn("CRITICAL Lost: Event cannot be", self.log.output)
        self.assertIn(broken.message_id, self.log.output)

    def test_no_error_ends_the_tries_to_store_what_is_held(self):
        errors = [TypeError("a damaged page"), RuntimeError(), MemoryError()]
        prepare = self.outbox.prepare

        def prepare_at_last():
            if errors:
                raise errors.pop()
            prepare()

        self.outbox.prepare = prepare_at_last
        self.path.parent.write_text("a file in the way")
        self.take(*recordings.create_end())
        self.path.parent.unlink()
        self.until_stored()
        self.assertEqual([UUID], self.stored())

    def test_memory_is_bounded_and_the_oldest_loss_is_named(self):
        self.patch(buffered_writer, "HELD_AT_MOST", 2)
        self.path.parent.write_text("a file in the way")
        for number in range(3):
            self.take(*recordings.create_end(f"{number:032x}"))
        self.assertEqual(2, self.intake.held)
        self.assertIn(
            "CRITICAL register instance 00000000-0000-0000-0000-000000000000"
            ": lost",
            self.log.output,
        )
        self.path.parent.unlink()
        self.until_stored()


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
        driver = self.driver()
        self.assertEqual("", self.log.output)
        for _ in range(2):
            driver.notify({}, {"event_type": "service.update"}, "INFO", -1)
        self.assertEqual(
            "INFO Notification driver nova_dirsvc loaded for topic t,"
            f" outbox {self.path}\n",
            self.log.output,
        )

    def test_without_users_the_name_is_not_stored(self):
        driver = self.driver(record_users=False)
        driver.notify(*recordings.create_end(), "INFO", -1)
        self.assertIn(UUID, outboxes.dump(self.path))
        self.assertNotIn("alice", outboxes.dump(self.path))

    def driver(self, **values):
        self.path = self.folder / "nova.db"
        self.conf = cfg.ConfigOpts()
        self.conf.register_opts(options.SOURCE_OPTS, group=options.GROUP)
        self.conf([], default_config_files=[])
        for name, value in {"outbox": str(self.path), **values}.items():
            self.conf.set_override(name, value, group=options.GROUP)
        return notification_driver.OutboxDriver(self.conf, ["t"], None)

    def test_nothing_that_it_is_given_is_raised_or_forgotten(self):
        driver = self.driver()
        ctxt, boot = recordings.create_end()
        for number, thing in enumerate(hostile()):
            told = boot | {"message_id": f"{number}"}
            driver.notify(thing, told | {"message_id": f"c{number}"}, "I", 0)
            driver.notify(ctxt, thing, "INFO", -1)
            driver.notify(ctxt, told | {"payload": thing}, "INFO", -1)
            driver.notify(ctxt, told | {"timestamp": thing}, "INFO", -1)
            driver.notify(ctxt, boot | {"message_id": thing}, "INFO", -1)
            driver.notify(ctxt, boot | {"event_type": thing}, "INFO", -1)
            for key, value in boot["payload"].items():
                changed = boot["payload"] | {key: thing}
                if isinstance(value, dict):
                    changed = boot["payload"] | {
                        key: dict.fromkeys(value, thing)
                        | {"uuid": value["uuid"]}
                    }
                message = told | {"payload": changed}
                driver.notify(ctxt, message, "INFO", -1)
            driver.notify({thing_name(thing): thing}, told, thing, thing)
        self.assertNotIn("lost", self.log.output)
        driver.notify(ctxt, boot, "INFO", -1)
        box = outbox.Outbox(self.path)
        stored = {
            entry.event.message_id for entry in box.claim("d", 9999).entries
        }
        self.assertIn(boot["message_id"], stored)
        self.assertTrue(outboxes.parked(box))

    def test_it_raises_nothing_when_the_stack_is_nearly_full(self):
        driver = self.driver()
        told = recordings.create_end()
        driver.notify({}, {}, "INFO", -1)
        returned, depths = [], [0]

        def deeper(depth):
            depths.append(depth)
            with contextlib.suppress(RecursionError):
                deeper(depth + 1)
            if depth > max(depths) - 100:
                driver.notify(*told, "INFO", -1)
                returned.append(depth)

        # The very last frame cannot call anything.
        with contextlib.suppress(RecursionError):
            deeper(0)
        self.assertGreater(len(returned), 90)
        self.assertEqual(1, outbox.Outbox(self.path).pending("d"))

    def test_the_default_path_is_a_system_path(self):
        self.driver()
        self.conf.clear_override("outbox", group=options.GROUP)
        self.assertEqual(
            "/var/lib/nova-dirsvc/outbox.db", self.conf.nova_dirsvc.outbox
        )


def thing_name(thing):
    return type(thing).__name__


def hostile():
    """Give what no Nova sends, and Python can make."""
    loop = {}
    loop["nova_object.data"] = loop
    items = []
    items.append(items)
    deep = []
    for _ in range(100_000):
        deep = [deep]
    return [
        None,
        True,
        7,
        10**5000,
        math.nan,
        -math.inf,
        b"\xff",
        "\ud800",
        "\x00",
        "long" * 1_000_000,
        object(),
        Text("edab9a8e-0a9d-4ecb-8e9a-26009bd80962"),
        Refusing(),
        [Refusing()],
        {Refusing(): Refusing()},
        {7: {b"": None}},
        loop,
        items,
        deep,
        {"nova_object.data": deep},
        {"nova_object.data": {"uuid": UUID, "state": deep}},
    ]


class Text(str):
    """A text that is none where that can be told apart."""

    __slots__ = ()

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __format__ = __str__


class Refusing(collections.abc.Mapping):
    """A mapping that raises, whatever is asked."""

    def refuse(self, *_):
        raise RuntimeError("refused")

    __getitem__ = __iter__ = __len__ = __contains__ = refuse
    __str__ = __repr__ = __eq__ = __bool__ = refuse

    def __hash__(self):
        return 7
