# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what Nova 21 hands to its hooks.

Their attributes are those of ``nova/objects/instance.py``,
``nova/network/model.py`` and ``nova/context.py``.
"""

import datetime
import types
from typing import Any


class Object:
    """An object of Nova: a field that is not loaded asks the database."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __contains__(self, name: str) -> bool:
        return name in self.__dict__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AssertionError(f"{name} would have been asked for")


def context(**changes: Any) -> Any:
    """Return alice's request, with her token in it."""
    values = {
        "user_id": "8acf174811954db7b962293e68bae407",
        "user_name": "alice",
        "project_id": "7b22e328262041efa6253a178f743293",
        "project_name": "demo",
        "request_id": "req-8217bf15-5838-4524-872f-3592fa99abb3",
        "remote_address": "203.0.113.7",
        "auth_token": "gAAAAA-secret",
    }
    return types.SimpleNamespace(**values | changes)


def accepted(instance_uuid: str, **changes: Any) -> Object:
    """Return alice's instance as the API returns it: nothing is built yet."""
    values = {
        "uuid": instance_uuid,
        "display_name": "plain",
        "hostname": "plain",
        "project_id": "7b22e328262041efa6253a178f743293",
        "user_id": "8acf174811954db7b962293e68bae407",
        "image_ref": "5a1d32c6-2595-461c-bbd9-c94d0a4da72c",
        "flavor": Object(name="m1.tiny"),
        "availability_zone": None,
        "vm_state": "building",
        "task_state": "scheduling",
        "info_cache": Object(network_info=[]),
    }
    return Object(**values | changes)


def launched(instance_uuid: str, **changes: Any) -> Object:
    """Return the same instance when it runs, as the database has it."""
    values = {
        "availability_zone": "nova",
        "host": "pocket1",
        "vm_state": "active",
        "task_state": None,
        "created_at": moment("2026-11-22 10:27:53"),
        "launched_at": moment("2026-11-22 10:27:55.25"),
        "terminated_at": None,
        "info_cache": Object(network_info=[interface()]),
    }
    return accepted(instance_uuid, **values | changes)


def deleted(instance_uuid: str, **changes: Any) -> Object:
    """Return the same instance after ``Instance.destroy()``."""
    values = {
        "vm_state": "deleted",
        "terminated_at": moment("2026-11-22 10:28:10"),
        "deleted_at": moment("2026-11-22 10:28:11"),
    }
    return launched(instance_uuid, **values | changes)


def interface() -> dict[str, Any]:
    """Return a VIF with a fixed and a floating address."""
    ips = [
        {
            "address": "10.77.0.90",
            "type": "fixed",
            "floating_ips": [{"address": "198.51.100.4", "type": "floating"}],
        },
        {"address": "198.51.100.5", "type": "floating"},
    ]
    return {
        "address": "fa:16:3e:51:8e:ab",
        "network": {"label": "private", "subnets": [{"ips": ips}]},
    }


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
