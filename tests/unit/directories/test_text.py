# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
from nova_dirsvc_plugin.directories import text as naming
from tests.unit import base


class NamingTest(base.TestCase):
    def test_letters_of_any_script_and_ldap_specials_stay(self):
        text = '#né ,+"\\<>;= 名前 \U0001f600'
        self.assertEqual(text, naming.directory_string(text))

    def test_control_characters_and_half_pairs_are_replaced(self):
        self.assertEqual(
            "a�b�c�d", naming.directory_string("a\x00b\x9fc\ud800d")
        )

    def test_blanks_alone_are_nothing(self):
        self.assertEqual(
            "", naming.directory_string(" \t ".replace("\t", " "))
        )

    def test_a_common_name_is_the_first_that_is_there(self):
        self.assertEqual("h", naming.common_name("h", "d", "u"))
        self.assertEqual("d", naming.common_name("  ", "d", "u"))
        self.assertEqual("u", naming.common_name("", "", "u"))
