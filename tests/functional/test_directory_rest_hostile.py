# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A service that misbehaves: nothing is lost, nothing waits for ever."""

import email.utils
import gc
import pathlib
import ssl
import threading
import time
import tracemalloc

import fixtures
import testtools

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base
from tests import drivers, waiting
from tests.functional import certificates, directory_contract, hostile_service

REGISTER, UNREGISTER = events.Verb.REGISTER, events.Verb.UNREGISTER

#: Seconds; more than the driver's own limits in these tests together, but
#: less than a batch takes whose requests wait one after the other.
LIMIT = 60.0

#: The driver's, where the service never answers. Elsewhere they are as they
#: are by default: a busy machine must not look like such a service.
SHORT = {"connection_timeout": 0.5, "operation_timeout": 1.0}


class HostileTestCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.service = self.useFixture(hostile_service.HostileService())

    def driver(self, **options):
        return drivers.load(
            self, "rest", **{"url": self.service.url} | options
        )

    def ask(self, made, *records, verb=REGISTER):
        """Apply changes. :returns: their outcomes, which came in time"""
        began = time.monotonic()
        outcomes = made.apply(
            [events.HostState(verb, item) for item in records]
        )
        self.assertLess(time.monotonic() - began, LIMIT)
        self.assertEqual(len(records), len(outcomes))
        return list(outcomes)

    def until_done(self, made, *records):
        """Ask until it is done: in so short a time it may not be at once."""
        waiting.until(
            lambda: self.ask(made, *records) == [base.Done()] * len(records),
            "the driver to register",
        )

    def one(self, made=None, verb=REGISTER, **options):
        (outcome,) = self.ask(
            made or self.driver(**options),
            directory_contract.record(),
            verb=verb,
        )
        return outcome

    def assert_waits(self, outcome, *words):
        self.assertIsInstance(outcome, base.Unavailable)
        for word in words:
            self.assertIn(word, outcome.reason)
        self.assertNotIn("\n", outcome.reason)

    def assert_refused(self, outcome, *words):
        self.assertIsInstance(outcome, base.Rejected)
        for word in words:
            self.assertIn(word, outcome.reason)
        self.assertNotIn("\n", outcome.reason)


