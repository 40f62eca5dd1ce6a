# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import json

from pocket import demo, errors
from tests.unit import base

LINE = "Registering instance with directory service at 2026-11-26 05:53:00.5: "


class TheSixKeysTest(base.TestCase):
    def line(self, **changes):
        entry = dict.fromkeys(demo.KEYS, "something") | changes
        return LINE + json.dumps(entry)

    def test_a_line_with_all_of_them_is_right(self):
        demo.check_keys(self.line())

    def test_an_empty_one_is_named(self):
        error = self.assertRaises(
            errors.PocketError,
            demo.check_keys,
            self.line(user_remote_address=""),
        )
        self.assertEqual(
            "the log's line has nothing for user_remote_address", str(error)
        )

    def test_a_seventh_is_named(self):
        error = self.assertRaises(
            errors.PocketError, demo.check_keys, self.line(flavor="tiny")
        )
        self.assertEqual(
            "the log's line has a key too many: flavor", str(error)
        )
