# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The daemon and an HTTP service that misbehaves."""

import json
import random
import threading

from nova_dirsvc_plugin import events
from tests import outboxes, waiting
from tests.functional import hostile_service
from tests.functional.test_sync import SyncTestCase
from tests.unit import base

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER


class Moody:
    """Holds instances, and misbehaves at every second request or so.

    :ivar held: uuids of the instances that it holds
    :ivar bad: how often it misbehaved
    """

    def __init__(self, service, seed):
        self._service = service
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.held = set()
        self.bad = 0
        self._moods = (
            hostile_service.sends_and_closes(b""),
            hostile_service.sends_and_closes(b"HTTP/1.1 20"),
            hostile_service.answers(500),
            hostile_service.answers(429),
            hostile_service.answers(503, Retry_After="1"),
            hostile_service.answers(401),
            hostile_service.answers(302, Location="http://192.0.2.1/"),
            hostile_service.answers(
                200, b"<html>Log in", Content_Type="text/html"
            ),
            hostile_service.floods(1_000_000),
            self._hang,
        )

    def _hang(self, line, request):
        self._service.over.wait(0.6)
        return False

    def __call__(self, line, request):
        with self._lock:
            mood = self._random.choice(self._moods)
            good = self._random.random() < 0.5
            self.bad += not good
            keeps = good or self._random.random() < 0.3
            # A flood is a success all the same.
            if keeps or mood is self._moods[-2]:
                self._do(request)
        if good:
            mood = hostile_service.answers(204)
        return mood(line, request)

    def _do(self, request):
        if request.method == "POST":
            self.held.add(json.loads(request.body)["instance_uuid"])
        else:
            self.held.discard(request.target.rpartition("/")[2])


class SyncRestTest(SyncTestCase):
    def setUp(self):
        super().setUp()
        self.service = self.useFixture(hostile_service.HostileService())
        self.options["directories"] = "rest,log"
        self.rest = {
            "url": self.service.url,
            "connection_timeout": 0.5,
            "operation_timeout": 0.5,
        }

    def start_it(self):
        return self.start(self.write_options(rest=self.rest))

    def wait_for_the_rest(self):
        waiting.until(
            lambda: not self.outbox.pending("rest"),
            "the service to have been told of all",
        )

    def test_nothing_is_lost_on_a_service_that_misbehaves(self):
        moody = Moody(self.service, 2026)
        self.service.behaviour = moody
        self.start_it()
        stay = [base.event() for _ in range(40)]
        go = [base.event() for _ in range(40)]
        for event in [*stay, *go]:
            self.outbox.put(event)
        for event in go:
            self.outbox.put(base.event(UNREGISTER, event.instance_uuid))
        self.wait_for_the_rest()
        self.assertGreater(moody.bad, 20)
        self.assertEqual({event.instance_uuid for event in stay}, moody.held)
        self.assertEqual([], outboxes.buried(self.outbox, "rest"))
        self.assertNotIn("Traceback", self.said())

    def test_one_that_hangs_delays_no_other_directory(self):
        self.service.behaviour = hostile_service.never_answers(self.service)
        self.start_it()
        for _ in range(3):
            one = base.event()
            self.outbox.put(one)
            self.wait_for_line(one.instance_uuid)
        self.assertEqual(3, self.outbox.pending("rest"))
        self.service.behaviour = hostile_service.answers(204)
        self.wait_for_the_rest()

    def test_what_it_refuses_is_buried_with_its_words_and_delays_nothing(self):
        bad = base.event(display_name="no such name")

        def behave(line, request):
            refused = bad.instance_uuid.encode() in request.body
            answer = hostile_service.answers(
                422 if refused else 204, b'{"detail": "that name"}'
            )
            return answer(line, request)

        self.service.behaviour = behave
        self.options["max_attempts"] = "1"
        self.start_it()
        good = [base.event() for _ in range(20)]
        for event in [bad, *good]:
            self.outbox.put(event)
        waiting.until(
            lambda: outboxes.buried(self.outbox, "rest"), "the burial"
        )
        self.wait_for_the_rest()
        (buried,) = outboxes.buried(self.outbox, "rest")
        self.assertIn("422", str(buried))
        self.assertIn("that name", str(buried))

    def test_told_to_end_it_does_so_though_the_service_hangs(self):
        self.service.behaviour = hostile_service.never_answers(self.service)
        daemon = self.start_it()
        self.outbox.put(base.event())
        waiting.until(lambda: self.service.requests, "a request")
        daemon.terminate()
        self.assertEqual(0, daemon.wait(waiting.LIMIT))
