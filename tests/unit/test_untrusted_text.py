# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import json
import logging
import time
import urllib.parse

import hypothesis
from hypothesis import strategies
from oslo_config import cfg
from oslo_log import formatters, log

from nova_dirsvc_plugin import events, outbox, untrusted_text
from nova_dirsvc_plugin.cmd import log_format
from nova_dirsvc_plugin.directories import base as directories
from tests.unit import base

SECRET = 'p4ss "w/ö\\rd&'
FORGED = (
    "no\r\nFORGED\x85FORGED\u2028FORGED\u2029FORGED\x0bFORGED\x0cFORGED"
    "\x1b[31m\x9b31m\x7f\x00\u202e\u2066\u200f\u061c\ud800 end"
)


def hostile():
    """Return what a server may say: our secret, other lines, megabytes."""
    spellings = (
        SECRET,
        json.dumps({"password": SECRET}),
        repr(SECRET),
        urllib.parse.quote(SECRET),
        urllib.parse.quote_plus(SECRET).lower(),
        f"http://user:{urllib.parse.quote(SECRET, safe='')}@proxy.example",
    )
    return FORGED.join(spellings) + "x" * 100_000


class UntrustedTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        untrusted_text.keep_secret("test", [SECRET])

    def check(self, text, longest=untrusted_text.LONGEST):
        """See that a text can do no harm."""
        self.assertLessEqual(len(text), longest)
        self.assertEqual(1, len(text.splitlines()))
        self.assertTrue(text.isprintable(), text)
        for part in ("p4ss", "%5cr", "rd&", "rd%26"):
            self.assertNotIn(part, text.lower())


class OnOneLineTest(UntrustedTestCase):
    def test_what_a_server_says_is_one_masked_line_of_print(self):
        text = untrusted_text.on_one_line(hostile())
        self.check(text)
        self.assertTrue(text.startswith("***no FORGED"), text)
        self.assertIn('{"password": "***"}', text)
        self.assertIn("http://***@proxy.example", text)

    def test_it_is_so_on_each_way_that_a_reason_takes(self):
        said = hostile()
        for reason in (
            directories.Rejected(said).reason,
            directories.Unavailable(said).reason,
            directories.NotSent(said).reason,
            str(directories.DirectoryUnavailable(said)),
            str(directories.EntriesNotKept(said)),
            str(events.StateUnknown(said)),
            events.Parked({}, "", said).reason,
            outbox.Settlement(None, outbox.State.BURIED, said).reason,
        ):
            self.check(reason)

    def test_other_scripts_stay_as_they_are(self):
        text = "Größe — 名前 مرحبا 🙂"
        self.assertEqual(text, untrusted_text.on_one_line(text))

    def test_a_secret_is_not_halved_where_a_text_is_cut(self):
        text = untrusted_text.on_one_line("x" * 96 + SECRET, 100)
        self.assertEqual("x" * 96 + "***", text)

    def test_a_word_is_masked_behind_an_escape_that_ends_like_one(self):
        untrusted_text.keep_secret("word", ["hunter"])
        self.addCleanup(untrusted_text.keep_secret, "word", [])
        for text in (
            "password%3Dhunter%26x",
            "%22hunter%22",
            r"one\nhunter",
            r"\u003ahunter",
            repr(b"\x80\x06hunter"),
        ):
            self.assertNotIn("hunter", untrusted_text.masked(text))
        self.assertEqual("a hunters", untrusted_text.masked("a hunters"))

    def test_a_word_is_masked_where_it_stands_alone(self):
        untrusted_text.keep_secret("word", ["secret"])
        self.assertEqual(
            "client_secret_file has ***, (***)",
            untrusted_text.on_one_line(
                "client_secret_file has secret, (secret)"
            ),
        )

    def test_a_secret_that_every_log_has_is_masked_behind_its_name(self):
        untrusted_text.keep_secret("common", ["nova", "1389"])
        self.addCleanup(untrusted_text.keep_secret, "common", [])
        self.assertIn("The secret of common is a word", self.log.output)
        for text in (
            "ldap://127.0.0.1:1389: cn=nova,ou=people: instance of nova",
            "owner mark 'nova', [nova] url, 1389 entries",
        ):
            self.assertEqual(text, untrusted_text.masked(text))
        for secret in ("nova", "1389"):
            for text in (
                f'{{"password": "{secret}"}}',
                f"{{'token': '{secret}'}}",
                f"bind with password {secret}",
                f"user=nova&password={secret}&x=1",
                f"password%3D{secret}%26x",
                f"the password is {secret}.",
                f"http://user:{secret}@proxy.example",
            ):
                clean = untrusted_text.masked(text)
                self.assertEqual(
                    text.count(secret) - 1, clean.count(secret), clean
                )

    def test_what_is_too_short_to_be_a_secret_masks_nothing(self):
        untrusted_text.keep_secret("short", ["", None, "a", "in"])
        self.assertEqual("a line", untrusted_text.on_one_line("a line"))

    def test_a_long_text_takes_no_time(self):
        started = time.process_time()
        untrusted_text.on_one_line("//" * 2_000_000 + "\n\u202e" * 1_000_000)
        # Where each word might be the name of a secret that follows.
        untrusted_text.on_one_line("pass" * 25_000)
        self.assertLess(time.process_time() - started, 2)

    @hypothesis.settings(deadline=None)
    @hypothesis.given(
        strategies.text(strategies.characters(exclude_categories=()))
    )
    def test_whatever_it_says(self, said):
        text = untrusted_text.on_one_line(said, 20)
        self.assertTrue(text.isprintable())
        self.assertLessEqual(len(text), 20)
        self.assertEqual(text, untrusted_text.on_one_line(text, 20))


class LogTest(UntrustedTestCase):
    """Each library writes to the same log, with tracebacks."""

    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        log.register_options(self.conf)
        self.conf([], default_config_files=[])

    def written(self, inner, say):
        """Return the lines that a logger writes in a program of ours."""
        lines = []

        class Handler(logging.Handler):
            def emit(self, record):
                lines.extend(self.format(record).split("\n"))

        logger = logging.Logger("some.library")
        handler = Handler()
        handler.setFormatter(log_format.LineFormatter(inner))
        logger.addHandler(handler)
        say(logger)
        return lines

    def test_a_message_of_any_library_is_one_line(self):
        for inner in (
            None,
            formatters.ContextFormatter(config=self.conf),
            formatters.JSONFormatter(),
        ):
            (line,) = self.written(
                inner, lambda logger: logger.warning("RESP: %s", hostile())
            )
            self.check(line, log_format.LONGEST_LINE)

    def test_no_line_of_a_traceback_looks_like_a_record(self):
        def say(logger):
            try:
                raise ValueError(hostile())
            except ValueError:
                logger.exception("Failed")

        first, *lines = self.written(None, say)
        self.assertEqual("Failed", first)
        for line in lines:
            self.check(line, log_format.LONGEST_LINE)
            self.assertTrue(line.startswith("  "), line)
        self.conf.set_override(
            "logging_exception_prefix", "%(levelname)s %(name)s "
        )
        inner = formatters.ContextFormatter(config=self.conf)
        for line in self.written(inner, say)[1:]:
            self.check(line, log_format.LONGEST_LINE)
            self.assertTrue(line.startswith("ERROR some.library "), line)
