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
        return drivers.load(
            self,
            "ldap",
            owner,
            url=self.server.url,
            user=self.server.user,
            password_file=str(self.server.password_file),
            hosts_tree_dn=self.server.hosts_tree_dn,
            use_tls=False,
        )

    def break_directory(self):
        self.server.stop()
        return self.server.start
