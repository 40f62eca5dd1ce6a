# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A directory does not let the daemon in while a server boots."""

from tests.functional.nova_in_process import delivery


class TestDirectoryRefuses(delivery.DeliveryTestCase):
    def prepare(self) -> None:
        super().prepare()
        self.password_file.write_text("not the password")

    def test_the_daemon_says_whom_the_directory_does_not_let_in(self):
        self.boot()

        self.daemon.until_it_says(
            "WARNING", "unavailable", self.directory.bind_dn
        )

    def test_the_log_of_nova_says_that_the_server_is_stored(self):
        server = self.boot()

        self.until_nova_logs("register", server["id"], "stored")

    def test_the_entry_arrives_when_the_password_is_right(self):
        server = self.boot()
        self.daemon.until_it_says("unavailable")

        self.password_file.write_text(self.directory.password)

        self.until_entry(server)
