# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a batch; the bus itself is in the functional tests."""

import dataclasses
import threading
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import errors, outbox
from nova_dirsvc_plugin.notifications import reader as reading
from nova_dirsvc_plugin.sources import batch_store, listener
from tests import outboxes, recordings, waiting
from tests.unit import base

UUID = "00000000-0000-4000-8000-000000000001"


@dataclasses.dataclass(frozen=True, eq=False)
class Incoming:
    """A message as oslo.messaging hands it over."""

    ctxt: Any
    message: Any


class BatchesTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.outbox = outbox.Outbox(self.folder / "outbox" / "outbox.db")
        self.stop = threading.Event()
        self.batches = self.with_reader(
            reading.NotificationReader(unversioned=True)
        )

    def with_reader(self, reader):
        self.store = batch_store.BatchStore(self.outbox, self.stop)
        return listener.Batches(self.store, reader)

    def rows(self):
        with self.outbox._session as database:
            return [
                tuple(row)
                for row in database.execute(
                    "SELECT message_id, instance_uuid FROM entry"
                    " ORDER BY number"
                )
            ]

    def test_what_a_batch_says_is_stored_and_said_and_none_given_back(self):
        boot = Incoming(*recordings.create_end(UUID))
        other = Incoming({}, {"event_type": "compute.exception"})
        self.assertTrue(self.batches.dispatch([boot, other]))
        self.assertEqual([(boot.message["message_id"], UUID)], self.rows())
        self.assertIn(
            f"INFO Outbox entry 1: register instance {UUID}: stored\n",
            self.log.output,
        )

    def test_unversioned_ones_are_stored_on_a_topic_of_our_own(self):
        ctxt, message = recordings.notification(
            recordings.UNVERSIONED, "compute.instance.create.end"
        )
        self.assertTrue(self.batches.dispatch([Incoming(ctxt, message)]))
        self.assertEqual(1, len(self.rows()))

    def test_a_batch_that_came_before_is_stored_and_said_once(self):
        boot = Incoming(*recordings.create_end(UUID))
        self.batches.dispatch([boot])
        self.assertTrue(self.batches.dispatch([boot, boot]))
        self.assertEqual(1, len(self.rows()))
        self.assertEqual(1, self.log.output.count("stored"))

    def test_users_are_left_out_where_they_are_not_to_be_recorded(self):
        quiet = self.with_reader(reading.NotificationReader(users=False))
        quiet.dispatch([Incoming(*recordings.create_end(UUID))])
        with self.outbox._session as database:
            ((record,),) = database.execute("SELECT record FROM entry")
        self.assertNotIn("alice", record)

    def test_anything_at_all_is_parked_or_ignored_and_never_given_back(self):
        ctxt, boot = recordings.create_end(UUID)
        strange = [
            Incoming(ctxt, boot | {"payload": payload})
            for payload in (None, [], "text", 7, {"nova_object.data": []})
        ]
        strange += [
            Incoming({}, {}),
            Incoming(None, None),
            Incoming([], []),
            Incoming(7, "text"),
            Incoming(None, boot),
            Incoming(ctxt, boot | {"event_type": {}}),
            Incoming(ctxt, boot | {"message_id": None}),
            Incoming(ctxt, boot | {"message_id": ["a", "list"]}),
            Incoming(ctxt, boot | {"message_id": "\ud800"}),
            Incoming(ctxt, boot | {"timestamp": {}}),
        ]
        good = Incoming(*recordings.create_end(UUID))
        self.assertTrue(self.batches.dispatch([*strange, good]))
        self.assertIn((good.message["message_id"], UUID), self.rows())
        self.assertTrue(outboxes.parked(self.outbox))
        self.assertNotIn("report this as a bug", self.log.output)

    def test_a_context_that_is_no_mapping_leaves_out_what_it_has(self):
        for ctxt in (None, [], 7, "text"):
            _, boot = recordings.create_end(UUID)
            self.assertTrue(self.batches.dispatch([Incoming(ctxt, boot)]))
            self.assertIn((boot["message_id"], UUID), self.rows())
        self.assertEqual(4, self.log.output.count("request context is not a"))
        self.assertEqual([], outboxes.parked(self.outbox))

    def test_what_breaks_the_outbox_is_parked_and_the_others_stored_once(self):
        ctxt, boot = recordings.create_end(UUID)
        breaks = Incoming(ctxt, boot | {"message_id": "\ud800"})
        nameless = Incoming(ctxt, boot | {"message_id": None})
        good = Incoming(*recordings.create_end(UUID))
        self.assertTrue(self.batches.dispatch([nameless, breaks, good]))
        self.assertEqual([(good.message["message_id"], UUID)], self.rows())
        self.assertEqual(2, len(outboxes.parked(self.outbox)))

    def test_an_id_that_is_no_text_makes_no_two_notifications_one(self):
        ctxt, boot = recordings.create_end(UUID)
        for message_id in (7, 1e400, {}, ["a", "list"]):
            malformed = Incoming(ctxt, boot | {"message_id": message_id})
            self.assertTrue(self.batches.dispatch([malformed, malformed]))
        self.assertEqual(8, len(outboxes.parked(self.outbox)))

    def test_a_reader_that_raises_is_a_reason_to_park(self):
        class Broken(reading.NotificationReader):
            def _read(self, ctxt, message):
                raise RuntimeError("a bug")

        batches = self.with_reader(Broken())
        self.assertTrue(
            batches.dispatch([Incoming(*recordings.create_end(UUID))])
        )
        ((_, _, reason),) = outboxes.parked(self.outbox)
        self.assertEqual("RuntimeError: a bug", reason)

    def test_a_batch_waits_until_it_can_be_stored(self):
        self.patch_interval()
        self.outbox.path.parent.mkdir()
        self.outbox.path.mkdir()
        boot = Incoming(*recordings.create_end(UUID))
        stored = []
        thread = threading.Thread(
            target=lambda: stored.append(self.batches.dispatch([boot]))
        )
        thread.start()
        waiting.until(lambda: "not acknowledged" in self.log.output, "it")
        self.outbox.path.rmdir()
        thread.join(waiting.LIMIT)
        self.assertEqual([True], stored)
        self.assertEqual(1, len(self.rows()))
        self.assertEqual(1, self.log.output.count("not acknowledged"))

    def test_who_cannot_store_for_long_receives_no_more_until_he_can(self):
        self.patch_interval()
        self.patch(batch_store, "PATIENCE", 0.05)
        store = batch_store.BatchStore(
            self.outbox, self.stop, batch_store.PATIENCE
        )
        batches = listener.Batches(store, reading.NotificationReader())
        self.outbox.path.parent.mkdir()
        self.outbox.path.mkdir()
        first, second = (
            Incoming(*recordings.create_end(f"{number:032x}"))
            for number in range(2)
        )
        self.assertFalse(batches.dispatch([first]))
        self.assertTrue(store.failing.is_set())
        # What was sent ahead comes now, and waits for nothing.
        self.patch(batch_store, "PATIENCE", waiting.LIMIT)
        self.assertFalse(batches.dispatch([second]))
        thread = threading.Thread(target=store.wait_until_writable)
        thread.start()
        thread.join(0.1)
        self.assertTrue(thread.is_alive())
        self.outbox.path.rmdir()
        thread.join(waiting.LIMIT)
        # The batch itself has shown that there is room for it.
        self.assertEqual([first.message["message_id"]], self.ids())
        self.assertFalse(store.failing.is_set())
        self.assertTrue(batches.dispatch([first, second]))
        self.assertEqual(2, len(self.ids()))
        self.assertEqual(1, self.log.output.count("ERROR"))

    def ids(self):
        return [message_id for message_id, _ in self.rows()]

    def test_nothing_is_received_before_there_is_room_for_a_batch(self):
        self.outbox.put(base.event())
        with self.outbox._session as database:
            (pages,) = database.execute("PRAGMA page_count").fetchone()
            database.execute(f"PRAGMA max_page_count = {pages + 4}")
        self.assertRaises(outbox.OutboxError, self.outbox.check_room)
        # One event has room.
        self.outbox.put(base.event())
        self.patch_interval()
        thread = threading.Thread(target=self.store.wait_until_writable)
        thread.start()
        waiting.until(lambda: "Not listening: " in self.log.output, "it")
        self.assertTrue(thread.is_alive())
        with self.outbox._session as database:
            database.execute("PRAGMA max_page_count = 1000000")
        thread.join(waiting.LIMIT)
        with self.outbox._session as database:
            (left,) = database.execute("SELECT count(*) FROM origin")
        self.assertEqual(0, left[0])

    def test_a_payload_of_any_depth_is_stored_or_parked_at_once(self):
        for depth in (10, 300, 900, 950, 970, 990, 1100, 100_000):
            ctxt, boot = recordings.create_end(UUID)
            boot["payload"]["nova_object.version"] = "9.0"
            data = boot["payload"]["nova_object.data"]
            data["display_name"] = deep = []
            for _ in range(depth):
                deep.append([])
                deep = deep[0]
            good = Incoming(*recordings.create_end(f"{depth:032x}"))
            before = len(self.rows())
            self.assertTrue(
                self.batches.dispatch([Incoming(ctxt, boot), good])
            )
            self.assertEqual(before + 1, len(self.rows()))
        self.assertEqual(8, len(outboxes.parked(self.outbox)))

    def test_a_batch_that_cannot_be_stored_is_given_back_at_the_end(self):
        self.outbox.path.parent.mkdir()
        self.outbox.path.mkdir()
        self.stop.set()
        boot = Incoming(*recordings.create_end(UUID))
        self.assertFalse(self.batches.dispatch([boot]))

    def patch_interval(self):
        self.patch(batch_store, "RETRY_INTERVAL", 0.01)


