# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon that listens, a real RabbitMQ, and Nova's own way to publish."""

import atexit
import functools
import os
import pathlib
import re
import shlex
import signal
import urllib.request
import uuid

import oslo_messaging
from testtools import content

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import outbox
from tests import disks, outboxes, ports, processes, recordings, waiting
from tests.functional import rabbitmq, test_sync

GUIDE = pathlib.Path(__file__).parents[2] / "doc/source/install/hosts.rst"


@functools.cache
def broker():
    """Return this process's broker; a test has its own topics there."""
    server = rabbitmq.RabbitMq()
    atexit.register(server.remove)
    server.start()
    return server


def fresh(count):
    """Return boots of that many instances, in order."""
    return [
        recordings.create_end(f"00000000-0000-4000-8000-{number:012}")
        for number in range(count)
    ]


class ListenerTestCase(test_sync.SyncTestCase):
    quorum = True
    exchange = "nova"

    def setUp(self):
        super().setUp()
        self.broker = broker()
        self.addOnException(
            lambda _: self.addDetail(
                "rabbitmq", content.text_content(self.broker.said()[-9999:])
            )
        )
        self.topic = f"nova_dirsvc_{uuid.uuid4().hex[:8]}"
        self.options |= {
            "directories": "memory",
            "listen": "true",
            "listener_topics": self.topic,
            "listener_exchange": self.exchange,
        }
        self.publisher = self.publisher_to(self.topic)

    def publisher_to(self, *topics):
        context = rabbitmq.publisher(
            self.broker.url,
            *topics,
            quorum=self.quorum,
            exchange=self.exchange,
        )
        publisher = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return publisher

    def write_options(self, **groups):
        return super().write_options(
            **{
                "DEFAULT": {"transport_url": self.broker.url},
                "oslo_messaging_rabbit": {
                    "rabbit_quorum_queue": self.quorum,
                    "rabbit_interval_max": 1,
                },
            }
            | groups
        )

    def listen(self):
        """Start the daemon and wait until all of its workers listen."""
        daemon = self.start()
        workers = int(self.options.get("listener_workers", 1))
        waiting.until(
            lambda: len(self.listeners()) >= workers, "all to listen"
        )
        return daemon

    def listeners(self):
        """Return the pids of the last daemon that have logged Listening."""
        said = self.said(self.earlier)
        found = re.findall(r" (\d+) INFO .* Listening to ", said)
        return [int(pid) for pid in found]

    def publish(self, notifications):
        for ctxt, message in notifications:
            self.publisher.publish(ctxt, message)

    def stored(self):
        """Return the instances of the outbox's entries, in order."""
        if not self.outbox.path.exists():
            return []
        rows = outboxes.run_sql(
            self.outbox.path, "SELECT instance_uuid FROM entry ORDER BY number"
        )
        return [instance for (instance,) in rows]

    def wait_for(self, count):
        waiting.until(
            lambda: len(set(self.stored())) >= count,
            f"{count} instances to be in the outbox",
        )

    def messages_in(self, *topics):
        """Count what the broker has for a topic, handed out or not."""
        return sum(self.of_queues("messages", *topics))

    def of_queues(self, column, *topics):
        """Return a number that the broker tells of each queue of topics."""
        lines = self.broker.control(
            "list_queues", "--no-table-headers", "name", column
        ).splitlines()
        return [
            int(number)
            for name, _, number in (line.partition("\t") for line in lines)
            if name.rpartition(".")[0] in topics
        ]


