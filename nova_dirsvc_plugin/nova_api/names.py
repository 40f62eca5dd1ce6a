# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Names of projects and users, which Nova's API knows by their ids only."""

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import client


class Names:
    """The names that Keystone tells, cached; for one thread.

    :param users: whether names of users are asked for (``record_users``)
    """

    def __init__(self, nova: client.NovaClient, users: bool) -> None:
        self._connection = nova.connection
        self._users = users

    def complete(self, record: events.HostRecord) -> events.HostRecord:
        """Return a record with the names that it lacks.

        A name that is not found, or that the account may not see, stays
        empty. Never raises.
        """
        raise NotImplementedError