class BusTest(base.TestCase):
    def bus(self, text, **ours):
        path = self.folder / "conf"
        path.write_text(text)
        conf = cfg.ConfigOpts()
        conf.register_opts(options.SOURCE_OPTS, options.GROUP)
        conf.register_opts(options.LISTENER_OPTS, options.GROUP)
        conf(["--config-file", str(path)])
        for name, value in ours.items():
            conf.set_override(name, value, options.GROUP)
        return listener.Bus(conf), conf

    def test_it_is_named_without_its_credentials(self):
        bus, _ = self.bus(
            "[DEFAULT]\n"
            "transport_url = rabbit://u:sesame@one:1,u:sesame@two:2/\n",
            listener_topics=["a", "b"],
        )
        self.assertEqual("a, b of exchange nova on one:1, two:2", bus.where)
        self.assertTrue(bus.keeps)

    def test_the_url_of_notifications_goes_before_that_of_all(self):
        bus, _ = self.bus(
            "[DEFAULT]\ntransport_url = rabbit://rpc:1/\n"
            "[oslo_messaging_notifications]\n"
            "transport_url = rabbit://notifications:2/\n"
        )
        self.assertIn("notifications:2", bus.where)

    def test_what_the_broker_sends_ahead_is_bounded_unless_told(self):
        url = "[DEFAULT]\ntransport_url = rabbit://one:1/\n"
        group = "[oslo_messaging_rabbit]\nrabbit_qos_prefetch_count = 7\n"
        for text, ahead in ((url, 1000), (url + group, 7)):
            _, conf = self.bus(text)
            self.assertEqual(
                ahead, conf.oslo_messaging_rabbit.rabbit_qos_prefetch_count
            )

    def test_no_url_and_wrong_urls_are_said_without_a_password(self):
        for text in (
            "",
            "rabbit://nova:sesame@host:port/",
            "rabbit://nova:sesame@[host/",
            "nova:sesame@host",
            "carrier-pigeon://nova:sesame@host/",
        ):
            error = self.assertRaises(
                errors.WrongOption,
                self.bus,
                f"[DEFAULT]\ntransport_url = {text}\n" if text else "",
            )
            self.assertIn("transport_url", str(error))
            self.assertNotIn("sesame", str(error))
