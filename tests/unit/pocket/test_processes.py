# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import pathlib

import fixtures

from pocket import processes
from tests.unit import base


class ProgramsTest(base.TestCase):
    def test_a_server_is_found_that_is_not_on_the_users_path(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / "ns-slapd").touch(mode=0o755)
        self.useFixture(
            fixtures.MonkeyPatch("pocket.processes.SBIN", str(folder))
        )
        self.useFixture(fixtures.EnvironmentVariable("PATH", "/bin"))
        self.assertEqual(
            str(folder / "ns-slapd"), processes.program("ns-slapd")
        )
        self.assertIsNone(processes.program("no-such-program"))
