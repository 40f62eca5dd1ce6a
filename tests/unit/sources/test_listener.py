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
from nova_dirsvc_plugin.sources import listener
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
        return listener.Batches(self.outbox, reader, self.stop)

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
        self.assertFalse(self.batches.dispatch([boot, other]))
        self.assertEqual([(boot.message["message_id"], UUID)], self.rows())
        self.assertIn(
            f"INFO Outbox entry 1: register instance {UUID}: stored\n",
            self.log.output,
        )

    def test_unversioned_ones_are_stored_on_a_topic_of_our_own(self):
        ctxt, message = recordings.notification(
            recordings.UNVERSIONED, "compute.instance.create.end"
        )
        self.assertFalse(self.batches.dispatch([Incoming(ctxt, message)]))
        self.assertEqual(1, len(self.rows()))

    def test_a_batch_that_came_before_is_stored_and_said_once(self):
        boot = Incoming(*recordings.create_end(UUID))
        self.batches.dispatch([boot])
        self.assertFalse(self.batches.dispatch([boot, boot]))
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
        self.assertFalse(self.batches.dispatch([*strange, good]))
        self.assertIn((good.message["message_id"], UUID), self.rows())
        self.assertTrue(outboxes.parked(self.outbox))

    def test_what_breaks_the_outbox_is_parked_and_the_others_stored_once(self):
        ctxt, boot = recordings.create_end(UUID)
        breaks = Incoming(ctxt, boot | {"message_id": "\ud800"})
        nameless = Incoming(ctxt, boot | {"message_id": None})
        good = Incoming(*recordings.create_end(UUID))
        self.assertFalse(self.batches.dispatch([nameless, breaks, good]))
        self.assertEqual([(good.message["message_id"], UUID)], self.rows())
        self.assertEqual(2, len(outboxes.parked(self.outbox)))

    def test_a_reader_that_raises_is_a_reason_to_park(self):
        class Broken(reading.NotificationReader):
            def read(self, ctxt, message):
                raise RuntimeError("a bug")

        batches = self.with_reader(Broken())
        self.assertFalse(
            batches.dispatch([Incoming(*recordings.create_end(UUID))])
        )
        ((_, _, reason),) = outboxes.parked(self.outbox)
        self.assertEqual("RuntimeError: a bug", reason)

    def test_a_batch_waits_until_it_can_be_stored(self):
        self.patch_interval()
        self.outbox.path.parent.mkdir()
        self.outbox.path.mkdir()
        boot = Incoming(*recordings.create_end(UUID))
        given_back = []
        thread = threading.Thread(
            target=lambda: given_back.append(self.batches.dispatch([boot]))
        )
        thread.start()
        waiting.until(lambda: "not acknowledged" in self.log.output, "it")
        self.outbox.path.rmdir()
        thread.join(waiting.LIMIT)
        self.assertEqual([()], given_back)
        self.assertEqual(1, len(self.rows()))
        self.assertEqual(1, self.log.output.count("not acknowledged"))

    def test_a_batch_that_cannot_be_stored_is_given_back_at_the_end(self):
        self.outbox.path.parent.mkdir()
        self.outbox.path.mkdir()
        self.stop.set()
        boot = Incoming(*recordings.create_end(UUID))
        self.assertEqual({boot}, self.batches.dispatch([boot]))

    def patch_interval(self):
        self.patch(listener, "RETRY_INTERVAL", 0.01)


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
            "nova:sesame@host",
        ):
            error = self.assertRaises(
                errors.WrongOption,
                self.bus,
                f"[DEFAULT]\ntransport_url = {text}\n" if text else "",
            )
            self.assertIn("transport_url", str(error))
            self.assertNotIn("sesame", str(error))
