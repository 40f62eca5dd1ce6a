# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: an event is stored before it is sent (see ``outbox``)."""

from nova_dirsvc_plugin.outbox.entry import TOLERATED_LEAD, Entry
from nova_dirsvc_plugin.outbox.outbox import Item, Outbox
from nova_dirsvc_plugin.outbox.schema import create_folder, resolved
from nova_dirsvc_plugin.outbox.values import (
    Cause,
    Claim,
    OutboxError,
    Settlement,
    State,
    Turn,
)

__all__ = (
    "TOLERATED_LEAD",
    "Cause",
    "Claim",
    "Entry",
    "Item",
    "Outbox",
    "OutboxError",
    "Settlement",
    "State",
    "Turn",
    "create_folder",
    "resolved",
)
