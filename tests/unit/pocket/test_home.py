# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import pathlib

import fixtures

from pocket import home
from tests.unit import base


class PortsTest(base.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def home(self, port_base=None):
        made = home.Home(self.path / "home", port_base)
        made.make()
        return made

    def test_a_new_home_has_the_ports_that_were_asked(self):
        self.assertEqual(24000, self.home(24000).ports.keystone)
        self.assertEqual(24011, self.home().ports.rest)

    def test_a_new_home_has_the_usual_ports_when_none_were_asked(self):
        self.assertEqual(home.PORT_BASE, self.home().ports.keystone)

    def test_a_home_is_elsewhere_when_other_ports_are_asked(self):
        self.home(24000)
        found = [self.home(base).is_elsewhere() for base in (None, 24000, 1)]
        self.assertEqual([False, False, True], found)

    def test_only_what_does_not_know_the_ports_lasts(self):
        steps = ("venv", "tempest", "mariadb")
        before = self.home(24000)
        for step in steps:
            before.set_done(step, step)
            (before.path / step).mkdir()
        password = before.passwords.admin
        after = self.home(25000)
        after.make_anew()
        self.assertEqual(25000, after.ports.keystone)
        self.assertNotEqual(password, after.passwords.admin)
        self.assertEqual(
            ["venv", "tempest", None],
            [after.done_with(step) for step in steps],
        )
        self.assertEqual(
            [True, True, False],
            [
                (after.path / s).exists()
                for s in ("venv", "tempest", "mariadb")
            ],
        )
