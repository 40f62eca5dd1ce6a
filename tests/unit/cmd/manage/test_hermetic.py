# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The option files of the machine change no unit test."""

import fixtures
from oslo_config import cfg

from tests.unit.base import event
from tests.unit.cmd.manage import base

#: Kept before a test replaces it.
FIND = cfg.find_config_files


class HermeticTest(base.ManageTestCase):
    def test_a_default_file_of_this_machine_is_not_read(self):
        # oslo.config looks into ~/.nova-dirsvc as it does into
        # /etc/nova-dirsvc.
        folder = self.folder / ".nova-dirsvc"
        folder.mkdir()
        file = folder / "nova-dirsvc-sync.conf"
        file.write_text("[nova_dirsvc]\ndirectories = elsewhere\n")
        self.useFixture(fixtures.EnvironmentVariable("HOME", str(self.folder)))
        self.assertIn(str(file), FIND("nova-dirsvc", "nova-dirsvc-sync"))
        self.put(event())
        self.assertEqual([(1, "ldap", "waiting")], self.listed())
