# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: stored before it is sent (see ``store``)."""

from nova_dirsvc_plugin.outbox.outbox import Outbox
from nova_dirsvc_plugin.outbox.values import (
    Claim,
    Entry,
    OutboxError,
    Parked,
    Settlement,
    State,
    Turn,
)

__all__ = (
    "Claim",
    "Entry",
    "Outbox",
    "OutboxError",
    "Parked",
    "Settlement",
    "State",
    "Turn",
)
