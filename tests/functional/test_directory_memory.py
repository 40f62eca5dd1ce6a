# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import testtools

from nova_dirsvc_plugin.directories import memory
from tests.functional import directory_contract


class MemoryDirectoryTest(
    directory_contract.OwnerContract,
    directory_contract.TimeContract,
    testtools.TestCase,
):
    OVERLAPS = 0

    WRITERS = 1  # It is one process's own.

    def setUp(self):
        super().setUp()
        self.content = {}

    def driver(self, owner="nova"):
        driver = memory.MemoryDirectory(None, owner)
        driver.content = self.content
        return driver