class ListenerTest(ListenerTestCase):
    def test_what_nova_publishes_is_stored_in_the_order_of_its_coming(self):
        self.publish(fresh(250))
        self.listen()
        self.wait_for(250)
        self.assertEqual(
            [instance_uuid(message) for _, message in fresh(250)],
            self.stored(),
        )

    def test_every_priority_is_listened_to(self):
        priorities = "INFO", "ERROR", "WARN", "DEBUG", "CRITICAL", "AUDIT"
        for (ctxt, message), priority in zip(
            fresh(len(priorities)), priorities, strict=True
        ):
            self.publisher.publish(ctxt, message | {"priority": priority})
        self.listen()
        self.wait_for(len(priorities))

    def notifier(self, path):
        """Return one as Nova has it, with the hook of an outbox as well."""
        conf = rabbitmq.configuration(
            self.broker.url, driver=["messagingv2", "nova_dirsvc"]
        )
        # The driver registers its options when it is loaded.
        conf.register_opts(options.SOURCE_OPTS, "nova_dirsvc")
        conf.set_override("outbox", str(path), "nova_dirsvc")
        transport = oslo_messaging.get_notification_transport(conf)
        self.addCleanup(transport.cleanup)
        return oslo_messaging.Notifier(
            transport, "nova-compute:pocket", topics=[self.topic]
        )

    def test_a_recorded_boot_and_delete_is_stored_as_by_the_hook(self):
        hook = outbox.Outbox(self.folder / "hook.db")
        notifier = self.notifier(hook.path)
        for ctxt, message in recordings.scenario("boot_delete"):
            getattr(notifier, message["priority"].lower())(
                rabbitmq.Context(ctxt),
                message["event_type"],
                message["payload"],
            )
        self.listen()
        expected = self.rows(hook)
        self.assertTrue(expected)
        waiting.until(
            lambda: len(self.rows(self.outbox)) >= len(expected), "all of it"
        )
        self.assertEqual(expected, self.rows(self.outbox))

    def rows(self, entries):
        return outboxes.run_sql(
            entries.path,
            "SELECT message_id, event_type, verb, instance_uuid,"
            " occurred_at, request_id, record FROM entry ORDER BY number",
        )

    def test_hook_and_listener_at_once_store_an_event_once(self):
        notifier = self.notifier(self.outbox.path)
        self.listen()
        for ctxt, message in fresh(20):
            notifier.info(
                rabbitmq.Context(ctxt),
                message["event_type"],
                message["payload"],
            )
        # This one has only one way.
        self.publish([recordings.create_end(str(uuid.UUID(int=4 << 76)))])
        self.wait_for(21)
        self.assertEqual(21, len(self.stored()))

    def test_the_log_says_where_it_listens_and_no_password(self):
        self.listen()
        self.assertIn(
            f"Listening to {self.topic} of exchange nova on"
            f" {self.broker.host}\n",
            self.said(),
        )
        self.assertNotIn(f":{rabbitmq.PASSWORD}@", self.said())

    def test_another_consumer_of_versioned_notifications_gets_all_too(self):
        others = f"versioned_notifications_{uuid.uuid4().hex[:8]}"
        self.publisher = self.publisher_to(others, self.topic)
        received = self.consume(others)
        self.listen()
        self.publish(fresh(30))
        self.wait_for(30)
        waiting.until(lambda: len(received) == 30, "the other one to get all")

    def consume(self, topic):
        """Have another service listen; give what it receives."""
        received = []

        class Endpoint:
            def info(self, ctxt, publisher_id, event_type, payload, metadata):
                received.append(event_type)

        other = oslo_messaging.get_notification_listener(
            oslo_messaging.get_notification_transport(
                rabbitmq.configuration(self.broker.url)
            ),
            [oslo_messaging.Target(exchange="nova", topic=topic)],
            [Endpoint()],
            executor="threading",
        )
        other.start()
        self.addCleanup(other.wait)
        self.addCleanup(other.stop)
        return received

    def test_two_listeners_share_the_load_and_store_each_event_once(self):
        self.options |= {"listener_workers": 2, "listener_batch_size": 5}
        self.listen()
        # Each says that it listens a moment before it takes anything.
        waiting.until(
            lambda: set(self.of_queues("consumers", self.topic)) == {2},
            "both to be consumers",
        )
        self.publish(fresh(400))
        self.wait_for(400)
        self.assertEqual(400, len(self.stored()))
        writers = re.findall(r" (\d+) INFO .*: stored", self.said())
        self.assertEqual(set(self.listeners()), set(map(int, writers)))

    def test_a_message_that_is_no_notification_stands_in_nobodys_way(self):
        (ctxt, good), (_, bad), (_, worse) = fresh(3)
        self.listen()
        self.publisher.publish({}, {})
        self.publisher.publish({}, {"event_type": "instance.create.end"})
        self.publisher.publish(ctxt, bad | {"payload": [1, 2, 3]})
        self.publisher.publish(ctxt, worse | {"message_id": "\ud800"})
        self.publisher.publish(ctxt, good)
        self.wait_for(1)
        self.assertEqual([instance_uuid(good)], self.stored())
        # None of them comes again.
        self.publish([recordings.create_end(str(uuid.UUID(int=4 << 76)))])
        self.wait_for(2)
        reasons = [reason for _, _, reason in outboxes.parked(self.outbox)]
        self.assertEqual(3, len(reasons), reasons)

    def test_sigterm_ends_all_of_its_processes_with_nothing_left_undone(self):
        self.options["listener_workers"] = 2
        daemon = self.listen()
        self.publish(fresh(300))
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(0, daemon.wait(waiting.LIMIT))
        self.start()
        self.wait_for(300)
        self.assertEqual(300, len(self.stored()))

    def test_how_many_listen_is_a_metric(self):
        port = ports.free_port()
        self.options |= {"listener_workers": 2, "monitoring_port": port}
        self.listen()

        def metrics():
            url = f"http://127.0.0.1:{port}/metrics"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode().splitlines()

        waiting.until(
            lambda: "nova_dirsvc_listener_active 2.0" in metrics(), "both"
        )
        self.assertIn("nova_dirsvc_listener_processes 2.0", metrics())

    def test_sighup_leaves_it_listening(self):
        daemon = self.listen()
        daemon.send_signal(signal.SIGHUP)
        waiting.until(lambda: len(self.listeners()) == 2, "it to listen again")
        self.publish(fresh(3))
        self.wait_for(3)
        self.assertIsNone(daemon.poll())


