# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""One entry as anybody would read it: field of the host record -> values."""

import pathlib
from collections.abc import Mapping

import ldap
import ldap.dn
import requests

from tests import waiting

Entry = dict[str, list[str]]

#: Field of the host record -> attribute of examples/389ds/schema.ldif.
_ATTRIBUTES = {
    "host_name": "cn",
    "display_name": "novaDisplayName",
    "ip": "ipHostNumber",
    "mac": "macAddress",
    "image_uuid": "novaImageUuid",
    "project_id": "novaProjectId",
    "project_name": "novaProjectName",
    "user_id": "novaUserId",
    "user_name": "novaUserName",
    "user_remote_address": "novaUserRemoteAddress",
}


def read_ldap(settings: Mapping[str, str], instance_uuid: str) -> Entry | None:
    password = pathlib.Path(settings["password_file"]).read_text().strip()
    reader = ldap.initialize(settings["url"])
    reader.set_option(ldap.OPT_X_TLS_CACERTFILE, settings["cacertfile"])
    reader.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
    reader.set_option(ldap.OPT_NETWORK_TIMEOUT, waiting.LIMIT)
    reader.start_tls_s()
    reader.simple_bind_s(settings["user"], password)
    try:
        [(_, found)] = reader.search_s(
            f"novaInstanceUuid={ldap.dn.escape_dn_chars(instance_uuid)},"
            + settings["tree"],
            ldap.SCOPE_BASE,
        )
    except ldap.NO_SUCH_OBJECT:
        return None
    finally:
        reader.unbind_s()
    return {
        field: [value.decode() for value in found.get(name, [])]
        for field, name in _ATTRIBUTES.items()
    }


def read_rest(settings: Mapping[str, str], instance_uuid: str) -> Entry | None:
    token = pathlib.Path(settings["token_file"]).read_text().strip()
    answer = requests.get(
        f"{settings['url']}/{instance_uuid}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=waiting.LIMIT,
    )
    if answer.status_code == requests.codes.not_found:
        return None
    answer.raise_for_status()
    record = answer.json()["host_record"]
    addresses = record.pop("addresses") or []
    return {
        **{field: [value] for field, value in record.items() if value},
        "ip": [address["ip"] for address in addresses],
        "mac": [address["mac"] for address in addresses],
    }


#: Kind of directory -> how an entry of it is read.
KINDS = {"ldap": read_ldap, "rest": read_rest}
