# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Send a recorded notification by Nova's own notifier and its nova.conf.

``notify.py EVENT_TYPE UUID``: runs in Nova's Python, as its account.
"""

import json
import pathlib
import sys

from nova import config, context, rpc

NOVA_CONF = "/etc/nova/nova.conf"
BOOT = pathlib.Path("tests/recordings/boot_delete.jsonl")


def main(event_type, uuid):
    config.parse_args(
        ["nova-compute"], default_config_files=["/etc/nova/nova.conf"]
    )
    for line in BOOT.read_text().splitlines():
        message = json.loads(line)["message"]
        if message["event_type"] == event_type:
            break
    else:
        sys.exit(f"{BOOT} has no {event_type}")
    message["payload"]["nova_object.data"]["uuid"] = uuid
    rpc.get_versioned_notifier("nova-compute:host").info(
        context.get_admin_context(), event_type, message["payload"]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