class BadTimesTest(ListenerTestCase):
    def test_a_killed_listener_comes_back_and_nothing_is_lost(self):
        self.options["listener_batch_size"] = 20
        daemon = self.listen()
        self.publish(fresh(300))
        for number in range(3):
            waiting.until(
                lambda enough=number * 50: len(self.stored()) > enough,
                "some to be stored",
            )
            before = self.listeners()
            processes.kill_child(daemon.pid, before[-1])
            waiting.until(
                lambda before=before: len(self.listeners()) > len(before),
                "another one to listen",
            )
        self.wait_for(300)
        self.assertEqual(300, len(self.stored()))

    def test_a_killed_daemon_that_starts_again_loses_nothing(self):
        self.options["listener_batch_size"] = 20
        daemon = self.listen()
        self.publish(fresh(300))
        waiting.until(self.stored, "some to be stored")
        processes.kill_group(daemon)
        self.listen()
        self.wait_for(300)
        self.assertEqual(300, len(self.stored()))

    def test_a_broker_that_is_killed_and_started_again_loses_nothing(self):
        self.listen()
        self.publish(fresh(100))
        self.wait_for(100)
        self.broker.kill()
        self.broker.start()
        self.publish(fresh(300)[100:])
        self.wait_for(300)

    def test_what_waits_in_a_broker_that_is_killed_is_still_there(self):
        self.publish(fresh(100))
        self.broker.kill()
        self.broker.start()
        self.listen()
        self.wait_for(100)

    def test_it_starts_while_the_broker_is_down_and_ends_when_told(self):
        self.broker.kill()
        try:
            daemon = self.start()
            waiting.until(
                lambda: "Connecting, to listen" in self.said(), "a try"
            )
            daemon.send_signal(signal.SIGTERM)
            self.assertEqual(0, daemon.wait(waiting.LIMIT))
            self.start()
        finally:
            self.broker.start()
        self.publish(fresh(3))
        self.wait_for(3)

    def test_it_ends_when_told_though_the_broker_has_gone(self):
        daemon = self.listen()
        self.broker.kill()
        try:
            waiting.until(
                lambda: re.search("ERROR oslo.messaging", self.said()),
                "it to notice",
            )
            daemon.send_signal(signal.SIGTERM)
            self.assertEqual(0, daemon.wait(waiting.LIMIT))
        finally:
            self.broker.start()

    def test_connections_that_the_broker_closes_are_made_again(self):
        self.listen()
        self.publish(fresh(100))
        self.broker.control("close_all_connections", "a test")
        self.publish(fresh(300)[100:])
        self.wait_for(300)

    def test_queues_of_another_kind_are_said_and_tried_again(self):
        self.publisher = self.publisher_to(self.topic)
        self.publish(fresh(1))
        self.quorum = False
        self.start()
        waiting.until(
            lambda: "Not listening to" in self.said(), "the complaint"
        )
        self.assertIn("PRECONDITION_FAILED", self.said())

    def test_told_to_end_while_the_disk_is_full_it_gives_all_back(self):
        daemon = self.listen_on_a_full_disk()
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(0, daemon.wait(waiting.LIMIT))
        self.until_kept()

    def test_restarts_on_a_full_disk_use_up_no_delivery_limit(self):
        self.broker.control(
            "set_policy", self.topic, f"^{self.topic}\\.",
            '{"delivery-limit": 2}', "--apply-to", "queues",
        )  # fmt: skip
        self.addCleanup(self.broker.control, "clear_policy", self.topic)
        daemon = self.listen_on_a_full_disk()
        for _ in range(4):
            processes.kill_group(daemon)
            daemon = self.start()
            waiting.until(
                lambda: "Not listening: " in self.said(self.earlier),
                "it to see that the disk is full",
            )
        self.until_kept()
        self.disk.free()
        self.wait_for(30)
        self.assertEqual(30, len(self.stored()))

    def test_on_a_full_disk_it_acknowledges_nothing_and_lets_go_once(self):
        self.listen_on_a_full_disk()
        waiting.until(
            lambda: not any(self.of_queues("consumers", self.topic)),
            "it to let go",
        )
        self.until_kept()
        self.disk.free()
        self.wait_for(30)
        waiting.until(
            lambda: not self.messages_in(self.topic), "all to be acknowledged"
        )
        self.assertEqual(30, len(self.stored()))
        self.assertEqual(1, self.said().count("are not stored"))

    def until_kept(self):
        waiting.until(
            lambda: self.messages_in(self.topic) == 30, "all to be kept"
        )

    def listen_on_a_full_disk(self):
        """Publish 30 boots to a daemon that cannot store them."""
        self.on_a_small_disk()
        daemon = self.listen()
        self.disk.fill()
        self.publish(fresh(30))
        waiting.until(lambda: "are not stored" in self.said(), "a complaint")
        return daemon

    def on_a_small_disk(self):
        """Put the outbox onto a file system of its own, which can be full."""
        if os.geteuid():
            self.skipTest("only root may mount")
        self.disk = self.useFixture(disks.SmallDisk(self.folder / "d", "1m"))
        self.outbox = outbox.Outbox(self.folder / "d" / "outbox.db")
        self.options["outbox"] = str(self.outbox.path)


