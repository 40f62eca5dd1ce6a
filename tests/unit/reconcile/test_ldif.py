# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""LDIF, read back by python-ldap, is what was written, whatever that is."""

import io
import random

import ldap.dn
import ldif as python_ldap_ldif

from nova_dirsvc_plugin.directories import base as directories
from nova_dirsvc_plugin.reconcile import ldif
from tests.unit import base
from tests.unit.reconcile import clouds, test_plan

Kind = clouds.Kind

DN = "novaInstanceUuid=1,ou=hosts,dc=example"

#: Each is a fault of some writer of LDIF.
HOSTILE = (
    "",
    " a",
    "a ",
    " ",
    ":a",
    "<file:///etc/passwd",
    "#a",
    "-",
    "a\nchangetype: delete",
    "a\r\n\r\ndn: cn=admin",
    "\x00",
    "\x7f\x1b[31m",
    "é",
    "\U0001f600",
    "\udc80\udcff",
    "x" * 500,
    "é" * 500,
    "a: b:: c",
)


def parsed(*records):
    """Return [(dn, attributes)] of records without changes."""
    parser = python_ldap_ldif.LDIFRecordList(
        io.StringIO("".join([ldif.header(), *records]))
    )
    parser.parse()
    return parser.all_records


def changes(*records):
    """Return [(dn, modifications)] of records with changes."""
    parser = python_ldap_ldif.LDIFRecordList(
        io.StringIO("".join([ldif.header(), *records]))
    )
    parser.parse_change_records()
    return parser.all_modify_changes


def as_bytes(content):
    return {
        name: [value.encode("utf-8", "surrogateescape") for value in values]
        for name, values in content.items()
    }


class LdifTest(base.TestCase):
    def test_hostile_values_come_back(self):
        content = {"cn": HOSTILE, "description;lang-de": HOSTILE[::-1]}
        self.assertEqual(
            [(DN, as_bytes(content))], parsed(ldif.entry(DN, content))
        )

    def test_random_values_come_back(self):
        chance = random.Random(1)
        letters = "a :<\n\r\x00\t-#é\U0001f600\udc80\udcff" + "b" * 20
        for _ in range(300):
            values = [
                "".join(chance.choices(letters, k=chance.randrange(200)))
                for _ in range(3)
            ]
            content = {"cn": values}
            self.assertEqual(
                [(DN, as_bytes(content))], parsed(ldif.entry(DN, content))
            )

    def test_a_hostile_dn_comes_back(self):
        for text in HOSTILE[1:]:
            if "\udc80" not in text:
                dn = f"cn={ldap.dn.escape_dn_chars(text)},dc=\N{SNOWMAN}"
                ((back, _),) = parsed(ldif.entry(dn, {"cn": ["a"]}))
                self.assertEqual(dn, back)

    def test_half_a_pair_is_written_somehow(self):
        """A service of JSON may say so; LDAP cannot."""
        text = ldif.entry(DN, {"cn": ["\ud800"]})
        self.assertEqual([(DN, {"cn": [b"\xed\xa0\x80"]})], parsed(text))

    def test_a_line_is_printable_and_no_longer_than_76(self):
        text = ldif.entry(DN, {"cn": HOSTILE}, *HOSTILE)
        for line in text.splitlines():
            self.assertTrue(line.isascii() and line.isprintable(), line)
            if not line.startswith("#"):
                self.assertLessEqual(len(line), 76)

    def test_a_comment_stays_one(self):
        for comment in HOSTILE:
            record = ldif.entry(DN, {"cn": ["a"]}, comment)
            self.assertEqual([(DN, {"cn": [b"a"]})], parsed(record))

    def test_a_hostile_name_of_an_attribute_is_left_out(self):
        content = {name: ["a"] for name in HOSTILE} | {"sn": ["b"]}
        del content["x" * 500]
        self.assertEqual(
            [(DN, {"sn": [b"b"]})], parsed(ldif.entry(DN, content))
        )
        differences = [
            directories.Difference(name, (), values)
            for name, values in content.items()
        ]
        self.assertEqual(
            [(DN, [(2, "sn", [b"b"])], None)],
            changes(ldif.modify(DN, differences)),
        )

    def test_a_modification_replaces_and_empties(self):
        text = ldif.modify(
            DN,
            [
                directories.Difference("cn", ("old",), ("new", " é")),
                directories.Difference("sn", ("old",), ()),
            ],
        )
        self.assertEqual(
            [
                (
                    DN,
                    [(2, "cn", [b"new", " é".encode()]), (2, "sn", None)],
                    None,
                )
            ],
            changes(text),
        )

    def test_the_text_of_each_kind_of_record(self):
        self.assertEqual("version: 1\n# who\n\n", ldif.header("who"))
        self.assertEqual(
            "# why\ndn: cn=a\nchangetype: delete\n\n",
            ldif.delete("cn=a", "why"),
        )
        self.assertEqual(
            "dn: cn=a\nchangetype: add\ncn: a\nsn:: w6k=\n\n",
            ldif.add("cn=a", {"cn": ["a"], "sn": ["é"]}),
        )
        self.assertEqual(
            "dn: cn=a\nchangetype: modify\nreplace: cn\ncn: b\n-\n\n",
            ldif.modify("cn=a", [directories.Difference("cn", (), ("b",))]),
        )

    def test_a_plan_adds_changes_and_removes(self):
        plan = clouds.made_of(*test_plan.ONE_OF_EACH)
        text = "".join(
            ldif.of_plan(plan, lambda state: ("cn=new", {"cn": ["new"]}))
        )
        self.assertIn(plan.plan_id, text)
        self.assertEqual(1, text.count("changetype: add\ncn: new\n"))
        self.assertEqual(1, text.count("changetype: modify\n"))
        self.assertEqual(1, text.count("changetype: delete\n"))
        (removal,) = plan.items.of(Kind.REMOVAL)
        self.assertIn(
            f"dn: {removal.entry.name}\nchangetype: delete\n",
            text.replace("\n ", ""),
        )

    def test_before_images_are_entries_as_they_were(self):
        key = clouds.new_uuid()
        image = {
            "name": DN,
            "owner": clouds.OWNER,
            "as_of": 1.0,
            "content": {"cn": ["a", " b"]},
        }
        text = list(
            ldif.of_before_images(
                [(key, "refresh", image), (key, "register", None)], "run 7"
            )
        )
        self.assertEqual("version: 1\n# run 7\n\n", text[0])
        self.assertEqual([(DN, {"cn": [b"a", b" b"]})], parsed(*text[1:]))
        self.assertEqual(f"# instance {key}: had no entry\n\n", text[2])
