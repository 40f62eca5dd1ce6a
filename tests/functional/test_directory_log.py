# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import resource
import types

import fixtures
import testtools

from nova_dirsvc_plugin.directories import base, log
from tests.functional import directory_contract


class LogDirectoryTest(directory_contract.OutageContract, testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(folder) / "log" / "directory.log"
        self.path.parent.mkdir()
        self.address = None

    def driver(self, owner="nova"):
        options = types.SimpleNamespace(
            path=str(self.path), address=self.address
        )
        return log.LogDirectory(options, owner)

    def break_directory(self):
        moved = self.path.parent.with_name("moved")
        self.path.parent.rename(moved)
        return lambda: moved.rename(self.path.parent)

    def test_the_two_lines_read_as_promised(self):
        self.address = "ldaps://directory.example"
        one = directory_contract.record()
        self.register(one)
        self.unregister(one)
        lines = self.path.read_text().splitlines()
        words = [
            "Registering instance with directory service at"
            " ldaps://directory.example: ",
            "Unregistering instance from directory service at"
            " ldaps://directory.example: ",
        ]
        self.assertEqual(2, len(lines))
        for line, expected in zip(lines, words, strict=True):
            stamp, rest = line.split(" ", 1)
            self.assertRegex(stamp, r"^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$")
            self.assertTrue(rest.startswith(expected), rest)
            self.assertEqual(
                one.essentials(), json.loads(rest[len(expected) :])
            )

    def test_no_name_can_make_a_line_of_its_own(self):
        name = "x\n2026-01-01T00:00:00.000Z Unregistering instance from"
        self.register(directory_contract.record(user_name=name))
        self.assertEqual(1, len(self.path.read_text().splitlines()))

    def test_a_line_that_a_crash_cut_off_spoils_no_other(self):
        one, cut, two = (directory_contract.record() for _ in range(3))
        self.register(one)
        self.register(cut)
        self.path.write_text(self.path.read_text()[:-20])
        self.register(two)
        self.assert_held(one, two)

    def test_a_batch_that_does_not_fit_leaves_nothing_of_it(self):
        self.register(directory_contract.record())
        before = self.path.read_bytes()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (len(before) + 400, limits[1])
        )
        outcomes = self.register(*(directory_contract.record() for _ in "abc"))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        for outcome in outcomes:
            self.assertIsInstance(outcome, base.Unavailable)
        self.assertEqual(before, self.path.read_bytes())

    def test_a_rotated_file_is_made_again(self):
        driver = self.driver()
        self.register(directory_contract.record(), driver=driver)
        self.path.rename(self.path.with_suffix(".1"))
        one = directory_contract.record()
        self.register(one, driver=driver)
        self.assert_held(one)

    def test_an_address_of_two_lines_is_a_wrong_option(self):
        self.address = "a\nb"
        error = self.assertRaises(base.WrongOption, self.driver)
        self.assertIn("[log] address", str(error))