class ClassicQueuesTest(ListenerTestCase):
    quorum = False
    # An exchange is durable or not, as its queues are.
    exchange = "nova_classic"

    def test_classic_queues_do_as_well(self):
        self.listen()
        self.publish(fresh(100))
        self.wait_for(100)


class BusOfItsOwnTest(ListenerTestCase):
    """The page for many hosts: its virtual host and its account."""

    def setUp(self):
        super().setUp()
        self.broker.control("add_user", "nova", rabbitmq.PASSWORD)
        *self.make, self.look = re.findall(
            r"^   # rabbitmqctl (.*)$", GUIDE.read_text(), re.M
        )
        for command in self.make:
            self.control(command)
        self.addCleanup(self.broker.control, "delete_user", "nova")
        self.addCleanup(self.broker.control, "delete_user", "nova-dirsvc")
        self.addCleanup(self.broker.control, "delete_vhost", "notifications")
        del self.options["listener_topics"], self.options["listener_exchange"]

    def control(self, command):
        words = shlex.split(command.replace("PASSWORD", rabbitmq.PASSWORD))
        return self.broker.control(*words)

    def write_options(self, **groups):
        [url] = re.findall(
            r"^   transport_url = (rabbit://nova-dirsvc:.*)$",
            GUIDE.read_text(),
            re.M,
        )
        url = url.replace("PASSWORD", rabbitmq.PASSWORD)
        return test_sync.SyncTestCase.write_options(
            self,
            oslo_messaging_notifications={
                "transport_url": url.replace("bus:5672", self.broker.host)
            },
            **groups,
        )

    def test_the_daemon_takes_what_nova_publishes_there(self):
        self.listen()
        url = f"rabbit://nova:{rabbitmq.PASSWORD}@{self.broker.host}"
        with rabbitmq.publisher(
            f"{url}/notifications", "nova_dirsvc"
        ) as publisher:
            for ctxt, message in fresh(3):
                publisher.publish(ctxt, message)
            self.wait_for(3)
        # RabbitMQ counts every few seconds.
        waiting.until(
            lambda: "nova_dirsvc.info\t1\t0" in self.control(self.look),
            "a consumer, and nothing that waits for it",
        )


class WrongOptionsTest(test_sync.SyncTestCase):
    def setUp(self):
        super().setUp()
        self.options["listen"] = "true"

    def test_no_transport_url_is_said_in_a_line(self):
        self.assert_refused(2, "there is no transport_url")

    def test_each_wrong_option_is_named(self):
        url = "rabbit://127.0.0.1:1/"
        for name, value in (
            ("listen", "perhaps"),
            ("listener_topics", ""),
            ("listener_exchange", " "),
            ("listener_workers", "0"),
            ("listener_batch_size", "0"),
            ("listener_batch_timeout", "0"),
        ):
            options, self.options = self.options, self.options | {name: value}
            self.assert_refused(2, name, DEFAULT={"transport_url": url})
            self.options = options
        self.assert_refused(
            2,
            "rabbit_quorum_queue",
            DEFAULT={"transport_url": url},
            oslo_messaging_rabbit={"rabbit_quorum_queue": "perhaps"},
        )


def instance_uuid(message):
    return message["payload"]["nova_object.data"]["uuid"]
