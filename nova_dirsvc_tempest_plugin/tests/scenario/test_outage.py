# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A directory that is down loses nothing and disturbs nobody."""

from tempest import config
from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.common import waiters
from nova_dirsvc_tempest_plugin.tests.scenario import base

CONF = config.CONF


@decorators.serial
class TestOutage(base.HostEntryScenario):
    """The directory stops, instances come and go, it starts again.

    In serial, since all other scenarios want it to run.
    """

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        for option in ("directory_stop_command", "directory_start_command"):
            if not CONF.nova_dirsvc[option]:
                raise cls.skipException(
                    f"tempest.conf: [nova_dirsvc] {option} is not set"
                )

    def stop_directory(self, server):
        """Stop it. :param server: any, to ask for its entry"""
        self.addCleanup(self.start_directory, server)
        self.execute(CONF.nova_dirsvc.directory_stop_command)
        waiters.wait_for_outage(
            self.entries, server["id"], CONF.nova_dirsvc.entry_timeout
        )

    def start_directory(self, server):
        self.execute(CONF.nova_dirsvc.directory_start_command)
        waiters.wait_for_directory(
            self.entries, server["id"], CONF.nova_dirsvc.entry_timeout
        )

    @decorators.idempotent_id("d4021bea-85f2-4606-b90a-9cb26c9e6640")
    def test_instance_booted_in_an_outage_has_its_entry_after_it(self):
        """Nova boots without the directory; the entry comes later.

        1. Boot an instance and wait for its entry.
        2. Stop the directory.
        3. Boot a second instance: it becomes ACTIVE.
        4. Start the directory.
        5. Wait for the entry of the second one; compare it with what Nova
           says.
        6. The first one's entry is still there.
        """
        before = self.boot()
        self.wait_for_entry(before)
        self.stop_directory(before)
        server = self.boot()
        self.start_directory(before)
        self.assert_equal_to_nova(server, self.wait_for_entry(server))
        self.assert_equal_to_nova(before, self.entries.get(before["id"]))

    @decorators.idempotent_id("3d93b5d4-b81b-433c-80df-df027ec654fc")
    def test_instance_deleted_in_an_outage_has_no_entry_after_it(self):
        """Nova deletes without the directory; the entry goes later.

        1. Boot an instance and wait for its entry.
        2. Stop the directory.
        3. Delete the instance: it is gone from Nova.
        4. Boot a second instance and delete it: it is gone from Nova, too.
        5. Start the directory.
        6. Wait until the first one's entry is gone.
        7. Boot another one and see its entry come, delete it, see it go:
           what came before has arrived by then.
        8. The second one has no entry.
        """
        first = self.boot()
        self.wait_for_entry(first)
        self.stop_directory(first)
        self.delete(first["id"])
        second = self.boot()
        self.delete(second["id"])
        self.start_directory(first)
        self.wait_for_no_entry(first)
        self.let_what_came_before_arrive()
        self.assertIsNone(self.entries.get(second["id"]))
