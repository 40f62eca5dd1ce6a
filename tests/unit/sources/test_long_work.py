# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What takes long in an outbox is done outside the calls of Nova's."""

import contextlib
import os
import signal
import threading
import time

from oslo_config import cfg

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import aside, rescue, schema
from nova_dirsvc_plugin.sources import buffered_writer
from tests import outboxes, processes, waiting
from tests.unit import base
from tests.unit.outbox import test_aside, test_replaced
from tests.unit.outbox.test_unstored import found


class LongWorkTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.begin("outbox")

    def begin(self, name):
        self.path = self.folder / name / "outbox.db"

    def writer(self):
        """Return one as Nova's processes have it."""
        conf = cfg.ConfigOpts()
        buffered_writer.BufferedWriter.from_conf(conf)
        conf.set_override("outbox", str(self.path), group="nova_dirsvc")
        writer = buffered_writer.BufferedWriter.from_conf(conf)
        self.addCleanup(writer._outbox.close)
        return writer

    def take(self, writer):
        event = base.event()
        writer.take(event)
        return event.instance_uuid

    def stored(self):
        rows = outboxes.run_sql(self.path, "SELECT instance_uuid FROM entry")
        return {instance for (instance,) in rows}

    def until_stored(self, writer):
        waiting.until(lambda: not writer.held, "what is held to be stored")


class BlockedTest(LongWorkTestCase):
    """The work does not go on before the calls have returned."""

    def setUp(self):
        super().setUp()
        self.threads, self.go_on = [], threading.Event()
        self.addCleanup(self.go_on.set)

    def block(self, module, name):
        original = getattr(module, name)

        def blocked(*arguments):
            self.threads.append(threading.current_thread().name)
            self.assertTrue(self.go_on.wait(waiting.LIMIT))
            return original(*arguments)

        self.patch(module, name, blocked)

    def assert_calls_return(self, writer, known):
        self.go_on.clear()
        self.threads.clear()
        known |= {self.take(writer) for _ in range(3)}
        waiting.until(lambda: self.threads, "the work to begin")
        known |= {self.take(writer) for _ in range(3)}
        self.assertGreaterEqual(writer.held, 5)
        self.go_on.set()
        self.until_stored(writer)
        self.assertEqual({"nova-dirsvc-writer"}, set(self.threads))
        self.assertEqual(known, self.stored())

    def test_no_call_takes_over_what_was_removed_or_replaced(self):
        self.block(rescue, "take_over")
        for name, (change, _) in test_replaced.READABLE.items():
            self.begin(name.replace(" ", "-"))
            writer = self.writer()
            known = {self.take(writer) for _ in range(3)}
            self.assertEqual(known, self.stored())
            change(self.path.parent)
            self.assert_calls_return(writer, known)

    def test_no_first_call_takes_over_what_others_have_left(self):
        known = {self.take(self.writer())}
        self.block(rescue, "take_over")

        def killed():
            box = outbox.Outbox(self.path)
            box.pending("d")
            (self.path.parent / test_replaced.LOG).unlink()
            with contextlib.suppress(outbox.OutboxError):
                box.pending("d")
            aside.put_aside(self.path, box._session._files)
            os.kill(os.getpid(), signal.SIGKILL)

        processes.forked(killed)
        self.assertTrue(aside.not_taken(self.path))
        self.assert_calls_return(self.writer(), known)
        self.assertEqual([], aside.not_taken(self.path))

    def test_no_call_brings_an_outbox_of_an_older_release_up_to_date(self):
        self.path.parent.mkdir()
        outboxes.make_older(self.path, len(schema.MIGRATIONS) - 1)
        self.block(schema, "_migrate")
        self.assert_calls_return(self.writer(), set())

    def test_what_is_held_meanwhile_is_seen_from_outside(self):
        self.block(rescue, "take_over")
        writer = self.writer()
        self.take(writer)
        test_replaced.remove(test_replaced.LOG)(self.path.parent)
        self.go_on.clear()
        before = int(time.time())
        for _ in range(3):
            self.take(writer)

        process, events, since, running = waiting.until(
            lambda: [one for one in found(self.path) if one[1] == 3],
            "the report",
        )[0]
        self.assertEqual((os.getpid(), 3, True), (process, events, running))
        self.assertIn(since, range(before, int(time.time()) + 1))
        self.go_on.set()
        waiting.until(
            lambda: "All events that were kept" in self.log.output, "its end"
        )
        self.assertEqual([], list(self.path.parent.glob("*.unstored-*")))

    def test_what_a_call_is_about_to_store_is_not_reported(self):
        writer = self.writer()
        self.take(writer)
        self.block(writer._outbox, "put_all")
        call = threading.Thread(target=self.take, args=[writer])
        call.start()
        waiting.until(lambda: self.threads, "it to be stored")
        writer._update_report()
        self.assertEqual([], list(self.path.parent.glob("*.unstored-*")))
        self.go_on.set()
        call.join(waiting.LIMIT)


class TurnsTest(LongWorkTestCase):
    def test_others_store_while_entries_are_taken_over(self):
        box = outbox.Outbox(self.path)
        self.addCleanup(box.close)
        box.put_all(base.event() for _ in range(450))
        (self.path.parent / test_replaced.MAIN).unlink()
        self.assertRaises(outbox.OutboxError, box.changes)
        other, waits = outbox.Outbox(self.path, busy_timeout=0.0), []
        self.addCleanup(other.close)

        def others_turn(signals, seconds):
            waits.append(seconds)
            other.put(base.event())

        self.patch(rescue.signal, "sigtimedwait", others_turn)
        box.changes()
        self.assertEqual(5, len(waits))
        self.assertEqual(455, len(self.stored()))


class KilledTest(LongWorkTestCase):
    def test_what_was_acknowledged_is_there_whenever_it_is_killed(self):
        number, ended = 0, None
        while ended != 0:
            number += 1
            self.begin(str(number))
            stored = processes.FORK.SimpleQueue()

            def nova(number=number, stored=stored):
                writer = self.writer()
                for _ in range(3):
                    stored.put(self.take(writer))
                (self.path.parent / test_replaced.INDEX).unlink()
                test_aside.kill_at(number)
                self.take(writer)
                self.until_stored(writer)
                os._exit(0)

            ended = processes.forked(nova)
            self.assertIn(ended, (0, -signal.SIGKILL))
            known = {stored.get() for _ in range(3)}
            outbox.Outbox(self.path).pending("d")
            self.assertLessEqual(known, self.stored(), number)
            self.assertEqual([], aside.not_taken(self.path))
        self.assertGreater(number, 6)
