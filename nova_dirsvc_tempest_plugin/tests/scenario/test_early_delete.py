# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""An instance that is deleted while it is built leaves no entry."""

from tempest.lib import decorators

from nova_dirsvc_tempest_plugin.tests.scenario import base

#: Instances that are deleted each a little later than the one before.
NUMBER = 3


class TestEarlyDelete(base.HostEntryScenario):
    """The owner thinks better of it."""

    @decorators.idempotent_id("42bea829-3de7-4b52-a395-084c2370d62c")
    def test_instance_deleted_while_it_is_built_leaves_no_entry(self):
        """Whatever Nova was doing when the delete came.

        1. Ask for an instance and delete it at once.
        2. Ask for some more, and delete each a little later than the one
           before: Nova is asked for it a few times in between.
        3. Boot another one and see its entry come, delete it, see it go:
           what came before has arrived by then.
        4. None of the others has an entry.
        """
        servers = []
        for number in range(NUMBER):
            server = self.request()
            servers.append(server)
            for _ in range(number):
                self.servers_client.show_server(server["id"])
            self.delete(server["id"])
        self.let_what_came_before_arrive()
        for server in servers:
            self.assertIsNone(self.entries.get(server["id"]))
