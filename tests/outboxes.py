# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What an outbox holds that needs an operator, as tests look at it."""

import dataclasses
from collections.abc import Sequence

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import admin, queries


def buried(
    box: outbox.Outbox, directory: str
) -> Sequence[tuple[outbox.Entry, str]]:
    """Return the entries that a directory refused for good, and why."""
    box.check_writable()
    with admin.OutboxAdmin(box.path).snapshot() as database:
        return [
            (
                dataclasses.replace(entry, attempts=item.attempts),
                item.reason,
            )
            for item in queries.items(
                database, (directory,), {outbox.State.BURIED}
            )
            if (entry := queries.entry(database, item.number))
        ]


def parked(box: outbox.Outbox) -> Sequence[tuple[int, str, str]]:
    """Return number, instance uuid and reason of what is parked."""
    box.check_writable()
    with admin.OutboxAdmin(box.path).snapshot() as database:
        return [
            (item.number, item.instance_uuid, item.reason)
            for item in queries.items(database, (), {outbox.State.PARKED})
        ]
