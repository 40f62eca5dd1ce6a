# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A plan comes back from its file as it was written, or not at all."""

import dataclasses
import hashlib
import json
import random

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.reconcile import item, plan_file
from tests.unit import base
from tests.unit.reconcile import clouds, test_plan, test_reading

Kind = clouds.Kind

RELEASE = "1.2.3"

HERE = {
    "release": RELEASE,
    "cloud": clouds.URL,
    "owner": clouds.OWNER,
    "directories": ["memory"],
}


def written(plan):
    """Return the lines of a plan's file."""
    text = "".join(plan_file.to_lines(plan, RELEASE))
    return text.encode("ascii").splitlines(keepends=True)


def read(lines, **where):
    return plan_file.from_lines(lines, **(HERE | where))


def signed(lines):
    """Give lines the digest that belongs to them, as an attacker would."""
    body = b"".join(lines[:-1])
    digest = hashlib.sha256(body).hexdigest()
    return [*lines[:-1], f'], "digest": "{digest}"}}\n'.encode()]


class PlanFileTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.plan = clouds.made_of(*test_plan.ONE_OF_EACH)
        self.lines = written(self.plan)

    def wrong(self, lines, **where):
        """Return why lines are no plan for here."""
        wrong = self.assertRaises(plan_file.WrongPlan, read, lines, **where)
        return str(wrong)

    # -- as it was written -------------------------------------------------

    def test_a_plan_comes_back(self):
        back = read(self.lines)
        self.assertEqual([*self.plan.items], [*back.items])
        for name in ("directory", "owner", "policy", "made_at", "entries"):
            self.assertEqual(
                getattr(self.plan, name), getattr(back, name), name
            )
        self.assertEqual(self.plan.reading, back.reading)
        self.assertEqual(self.plan.plan_id, back.plan_id)

    def test_an_empty_plan_comes_back(self):
        back = read(written(clouds.made_of()))
        self.assertEqual([], [*back.items])

    def test_a_reading_that_is_not_whole_comes_back_so(self):
        reading = dataclasses.replace(
            self.plan.reading, why_not_whole=("page 3 failed",)
        )
        back = read(written(dataclasses.replace(self.plan, reading=reading)))
        self.assertEqual(reading, back.reading)

    def test_the_file_is_one_object_of_json(self):
        data = json.loads(b"".join(self.lines))
        self.assertEqual("nova-dirsvc-plan", data["format"])
        self.assertEqual(self.plan.plan_id, data["plan_id"])
        self.assertEqual(
            [str(kind) for kind in Kind],
            [one["kind"] for one in data["items"]],
        )
        self.assertEqual(
            "new", data["items"][0]["state"]["record"]["display_name"]
        )

    def test_hostile_texts_come_back(self):
        """Also where a tenant, a directory or a proxy chose them."""
        text = test_reading.HOSTILE
        key = clouds.new_uuid()
        record = events.HostRecord(
            instance_uuid=key,
            display_name=text,
            addresses=(events.Address(text, text, text),),
        )
        one = item.Item(
            kind=Kind.DIFFERING,
            instance_uuid=key,
            state=events.HostState(events.Verb.REFRESH, record, 1.25),
            entry=directories.Entry(
                record, 0.0, text, text, {text: (text, "", " a")}, text
            ),
            differences=(directories.Difference(text, (text,), ("",)),),
            reason=text,
        )
        plan = clouds.made_of(one)
        lines = written(plan)
        self.assertEqual([one], [*read(lines).items])
        self.assertEqual(3, len(lines))

    def test_an_entry_of_no_uuid_comes_back(self):
        """Somebody has written nonsense into a directory."""
        for kind in (Kind.UNSURE, Kind.CONFLICT, Kind.CANDIDATE):
            one = item.Item(kind=kind, instance_uuid="no uuid", reason="?")
            self.assertEqual(
                [one], [*read(written(clouds.made_of(one))).items]
            )

    # -- of somewhere else -------------------------------------------------

    def test_a_plan_for_somewhere_else_is_refused_by_its_name(self):
        for here, words in (
            (
                {"cloud": "elsewhere"},
                "another cloud, 'http://nova.example/v2.1'",
            ),
            ({"owner": "elsewhere"}, "another owner mark, 'my-cloud'"),
            (
                {"directories": ["elsewhere", "log"]},
                "another directory, 'memory'",
            ),
            ({"release": "elsewhere"}, "another release, '1.2.3'"),
        ):
            why = self.wrong(self.lines, **here)
            self.assertIn(words, why)
            self.assertIn("elsewhere", why)

    def test_a_plan_of_another_form_is_refused(self):
        lines = [
            self.lines[0].replace(b'"version": "1"', b'"version": "2"'),
            *self.lines[1:],
        ]
        self.assertIn("has the form '2'", self.wrong(lines))

    # -- damaged -----------------------------------------------------------

    def test_something_else_is_no_plan(self):
        for lines in (
            [],
            [b""],
            [b"\n"],
            [b"dn: cn=x\n", b"cn: x\n"],
            [b"\x00\xff\xfe\n"],
            [b"{}\n"],
            [b"[" * 100_000],
            [b'{"format": 1e999, "items": [\n'],
            [b'{"format": "nova-dirsvc-plan"' + b"9" * 5000],
            [b"null, \"items\": [\n"],
        ):
            self.assertIn("is no plan", self.wrong(lines), lines)

    def test_a_truncated_plan_is_refused(self):
        """Cut after any of its lines, or within one."""
        text = b"".join(self.lines)
        for cut in range(len(self.lines[0]), len(text), 37):
            lines = text[:cut].splitlines(keepends=True)
            why = self.wrong(lines)
            self.assertTrue(
                "truncated" in why or "has been changed" in why, (cut, why)
            )
        for count in range(1, len(self.lines)):
            self.assertIn("truncated", self.wrong(self.lines[:count]))

    def test_a_line_less_or_more_is_seen(self):
        self.assertIn(
            "has been changed", self.wrong(self.lines[:1] + self.lines[2:])
        )
        self.assertIn(
            "has been changed", self.wrong([*self.lines, self.lines[1]])
        )

    def test_any_byte_that_is_changed_is_seen(self):
        chance = random.Random(1)
        text = b"".join(self.lines)
        for _ in range(500):
            at = chance.randrange(len(text))
            changed = bytearray(text)
            changed[at] ^= chance.randrange(1, 256)
            self.wrong(bytes(changed).splitlines(keepends=True))

    # -- made by somebody else ---------------------------------------------

    def signed_with(self, **changes):
        """Return a file of which one item was changed, with a digest."""
        data = json.loads(self.lines[1][1:])
        for path, value in changes.items():
            *way, last = path.split("__")
            inner = data
            for name in way:
                inner = inner[name]
            inner[last] = value
        lines = [*self.lines]
        lines[1] = b" " + json.dumps(data).encode() + b"\n"
        return signed(lines)

    def test_the_equipment_of_these_tests_signs(self):
        self.assertEqual(
            len(Kind), len(read(self.signed_with(reason="any")).items)
        )

    def test_an_item_of_another_form_is_refused(self):
        key = clouds.new_uuid()
        for changes in (
            {"kind": "other"},
            {"kind": ["missing"]},
            {"instance_uuid": 7},
            {"instance_uuid": key},
            {"instance_uuid": key.upper()},
            {"state": None},
            {"state": "x"},
            {"state": []},
            {"state__verb": "unregister"},
            {"state__verb": "soft-unregister"},
            {"state__verb": "other"},
            {"state__as_of": "1"},
            {"state__as_of": True},
            {"state__as_of": float("nan")},
            {"state__as_of": float("inf")},
            {"state__as_of": 10**400},
            {"state__record": None},
            {"state__record__version": "2.0"},
            {"state__record__display_name": 5},
            {"state__record__addresses": "abc"},
            {"state__record__addresses": [[]]},
            {"state__record__instance_uuid": key},
            {"entry": []},
            {"entry": {"name": "x"}},
            {"differences": {}},
            {"differences": [["a", "b"]]},
            {"differences": [["a", "b", "c"]]},
            {"differences": [["a", [1], []]]},
            {"reason": None},
        ):
            try:
                read(self.signed_with(**changes))
            except plan_file.WrongPlan as wrong:
                self.assertIn("malformed", str(wrong), changes)
            else:
                self.fail(changes)

    def test_a_removal_for_ever_is_refused(self):
        """It would ignore that an entry is newer."""
        lines = written(clouds.made_of(test_plan.made(Kind.REMOVAL)))
        lines[1] = lines[1].replace(b'"soft-unregister"', b'"unregister"')
        self.assertIn("malformed", self.wrong(signed(lines)))

    def test_an_item_without_what_belongs_to_it_is_refused(self):
        for text in (b" {}\n", b" []\n", b" 1\n", b" null\n", b"\n", b" "):
            lines = [self.lines[0], text, *self.lines[2:]]
            self.assertIn("malformed", self.wrong(signed(lines)), text)

    def test_a_head_of_another_form_is_refused(self):
        head = json.loads(self.lines[0].strip().decode() + "]}")
        del head["items"]
        for changes in (
            {"plan_id": "0" * 12},
            {"plan_id": None},
            {"policy": "all"},
            {"policy": []},
            {"made_at": "now"},
            {"made_at": float("nan")},
            {"entries": None},
            {"entries": True},
            {"fitting": None},
            {"reading": None},
            {"reading": {}},
            {"reading": head["reading"] | {"why_not_whole": "x"}},
            {"reading": head["reading"] | {"why_not_whole": [1]}},
            {"reading": head["reading"] | {"started_at": None}},
            {"reading": head["reading"] | {"cloud": 5}},
        ):
            first = json.dumps(head | changes)[:-1] + ', "items": [\n'
            lines = signed([first.encode(), *self.lines[1:]])
            self.assertIn("malformed", self.wrong(lines), changes)
