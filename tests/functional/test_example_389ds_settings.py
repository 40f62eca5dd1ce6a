# SPDX-License-Identifier: Apache-2.0
"""dirsvc-389ds sets caches and indexes, also of a server that exists."""

from __future__ import annotations

import ldap
import ldap.modlist

from tests.functional import directory389
from tests.functional.golden389 import run_program
from tests.functional.test_example_389ds import HOSTS, host_dn, host_entry
from tests.functional.test_example_389ds_program import ProgramTestCase

DATABASE = "cn=config,cn=ldbm database,cn=plugins,cn=config"
BACKEND = "cn=userRoot,cn=ldbm database,cn=plugins,cn=config"
INDEX_OF_CN = f"cn=cn,cn=index,{BACKEND}"


class SettingsTestCase(ProgramTestCase):
    """Has a server that runs; nothing has been set in it since its deploy."""

    def setUp(self) -> None:
        super().setUp()
        self.directory, self.where = self.deployed()
        self.directory.start()

    def deploy_again(self, *options: str) -> None:
        words = self.deploy(self.directory, self.where)
        code, _ = self.run_program(*words, *options)
        self.assertEqual(0, code)

    def restart(self) -> None:
        self.directory.stop()
        self.directory.start()

    def change(self, dn: str, change: int, name: str, value: str) -> None:
        manager = self.directory.connect_as_manager()
        manager.modify_s(dn, [(change, name, [value.encode()])])
        manager.unbind_s()

    def values(self, dn: str, name: str) -> set[str]:
        manager = self.directory.connect_as_manager()
        [(_, found)] = manager.search_s(dn, ldap.SCOPE_BASE, attrlist=[name])
        manager.unbind_s()
        return {value.decode() for value in found[name]}

    def verify(self) -> tuple[int, str]:
        done = run_program("verify", *self.where)
        return done.returncode, done.stdout


class CachesTest(SettingsTestCase):
    def make_large(self) -> None:
        self.change(
            BACKEND, ldap.MOD_REPLACE, "nsslapd-cachememsize", str(8 << 30)
        )
        self.restart()

    def test_a_refused_write_costs_a_new_server_little(self) -> None:
        code, text = self.verify()
        self.assertRegex(text, r"\Aa refused write takes [\d.]+ ms, a read ")
        self.assertEqual(0, code)

    def test_a_server_whose_caches_are_too_large_is_named(self) -> None:
        self.make_large()
        code, text = self.verify()
        # 1 to 17 ms: by how the kernel maps tables that nothing has touched.
        is_dear = directory389.is_dear(text)
        self.assertEqual(int(is_dear), code)
        self.assertEqual(
            is_dear, "its caches are too large, deploy again" in text
        )
        self.deploy_again()
        self.assertEqual(0, self.verify()[0])

    def test_a_server_that_sizes_them_itself_is_given_sizes(self) -> None:
        self.change(DATABASE, ldap.MOD_REPLACE, "nsslapd-cache-autosize", "25")
        self.restart()
        self.deploy_again()
        # It has been started again since, and has not sized them itself.
        self.assert_sizes(2500 * 8192, 1 << 20)

    def test_they_are_as_large_as_asked_for(self) -> None:
        self.deploy_again("--cached-hosts", "20000")
        self.assert_sizes(20_000 * 8192, 20_000 * 256)

    def test_none_is_smaller_than_the_server_allows(self) -> None:
        self.deploy_again("--cached-hosts", "1")
        pid = self.directory.pid_file.read_text()
        self.deploy_again("--cached-hosts", "1")
        self.assertEqual(pid, self.directory.pid_file.read_text())
        self.assert_sizes(1 << 20, 1 << 20)

    def test_one_that_does_not_run_is_not_measured(self) -> None:
        self.directory.stop()
        self.assert_one_line("does not run: start it", "verify", *self.where)

    def assert_sizes(self, entries: int, names: int) -> None:
        """See what the server works with, and not what it was told."""
        monitor = f"cn=monitor,{BACKEND}"
        self.assertEqual(
            ({str(entries)}, {str(names)}),
            (
                self.values(monitor, "maxEntryCacheSize"),
                self.values(monitor, "maxDnCacheSize"),
            ),
        )


class SubstringsTest(SettingsTestCase):
    def test_an_index_of_substrings_comes_and_goes_as_asked_for(self) -> None:
        self.assertEqual({"pres", "eq"}, self.kinds())
        service = self.directory.connect()
        service.add_s(
            host_dn("one"), ldap.modlist.addModlist(host_entry("one"))
        )
        for options, kinds in (
            (["--substring-index", "cn"], {"pres", "eq", "sub"}),
            ([], {"pres", "eq"}),
        ):
            self.deploy_again(*options)
            self.assertEqual(kinds, self.kinds())
            found = service.search_s(HOSTS, ldap.SCOPE_SUBTREE, "(cn=*web*)")
            self.assertEqual(1, len(found))

    def kinds(self) -> set[str]:
        return self.values(INDEX_OF_CN, "nsIndexType")
