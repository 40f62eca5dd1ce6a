# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The status page and its text, whatever is in the outbox."""

import html.parser
import importlib.resources
import itertools
import re

from nova_dirsvc_plugin import monitoring, readable
from nova_dirsvc_plugin.monitoring import (
    activity,
    attention,
    facts,
    histogram,
    page,
    plots,
    text,
)
from tests import status_example
from tests.unit import base

VOID = {"br", "link", "meta"}


class Parsed(html.parser.HTMLParser):
    """What a browser would make of a page.

    :ivar tags: the names of its elements
    :ivar text: what is read in it
    :ivar wrong: ends that do not match
    """

    def __init__(self, page_):
        super().__init__()
        self.tags, self.attributes, self.wrong = [], [], []
        self.text = ""
        self._open = []
        self.feed(page_)
        self.close()
        self.wrong += self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text += data


class CloudTestCase(base.TestCase):
    minutes = 20

    def setUp(self):
        super().setUp()
        self.cloud = status_example.Cloud(self.folder, self.minutes)
        self.addCleanup(self.cloud.close)
        self.found = self.cloud.facts()


class PageTest(CloudTestCase):
    def setUp(self):
        super().setUp()
        self.html = page.html(self.found)
        self.page = Parsed(self.html)

    def test_it_is_well_formed_and_loads_nothing(self):
        self.assertEqual([], self.page.wrong)
        self.assertEqual(
            set(),
            {"script", "img", "link", "iframe", "form", "object"}
            & set(self.page.tags),
        )
        names = {name for name, _ in self.page.attributes}
        self.assertEqual(set(), {"src", "srcset", "action"} & names)
        self.assertEqual([], [name for name in names if name[:2] == "on"])
        self.assertNotIn("url(", self.html)
        self.assertEqual(
            {"/metrics", "/readyz", "/healthz"},
            {value for name, value in self.page.attributes if name == "href"},
        )

    def test_what_a_tenant_writes_is_text(self):
        self.assertIn(status_example.HOSTILE, self.page.text)
        self.assertNotIn(status_example.HOSTILE, self.html)

    def test_hostile_names_and_reasons_are_text_everywhere(self):
        nasty = "\"'><svg onload=x>\x1b[2J\u202e&amp;"
        for meter in self.cloud.meters.values():
            meter._reason = nasty
            meter._available = False
        known = facts.collect(
            self.cloud.path,
            lambda known: [*known, nasty],
            self.cloud.facts().daemon,
        )
        parsed = Parsed(page.html(known))
        self.assertEqual([], parsed.wrong)
        self.assertNotIn("onload", dict(parsed.attributes))
        self.assertIn("\"'><svg onload=x>\\x1b[2J\\u202e&amp;", parsed.text)
        said = "\n".join(text.lines(known))
        self.assertIn("\\x1b[2J\\u202e", said)
        self.assertNotIn("\x1b", said)

    def test_a_bad_day_is_seen_at_the_top(self):
        said = " ".join(self.page.text.split())
        self.assertIn("things need an operator", said)
        for words in (
            "rest: it takes nothing since 17:48:39Z (https://cmdb.example.org"
            "/hosts: connection refused)",
            "See nova-dirsvc-manage reconcile --dry-run",
            "nova-dirsvc-manage outbox retry",
            "entries that need its administrator: 1",
        ):
            self.assertIn(words, said)

    def test_a_plot_says_in_words_what_it_shows(self):
        said = [
            value
            for name, value in self.page.attributes
            if name == "aria-label"
        ]
        self.assertEqual(4, len(said))
        total = self.found.directories[0].activity.from_outbox.total
        self.assertIn(f"each minute: {total} in all", said[0])

    def test_a_daemon_that_is_young_says_since_when_it_counts(self):
        self.assertIn("when the daemon started", self.page.text)
        self.assertIn('class="unknown"', self.html)

    def test_without_anything_all_is_well(self):
        quiet = facts.Facts(1000.0, "1", "/x", "", None, (), (), None)
        parsed = Parsed(page.html(quiet))
        self.assertEqual([], parsed.wrong)
        self.assertIn("All well", parsed.text)

    def test_an_outbox_that_cannot_be_read_is_said(self):
        broken = facts.Facts(
            1000.0, "1", "/x", "<b>no disk", None, (), (), None
        )
        self.assertIn("<b>no disk", Parsed(page.html(broken)).text)


