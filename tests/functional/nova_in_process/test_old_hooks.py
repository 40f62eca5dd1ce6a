# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The hooks of Nova 21 read Nova's own objects, as they are today.

Today's Nova calls no hooks; here they are put around the same functions.
"""

import functools
from typing import Any

import fixtures
from nova.compute import api, manager

from nova_dirsvc_plugin import events, outbox
from nova_dirsvc_plugin.sources import nova_hooks
from tests import waiting
from tests.functional.nova_in_process import cloud, not_yet


class TestOldHooks(cloud.NovaTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.hook(api.API, "create", nova_hooks.CreateInstance())
        self.hook(
            manager.ComputeManager,
            "_delete_instance",
            nova_hooks.DeleteInstance(),
        )

    def hook(self, owner: type, name: str, hook: Any) -> None:
        function = getattr(owner, name)

        @functools.wraps(function)
        def hooked(*args: Any, **kwargs: Any) -> Any:
            hook.pre(*args, **kwargs)
            rv = function(*args, **kwargs)
            hook.post(rv, *args, **kwargs)
            return rv

        self.useFixture(fixtures.MonkeyPatch(_path(owner, name), hooked))

    def said(self, event_type: str) -> events.Event:
        """Wait for what was said by a name, which is said once."""

        def look() -> events.Event | not_yet.NotYet:
            claim = outbox.Outbox(self.outbox_path).claim("any", 100)
            said = [entry.event for entry in claim.entries]
            found = [item for item in said if item.event_type == event_type]
            self.assertLessEqual(len(found), 1)
            return found[0] if found else not_yet.NotYet(said)

        return waiting.until(look, f"an entry of {event_type}")

    def test_a_create_is_registered_as_its_notification_will_say(self):
        self.boot()

        by_hook = self.said("create_instance")
        later = self.said("instance.create.end")

        self.assertIs(events.Verb.REGISTER, by_hook.verb)
        self.assertEqual(later.request_id, by_hook.request_id)
        told_later = (
            "addresses",
            "availability_zone",
            "compute_host",
            "created_at",
            "launched_at",
        )
        for name in events.HostRecord.__slots__:
            if name not in (*told_later, "user_remote_address"):
                self.assertEqual(
                    getattr(later.record, name),
                    getattr(by_hook.record, name),
                    name,
                )
        self.assertIsNone(by_hook.record.addresses)
        self.assertEqual("127.0.0.1", by_hook.record.user_remote_address)

    def test_a_delete_that_was_done_unregisters(self):
        server = self.boot()
        self.delete(server)

        event = self.said("delete_instance")

        self.assertEqual(
            (events.Verb.UNREGISTER, server["id"]),
            (event.verb, event.instance_uuid),
        )


def _path(owner: type, name: str) -> str:
    return f"{owner.__module__}.{owner.__qualname__}.{name}"
