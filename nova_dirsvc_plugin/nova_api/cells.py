# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Tells from Nova's list of services whether a cell is down. Pure.

From microversion 2.69 on, the services on the hosts of such a cell have the
status UNKNOWN. Nothing else shows it: a list of instances leaves its
instances out, and an instance of it may be a 404, where it is soft-deleted or
has no request specification.
"""

from collections.abc import Mapping
from typing import Any

from nova_dirsvc_plugin import events, untrusted_text


def check(body: Mapping[str, Any]) -> None:
    """Check the answer to ``GET /os-services``.

    :raises StateUndecided: a cell is down
    :raises StateUnknown: the answer does not show it
    """
    services = body.get("services")
    if not isinstance(services, list) or not services:
        raise events.StateUnknown(
            "Nova's list of services is empty: check for a proxy between"
            " this host and nova-api"
        )
    down = [
        untrusted_text.on_one_line(one.get("host"), 60)
        for one in services
        if isinstance(one, dict) and one.get("status") == "UNKNOWN"
    ]
    if down:
        raise events.StateUndecided(
            f"a cell of Nova is down: {len(down)} services have the status"
            f" UNKNOWN, the first on {down[0]}"
        )