class TextTest(CloudTestCase):
    def test_it_has_each_directory_and_source_on_a_screen(self):
        lines = list(text.lines(self.found))
        self.assertLess(len(lines), 24)
        said = "\n".join(lines)
        for words in (
            "nova-dirsvc-sync 1.0.0, process 4711, runs for 20 min",
            "down: for 11 min 40 s, since 17:48:39Z",
            "up: last written",
            "consume the bus: 2 of 2",
            "! rest: the guard has stopped its reconcile",
            "  buried ",
        ):
            self.assertIn(words, said)

    def test_without_a_daemon_the_outbox_is_shown(self):
        found = facts.collect(self.cloud.path, lambda known: known)
        said = "\n".join(text.lines(found))
        self.assertIn("no daemon answers here", said)
        self.assertRegex(said, r"rest +not known: the daemon does not say +\d")


class PlotTest(base.TestCase):
    def minutes(self, *durations):
        found = []
        for place, seconds in enumerate(durations):
            counter = histogram.Counter()
            for one in seconds:
                counter.add(one)
            found.append(activity.Minute(60 * place, counter.read()))
        return found

    def marks(self, plot):
        return [
            {name: float(value) for name, value in found}
            for found in (
                re.findall(r' (x|y|width|height)="([\d.]+)"', rect)
                for rect in re.findall(r"<rect(?! class=.unknown)[^>]*>", plot)
            )
        ]

    def test_a_bar_is_as_high_as_its_minute_was_busy(self):
        plot = plots.throughput(self.minutes([1] * 5, [], [1] * 10))
        low, high = self.marks(plot)
        self.assertEqual(plots.HEIGHT, high["height"])
        self.assertEqual(plots.HEIGHT / 2, low["height"])
        self.assertEqual(20, high["x"] - low["x"])
        self.assertEqual(10 * (activity.MINUTES - 1) + 1, high["x"])

    def test_the_scale_holds_the_largest(self):
        for count, top in ((0, 1), (1, 1), (3, 4), (52, 60), (801, 1000)):
            plot = plots.throughput(self.minutes([1] * count))
            self.assertIn(f">{top}</span>", plot, count)

    def test_a_latency_beyond_the_last_bound_is_at_the_top(self):
        plot = plots.latency(self.minutes([0.05], [1e6]))
        low, high = self.marks(plot)
        self.assertLess(high["y"], low["y"])
        self.assertEqual(0, high["y"])
        self.assertIn("at most &gt; 1 d", plot)

    def test_minutes_add_up_to_their_hour(self):
        found = plots.hour(self.minutes([0.05] * 19, [3.0]))
        self.assertEqual(20, found.total)
        self.assertEqual(0.05, found.within(0.95))


class ColourTest(base.TestCase):
    """Contrast by WCAG 2.2: 4.5 for text, 3 for marks."""

    def test_all_can_be_read_in_both_modes(self):
        style = (
            importlib.resources.files(monitoring)
            .joinpath("page.css")
            .read_text()
        )
        light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
        for mode in (light, dark):
            colours = dict(re.findall(r"--([\w-]+): (#\w{6})", mode))
            self.assertEqual(12, len(colours))
            pairs = [
                *itertools.product(("text", "dim"), ("back",)),
                *itertools.product(
                    ("text",), ("bad-back", "good-back", "still-back")
                ),
                *((name, f"{name}-back") for name in ("good", "bad", "still")),
                ("bad", "back"),
            ]
            for one, other in pairs:
                found = contrast(colours[one], colours[other])
                self.assertGreaterEqual(found, 4.5, (one, other, mode))
            self.assertGreaterEqual(
                contrast(colours["mark"], colours["back"]), 3
            )


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class WordsTest(base.TestCase):
    def test_a_moment_of_today_has_no_date(self):
        now = status_example.NOW
        self.assertEqual("18:00:20Z", readable.moment(now, now))
        self.assertEqual(
            "2026-11-25T18:00:20Z", readable.moment(now - 86400, now)
        )

    def test_the_most_urgent_comes_first(self):
        cloud = status_example.Cloud(self.folder, 15)
        cloud.close()
        found = attention.problems(cloud.facts())
        self.assertEqual(
            ["nobody delivers to it"] * 2, [one.finding for one in found[:2]]
        )
