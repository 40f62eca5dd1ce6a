# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import testtools

from tests import drivers
from tests.functional import directory_contract, openldap


class OpenLdapContractTest(
    testtools.TestCase,
    directory_contract.OwnerContract,
    directory_contract.TimeContract,
    directory_contract.OutageContract,
):
    def setUp(self):
        super().setUp()
        self.server = self.useFixture(openldap.OpenLdap())

    def driver(self, owner="nova"):
        return drivers.load(self, "ldap", owner, **self.server.options())

    def break_directory(self):
        self.server.stop()
        return self.server.start