class SlowTest(HostileTestCase):
    def driver(self, **options):
        return super().driver(**SHORT | options)

    def test_one_that_never_answers_is_unavailable_in_time(self):
        self.service.behaviour = hostile_service.never_answers(self.service)
        self.assert_waits(self.one(), "no whole answer in time")

    def test_a_batch_to_it_ends_in_time_too_and_is_all_unavailable(self):
        self.service.behaviour = hostile_service.never_answers(self.service)
        records = [directory_contract.record() for _ in range(100)]
        for outcome in self.ask(self.driver(), *records):
            self.assert_waits(outcome, "no whole answer in time")

    def test_a_byte_now_and_then_of_the_head_is_no_answer(self):
        self.service.behaviour = hostile_service.trickles(
            self.service, b"HTTP/1.1 200 OK\r\nX-Never: " + b"x" * 999
        )
        self.assert_waits(self.one(), "no whole answer in time")

    def test_a_byte_now_and_then_of_the_body_is_no_answer(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"

        def behave(line, request):
            line.sendall(head)
            return hostile_service.trickles(self.service, b"x")(line, request)

        self.service.behaviour = behave
        self.assert_waits(self.one(), "no whole answer in time")

    def test_nor_is_it_where_the_connection_is_to_be_closed(self):
        for head in (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n99\r\n",
        ):

            def behave(line, request, head=head):
                line.sendall(head)
                return hostile_service.trickles(self.service, b"x")(
                    line, request
                )

            self.service.behaviour = behave
            self.assert_waits(self.one(), "no whole answer in time")

    def test_after_that_the_same_driver_works(self):
        made = self.driver()
        self.service.behaviour = hostile_service.trickles(self.service, b"x")
        self.assert_waits(self.one(made))
        self.service.behaviour = hostile_service.answers(201)
        self.until_done(made, directory_contract.record())

    def test_what_made_it_hang_does_not_hang_what_comes_after(self):
        bad = directory_contract.record()
        hang = hostile_service.never_answers(self.service)
        well = hostile_service.answers(201)

        def behave(line, request):
            hangs = bad.instance_uuid.encode() in request.body
            return (hang if hangs else well)(line, request)

        self.service.behaviour = behave
        made = self.driver(connections=2)
        good = [directory_contract.record() for _ in range(20)]
        outcomes = self.ask(made, bad, *good)
        self.assert_waits(outcomes[0])
        self.until_done(made, *good)


class BrokenTest(HostileTestCase):
    def test_closed_before_an_answer_is_unavailable(self):
        self.service.behaviour = hostile_service.sends_and_closes(b"")
        self.assert_waits(self.one())

    def test_closed_in_the_middle_of_an_answer_is_unavailable(self):
        for part in (
            b"HTTP/1.1 20",
            b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{",
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n",
        ):
            self.service.behaviour = hostile_service.sends_and_closes(part)
            self.assert_waits(self.one())

    def test_what_is_no_http_is_unavailable(self):
        self.service.behaviour = hostile_service.sends_and_closes(
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
        )
        self.assert_waits(self.one())

    def test_a_kept_connection_that_was_closed_is_made_again_unnoticed(self):
        ok = b"HTTP/1.1 204 No Content\r\n\r\n"
        made = self.driver(connections=1)
        self.service.behaviour = hostile_service.sends_and_closes(ok)
        for _ in range(3):
            self.assertEqual(base.Done(), self.one(made))

    def test_a_kept_connection_that_is_closed_on_use_is_tried_once_more(self):
        made = self.driver(connections=1)
        self.service.behaviour = hostile_service.in_turn(
            hostile_service.answers(204),
            hostile_service.sends_and_closes(b""),
            hostile_service.answers(204),
        )
        self.assertEqual(base.Done(), self.one(made))
        self.assertEqual(base.Done(), self.one(made))
        first, second, third = self.service.requests
        self.assertNotEqual(
            first.headers["idempotency-key"], second.headers["idempotency-key"]
        )
        self.assertEqual(
            second.headers["idempotency-key"], third.headers["idempotency-key"]
        )

    def test_nobody_there_is_unavailable_and_says_where(self):
        port = self.service.port
        self.service.close()
        self.assert_waits(
            self.one(), f"127.0.0.1:{port}", "Connection refused"
        )


class WrongAnswersTest(HostileTestCase):
    def test_a_web_page_that_says_200_is_not_the_service(self):
        self.service.behaviour = hostile_service.answers(
            200, b"\n<!DOCTYPE html><p>Log in", Content_Type="text/html"
        )
        self.assert_waits(self.one(), "web page")

    def test_a_plain_word_that_is_called_html_is_the_service(self):
        self.service.behaviour = hostile_service.answers(
            200, b"ok", Content_Type="text/html; charset=utf-8"
        )
        self.assertEqual(base.Done(), self.one())

    def test_ten_megabytes_of_answer_are_not_read(self):
        self.service.behaviour = hostile_service.floods(10_000_000)
        made = self.driver()
        records = [directory_contract.record() for _ in range(32)]
        gc.collect()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        outcomes = self.ask(made, *records)
        _, peak = tracemalloc.get_traced_memory()
        self.assertEqual([base.Done()] * 32, outcomes)
        self.assertLess(peak, 4_000_000)

    def test_a_redirect_to_another_host_is_not_followed(self):
        other = self.useFixture(hostile_service.HostileService())
        for status in (301, 302, 303, 307, 308):
            self.service.behaviour = hostile_service.answers(
                status, Location=other.url
            )
            self.assert_waits(self.one(), str(status), other.url, "[rest] url")
        self.assertEqual([], other.requests)

    def test_a_redirect_within_the_service_waits_for_the_new_address(self):
        for status in (301, 302, 303, 307, 308):
            self.service.requests.clear()
            self.service.behaviour = hostile_service.answers(
                status, Location="/v2/instances"
            )
            self.assert_waits(
                self.one(), str(status), "/v2/instances", "[rest] url"
            )
            self.assertEqual(1, len(self.service.requests))

    def test_a_redirect_that_can_be_read_in_two_ways_is_not_followed(self):
        other = self.useFixture(hostile_service.HostileService())
        here = f"127.0.0.1:{self.service.port}"
        for there in (
            f"http://127.0.0.1:{other.port}\\@{here}/steal",
            f"http://127.0.0.1:{other.port}@{here}/steal",
            f"http://{here}@127.0.0.1:{other.port}/steal",
            f"//127.0.0.1:{other.port}/steal",
            f"/\\127.0.0.1:{other.port}/steal",
        ):
            self.service.behaviour = hostile_service.answers(
                307, Location=there
            )
            self.assert_waits(self.one(), "not followed")
        self.assertEqual([], other.requests)

    def test_a_redirect_to_no_address_waits(self):
        for there in (
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:x/",
            "http://[::1/",
            "http://",
        ):
            self.service.behaviour = hostile_service.answers(
                308, Location=there
            )
            self.assert_waits(self.one())

    def test_an_answer_before_the_answer_is_none_of_the_next_ones(self):
        def behave(line, request):
            line.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
            self.service.over.wait(0.1)
            line.sendall(b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n")
            return True

        self.service.behaviour = behave
        made = self.driver(connections=1)
        self.assert_waits(self.one(made), "103")
        self.service.behaviour = hostile_service.answers(204)
        self.assertEqual(base.Done(), self.one(made))

    def test_a_flood_in_a_redirect_or_a_broken_chunk_is_not_read(self):
        made = self.driver()
        for head in (
            b"HTTP/1.1 302 Found\r\nLocation: /x\r\n"
            b"Content-Length: 99999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        ):

            def behave(line, request, head=head):
                line.sendall(head)
                for _ in range(500):
                    line.sendall(b"x" * 65536)
                return False

            self.service.behaviour = behave
            tracemalloc.start()
            outcome = self.one(made)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.assertIsInstance(outcome, base.Unavailable)
            self.assertLess(peak, 2_000_000)

    def test_cookies_are_not_kept(self):
        self.service.behaviour = hostile_service.answers(204, Set_Cookie="a=b")
        made = self.driver(connections=1)
        for _ in range(2):
            self.assertEqual(base.Done(), self.one(made))
        self.assertNotIn("cookie", self.service.requests[-1].headers)

    def test_what_it_says_against_a_change_is_told_on_one_line(self):
        self.service.behaviour = hostile_service.answers(
            422, b"no\nsuch\x1b[31m  image" + b"x" * 10_000
        )
        outcome = self.one()
        self.assert_refused(outcome, "422", "POST", "no such [31m image")
        self.assertLess(len(outcome.reason), 400)


class RetryAfterTest(HostileTestCase):
    def answered(self, status=503, **headers):
        self.service.behaviour = hostile_service.answers(status, **headers)
        return self.one(retry_after_max=100.0)

    def test_the_seconds_that_it_asks_for_are_granted(self):
        for status in (429, 503):
            outcome = self.answered(status, Retry_After="7")
            self.assert_waits(outcome)
            self.assertEqual(7.0, outcome.retry_after)

    def test_but_not_more_than_the_option_says(self):
        self.assertEqual(
            100.0, self.answered(Retry_After="999999999").retry_after
        )

    def test_a_moment_is_taken_by_the_clock_of_the_service(self):
        for theirs in (0.0, 4_000_000_000.0):
            outcome = self.answered(
                Date=email.utils.formatdate(theirs, usegmt=True),
                Retry_After=email.utils.formatdate(theirs + 9, usegmt=True),
            )
            self.assertEqual(9.0, outcome.retry_after)

    def test_a_moment_long_ago_or_far_ahead_is_bounded(self):
        for moment, wait in ((0.0, 0.0), (4_000_000_000.0, 100.0)):
            outcome = self.answered(
                Retry_After=email.utils.formatdate(moment, usegmt=True)
            )
            self.assertEqual(wait, outcome.retry_after)

    def test_what_makes_no_sense_is_no_time(self):
        for text in (
            "",
            "-1",
            "soon",
            "1e9",
            "Thu, 99 Foo 2026 99:00:00 GMT",
            f"Thu, 01 Jan {'9' * 20} 00:00:00 GMT",
            f"Thu, 01 Jan 2026 00:00:00 +{'9' * 20}",
        ):
            outcome = self.answered(Retry_After=text)
            self.assert_waits(outcome)
            self.assertEqual(0.0, outcome.retry_after)

    def test_it_is_left_alone_when_it_says_so_twice(self):
        self.service.behaviour = hostile_service.answers(
            429, Retry_After="300"
        )
        made = self.driver(connections=1)
        records = [directory_contract.record() for _ in range(50)]
        self.ask(made, *records)
        for outcome in self.ask(made, *records):
            self.assertGreater(outcome.retry_after, 100)
        self.assertEqual(2, len(self.service.requests))

    def test_one_change_that_it_says_so_of_holds_up_no_other(self):
        bad = directory_contract.record()
        later = hostile_service.answers(503, Retry_After="60")
        well = hostile_service.answers(201)
        self.service.behaviour = lambda line, request: (
            later if bad.instance_uuid.encode() in request.body else well
        )(line, request)
        made = self.driver()
        good = [directory_contract.record() for _ in range(20)]
        for _ in range(2):
            first, *others = self.ask(made, bad, *good)
            self.assertEqual(60.0, first.retry_after)
            self.assertEqual([base.Done()] * 20, others)

    def test_of_a_change_that_it_cannot_bear_only_that_one_waits(self):
        bad = directory_contract.record()
        fails = hostile_service.answers(500)
        well = hostile_service.answers(201)
        self.service.behaviour = lambda line, request: (
            fails if bad.instance_uuid.encode() in request.body else well
        )(line, request)
        good = [directory_contract.record() for _ in range(20)]
        first, *others = self.ask(self.driver(), bad, *good)
        self.assert_waits(first, "500")
        self.assertEqual([base.Done()] * 20, others)


class StatusTest(HostileTestCase):
    def outcome(self, status, verb):
        self.service.behaviour = hostile_service.answers(status, b"because")
        return self.one(verb=verb)

    def test_each_status_means_what_the_contract_says(self):
        for status in (200, 201, 202, 204, 299):
            for verb in (REGISTER, UNREGISTER):
                self.assertEqual(base.Done(), self.outcome(status, verb))
        for status in (404, 410):
            self.assertEqual(base.Done(), self.outcome(status, UNREGISTER))
            self.assert_refused(self.outcome(status, REGISTER), str(status))
        for status in (408, 425, 429, 500, 502, 503, 504, 599, 401, 407):
            for verb in (REGISTER, UNREGISTER):
                self.assert_waits(self.outcome(status, verb), str(status))
        for status in (400, 402, 403, 405, 409, 413, 415, 422, 451, 499):
            for verb in (REGISTER, UNREGISTER):
                self.assert_refused(
                    self.outcome(status, verb), str(status), "because"
                )


class RefusedCredentialTest(HostileTestCase):
    """A service that locks an account after a few wrong passwords."""

    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir())
        self.file = pathlib.Path(folder.join("secret"))
        self.file.write_text("stale-secret\n")
        self.basic = {
            "auth": "basic",
            "user": "nova",
            "password_file": str(self.file),
        }

    def check(self, status, body, **options):
        """Check that it is sent once, until it is new."""
        self.service.behaviour = hostile_service.answers(status, body)
        driver = self.driver(**options)
        records = [directory_contract.record() for _ in range(30)]
        for _ in range(3):
            for outcome in self.ask(driver, *records):
                self.assert_waits(outcome, "account is disabled")
        self.assert_waits(outcome, "not sent again for 15 minutes")
        self.assertEqual(1, len(self.service.requests))
        self.file.write_text("a-new-secret\n")
        self.ask(driver, *records)
        self.assertEqual(2, len(self.service.requests))

    def test_a_password_is_sent_once(self):
        self.check(401, b"account is disabled", **self.basic)

    def test_a_token_is_sent_once(self):
        self.check(
            401,
            b"account is disabled",
            auth="bearer",
            token_file=str(self.file),
        )

    def test_the_secret_of_a_client_is_sent_once(self):
        for status in (400, 401):
            self.service.requests.clear()
            self.file.write_text("stale-secret\n")
            self.check(
                status,
                b'{"error": "invalid_client",'
                b' "error_description": "account is disabled"}',
                auth="oauth2",
                oauth2_token_url=f"{self.service.url}/token",
                oauth2_client_id="nova",
                oauth2_client_secret_file=str(self.file),
            )

    def test_a_list_is_read_with_it_once(self):
        self.service.behaviour = hostile_service.answers(401)
        driver = self.driver(**self.basic)
        for _ in range(3):
            self.assertRaises(
                base.DirectoryUnavailable, list, driver.entries()
            )
        self.assertEqual(1, len(self.service.requests))

    def test_many_are_written_at_once_when_it_was_taken(self):
        driver = self.driver(**self.basic)
        self.service.behaviour = hostile_service.answers(204)
        records = [directory_contract.record() for _ in range(30)]
        self.assertEqual([base.Done()] * 30, self.ask(driver, *records))
        self.assertEqual(30, len(self.service.requests))


class TlsTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        self.made = self.useFixture(certificates.Certificates())

    def service(self, name, clients=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.made.of(name))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.made.ca)
        return self.useFixture(hostile_service.HostileService(context))

    def outcome(self, service, **options):
        made = drivers.load(self, "rest", url=service.url, **options)
        (outcome,) = made.apply(
            [events.HostState(REGISTER, directory_contract.record())]
        )
        return outcome

    def test_the_certificate_of_our_ca_for_its_name_is_taken(self):
        service = self.service("127.0.0.1")
        self.assertEqual(
            base.Done(), self.outcome(service, cafile=self.made.ca)
        )

    def test_the_certificate_of_another_host_is_not(self):
        service = self.service("other.example")
        outcome = self.outcome(service, cafile=self.made.ca)
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertIn("[rest] cafile", outcome.reason)
        self.assertEqual([], service.requests)

    def test_nor_is_one_of_a_ca_that_nobody_knows(self):
        service = self.service("127.0.0.1")
        outcome = self.outcome(service)
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual([], service.requests)

    def test_unless_an_operator_says_so(self):
        service = self.service("other.example")
        self.assertEqual(base.Done(), self.outcome(service, insecure=True))

    def test_a_client_certificate_lets_us_in(self):
        service = self.service("127.0.0.1", clients=True)
        certificate, key = self.made.of("nova-dirsvc")
        without = self.outcome(service, cafile=self.made.ca)
        self.assertIsInstance(without, base.Unavailable)
        with_it = self.outcome(
            service, cafile=self.made.ca, certfile=certificate, keyfile=key
        )
        self.assertEqual(base.Done(), with_it)

    def test_a_missing_file_is_named(self):
        service = self.service("127.0.0.1")
        for options in (
            {"cafile": "/nowhere/ca.pem"},
            {"cafile": self.made.ca, "certfile": "/nowhere/me.pem"},
        ):
            outcome = self.outcome(service, **options)
            self.assertIsInstance(outcome, base.Unavailable)
            self.assertIn("/nowhere", outcome.reason)

    def test_a_handshake_that_never_ends_is_unavailable_in_time(self):
        plain = self.useFixture(hostile_service.HostileService())
        plain.url = plain.url.replace("http", "https")
        began = time.monotonic()
        outcome = self.outcome(plain, **SHORT)
        self.assertIsInstance(outcome, base.Unavailable)
        self.assertLess(time.monotonic() - began, LIMIT)


class ThreadsTest(HostileTestCase):
    def test_a_closed_driver_leaves_no_thread_and_opens_again(self):
        # Of tests before this one some may be at their end still.
        others = set(threading.enumerate())
        made = self.driver()
        records = [directory_contract.record() for _ in range(20)]
        self.ask(made, *records)
        self.assertTrue(self.workers() - others)
        made.close()
        self.assertEqual(set(), self.workers() - others)
        self.ask(made, *records)

    def workers(self):
        """Return the threads of drivers that live."""
        return {
            thread
            for thread in threading.enumerate()
            if thread.name.startswith("nova-dirsvc-rest")
        }

    def test_connections_are_kept_and_no_more_than_the_option_says(self):
        made = self.driver(connections=4)
        for _ in range(5):
            self.ask(made, *(directory_contract.record() for _ in range(40)))
        self.assertLessEqual(self.service.connections, 4)
