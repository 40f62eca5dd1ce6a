# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What unit tests share."""

import itertools
import logging
import pathlib
import uuid

import fixtures
import testtools

from nova_dirsvc_plugin import events, untrusted_text


def no_default_files(*args: object, **kwargs: object) -> list[str]:
    """Stand in for oslo.config's search of /etc and the home folder."""
    return []


class TestCase(testtools.TestCase):
    """A test with a folder of its own and the log at hand.

    The option files of this machine (``/etc/nova-dirsvc/*.conf``) are not
    read.
    """

    def setUp(self) -> None:
        super().setUp()
        for name in ("find_config_files", "find_config_dirs"):
            self.useFixture(
                fixtures.MonkeyPatch(
                    f"oslo_config.cfg.{name}", no_default_files
                )
            )
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # Nor has one test the secrets of another.
        for name, value in (
            ("_secrets", {}),
            ("_masked", untrusted_text._masked),
        ):
            self.useFixture(
                fixtures.MonkeyPatch(
                    f"nova_dirsvc_plugin.untrusted_text.{name}", value
                )
            )
        self.log = self.useFixture(
            fixtures.FakeLogger(
                level=logging.DEBUG, format="%(levelname)s %(message)s"
            )
        )


#: Below the clocks of tests: an event is stored after it happened.
_MOMENTS = itertools.count(1.0, 0.001)


def event(
    verb: events.Verb = events.Verb.REGISTER,
    instance_uuid: str | None = None,
    message_id: str | None = None,
    occurred_at: float | None = None,
    **fields: object,
) -> events.Event:
    """Make an event; each call is another instance and message, and later."""
    return events.Event(
        message_id=message_id or str(uuid.uuid4()),
        event_type="instance.create.end",
        verb=verb,
        occurred_at=occurred_at or next(_MOMENTS),
        request_id="req-8217bf15-5838-4524-872f-3592fa99abb3",
        record=events.HostRecord(
            instance_uuid=instance_uuid or str(uuid.uuid4()), **fields
        ),
    )
