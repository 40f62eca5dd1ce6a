# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
import testtools
from oslo_config import cfg

from nova_dirsvc_plugin.directories import loading
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
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[])
        conf.register_group(cfg.OptGroup("ldap"))
        conf.register_opts(loading.driver_class("ldap").OPTS, group="ldap")
        for name in ("url", "user", "password_file", "hosts_tree_dn"):
            value = str(getattr(self.server, name))
            conf.set_override(name, value, group="ldap")
        conf.set_override("use_tls", False, group="ldap")
        driver = loading.load(conf, "ldap", owner)
        self.addCleanup(driver.close)
        return driver

    def break_directory(self):
        self.server.stop()
        return self.server.start
