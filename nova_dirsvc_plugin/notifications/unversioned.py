# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Nova's unversioned payloads, under the names of the versioned ones.

They are made by ``info_from_instance`` in ``nova/notifications/base.py``.
Pure.
"""

from collections.abc import Mapping
from typing import Any

#: Unversioned name -> versioned name, of fields with the same values.
NAMES = {
    "instance_id": "uuid",
    "display_name": "display_name",
    "hostname": "host_name",
    "tenant_id": "tenant_id",
    "user_id": "user_id",
    "availability_zone": "availability_zone",
    "host": "host",
    "created_at": "created_at",
    "launched_at": "launched_at",
    "terminated_at": "terminated_at",
    "deleted_at": "deleted_at",
    "state": "state",
    "state_description": "task_state",
}

#: Names within an item of ``fixed_ips``.
ADDRESS_NAMES = {"address": "address", "vif_mac": "mac", "label": "label"}


def as_versioned(
    ctxt: Mapping[str, Any], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the data that a versioned payload would have had.

    A field that the payload lacks is left out: only some have ``fixed_ips``.
    """
    data = {
        ours: payload[theirs]
        for theirs, ours in NAMES.items()
        if theirs in payload
    }
    if data.get("created_at") == "None":
        data["created_at"] = None
    if "instance_type" in payload:
        data["flavor"] = {
            "nova_object.data": {"name": payload["instance_type"]}
        }
    if "fixed_ips" in payload:
        data["ip_addresses"] = _addresses(payload["fixed_ips"])
    data["image_uuid"] = _image(payload)
    data["request_id"] = ctxt.get("request_id")
    return data


def _image(payload: Mapping[str, Any]) -> Any:
    """Return the id of the image, empty after a boot from volume.

    ``base_image_ref`` comes second: of an instance that was booted from a
    snapshot it is the image below the snapshot.
    """
    url = payload.get("image_ref_url")
    if isinstance(url, str):
        image = url.rpartition("/")[2]
        return "" if image == "None" else image
    image_meta = payload.get("image_meta")
    if isinstance(image_meta, Mapping):
        return image_meta.get("base_image_ref")
    return None


def _addresses(items: object) -> object:
    if not isinstance(items, list | tuple):
        return items
    return [
        {
            "nova_object.data": {
                ours: item.get(theirs)
                for theirs, ours in ADDRESS_NAMES.items()
            }
        }
        if isinstance(item, Mapping)
        else item
        for item in items
    ]
