# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What another cloud owns stays as it is."""

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.services import loading
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF

OTHER_CLOUD = "another-cloud-of-tempest"


class TestForeignEntry(base.HostEntryScenario):
    """An entry with another owner mark."""

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        option = loading.manager_option(CONF.nova_dirsvc)
        if not CONF.nova_dirsvc[option]:
            raise cls.skipException(
                f"tempest.conf: [nova_dirsvc] {option} is not set"
            )

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.any_entries = loading.manager(CONF.nova_dirsvc)

    @decorators.idempotent_id("912d33be-f25b-4703-993d-5ada6a10cb47")
    def test_entry_of_another_cloud_survives_the_instance(self):
        """Nobody but its owner removes or changes an entry.

        1. Boot an instance and wait for its entry.
        2. As the directory's manager, make it another cloud's entry.
        3. Delete the instance.
        4. Boot another one and see its entry come, delete it, see it go:
           what came before has arrived by then.
        5. The entry is there as it was, with all that the directory tells
           of it: in LDAP also who changed it last, and when.
        """
        server = self.boot()
        entry = self.wait_for_entry(server)
        self.assertNotEqual(OTHER_CLOUD, entry.owner_mark)
        self.addCleanup(self.any_entries.remove, server["id"])
        self.any_entries.give_to(OTHER_CLOUD, server["id"])
        given = self.entries.get(server["id"])
        self.assertEqual(OTHER_CLOUD, given.owner_mark)
        before = self.any_entries.everything(server["id"])
        self.delete(server["id"])
        self.let_what_came_before_arrive()
        self.assertEqual(before, self.any_entries.everything(server["id"]))
