# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova sends both formats, for the sake of older consumers."""

from nova_dirsvc_plugin import outbox
from tests.functional.nova_in_process import cloud


class TestBothFormats(cloud.NovaTestCase):
    NOTIFICATION_FORMAT = "both"

    def test_a_life_is_stored_as_one_register_and_one_unregister(self):
        server = self.boot()
        self.delete(server)
        self.until_nova_logs("unregister", server["id"], ": stored")

        claim = outbox.Outbox(self.outbox_path).claim("any", 100)

        self.assertEqual(
            ["register", "unregister"],
            [entry.event.verb for entry in (*claim.entries, *claim.waiting)],
        )
