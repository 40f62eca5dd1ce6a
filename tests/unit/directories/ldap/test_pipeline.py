# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.directories.ldap import pipeline
from tests.unit import base


class Server:
    """Answers requests in order and knows how many were in flight."""

    def __init__(self, dies_at=None):
        self.sent = []
        self.answered = 0
        self.most_in_flight = 0
        self.dies_at = dies_at

    def send(self, request):
        self.sent.append(request)
        flying = len(self.sent) - self.answered
        self.most_in_flight = max(self.most_in_flight, flying)
        return len(self.sent) - 1

    def receive(self, ticket):
        self.answered += 1
        if ticket == self.dies_at:
            raise pipeline.Broken("gone")
        if self.sent[ticket] == "bad":
            raise KeyError("bad")
        return self.sent[ticket] * 2


def once(request):
    return (yield request)


def twice(request):
    return (yield (yield request))


def forgiving(request):
    try:
        yield request
    except KeyError:
        return (yield "else")


class PipelineTest(base.TestCase):
    most = 1000

    def may_send(self):
        return len(self.server.sent) < self.most

    def run_all(self, conversations, server=None, window=3):
        self.server = server or Server()
        line = pipeline.Pipeline(
            self.server.send, self.server.receive, window, self.may_send
        )
        return [
            outcome.reason
            if isinstance(outcome, directories.Unavailable)
            else outcome
            for outcome in line.run(conversations)
        ]

    def test_outcomes_come_in_the_order_of_the_conversations(self):
        self.assertEqual(
            ["aa", "bbbb", "cc"],
            self.run_all([once("a"), twice("b"), once("c")]),
        )

    def test_as_many_requests_fly_as_the_window_allows_and_no_more(self):
        self.run_all([twice(str(number)) for number in range(50)])
        self.assertEqual(3, self.server.most_in_flight)

    def test_an_error_is_thrown_into_the_conversation_it_answers(self):
        self.assertEqual(
            ["aa", "elseelse"], self.run_all([once("a"), forgiving("bad")])
        )

    def test_a_broken_connection_ends_all_that_had_not_ended(self):
        outcomes = self.run_all(
            [once("a"), once("b"), once("c")], Server(dies_at=1)
        )
        self.assertEqual(["aa", "gone", "gone"], outcomes)

    def test_what_has_no_time_is_not_sent_and_what_was_sent_is_answered(self):
        self.most = 2
        outcomes = self.run_all([once("a"), twice("b"), once("c")])
        self.assertEqual(["a", "b"], self.server.sent)
        self.assertEqual(2, self.server.answered)
        self.assertEqual(
            ["aa", directories.NotSent().reason, directories.NotSent().reason],
            outcomes,
        )

    def test_a_conversation_of_no_request_is_an_outcome_too(self):
        def silent():
            return "nothing"
            yield

        self.assertEqual(["nothing"], self.run_all([silent()]))
