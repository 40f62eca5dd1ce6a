# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The whole way: Nova, outbox, daemon, 389 DS; and a look at its end."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import ldap
import ldap.filter
from testtools import content

from tests import waiting
from tests.functional import directory389
from tests.functional.nova_in_process import cloud, not_yet, sync

#: An LDAP entry: attribute -> its values, sorted.
Entry = Mapping[str, Sequence[str]]


class DeliveryTestCase(cloud.NovaTestCase):
    """A Nova, a daemon, and a directory that the tests of a class share.

    :cvar DAEMON_FROM_THE_START: else a test starts it
    """

    DAEMON_FROM_THE_START = True

    directory: directory389.Directory389

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.directory = directory389.Directory389()
        cls.directory.setUp()
        cls.addClassCleanup(cls.directory.cleanUp)

    def prepare(self) -> None:
        """Start the daemon first: it takes its time while Nova starts."""
        self.addOnException(self._keep_evidence)
        self.password_file = self.folder / "password"
        self.password_file.write_text(self.directory.password)
        if self.DAEMON_FROM_THE_START:
            self.start_daemon()

    def start_daemon(self) -> None:
        """Start it as the directory's own deployment tells it to.

        The first refusal buries: an outage must not be taken for one.
        """
        own = self.folder / "nova-dirsvc.conf"
        own.write_text(
            f"[nova_dirsvc]\noutbox = {self.outbox_path}\nmax_attempts = 1\n"
            f"[ldap]\npassword_file = {self.password_file}\n"
        )
        log = self.folder / "nova-dirsvc-sync.log"
        self.daemon = self.useFixture(
            sync.SyncDaemon(log, self.directory.conf_file, own)
        )

    @contextlib.contextmanager
    def directory_stopped(self) -> Iterator[None]:
        self.directory.stop()
        try:
            yield
        finally:
            self.directory.start()

    # -- what the directory has --------------------------------------------

    def entry_of(self, server: cloud.Server) -> Entry:
        """Return a server's entry, empty when there is none."""
        condition = ldap.filter.filter_format(
            "(novaInstanceUuid=%s)", [server["id"]]
        )
        connection = self.directory.connect_as_manager()
        try:
            found = connection.search_s(
                self.directory.hosts_tree_dn, ldap.SCOPE_SUBTREE, condition
            )
        finally:
            connection.unbind_s()
        return {
            name: sorted(value.decode() for value in values)
            for _, attributes in found
            for name, values in attributes.items()
        }

    def until_entry(self, server: cloud.Server) -> Entry:
        """Wait for a server's entry, and give it."""

        def look() -> Entry | not_yet.NotYet:
            try:
                return self.entry_of(server) or self.daemon.last_words()
            except ldap.SERVER_DOWN as error:  # it may just have started
                return not_yet.NotYet(str(error))

        return waiting.until(look, f"an entry of {server['id']}")

    def until_no_entry(self, server: cloud.Server) -> None:
        """Wait until a server has no entry."""

        def look() -> bool | not_yet.NotYet:
            try:
                there = self.entry_of(server)
            except ldap.SERVER_DOWN as error:  # it may just have started
                return not_yet.NotYet(str(error))
            return self.daemon.last_words() if there else True

        waiting.until(look, f"no entry of {server['id']}")

    def _keep_evidence(self, _: object) -> None:
        self.addDetail(
            "389 DS errors log",
            content.content_from_file(
                str(self.directory.errors_log), buffer_now=True
            ),
        )
