# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A directory as its administrator may read and change all of it."""

import contextlib
import pathlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import ldap
import requests

from tests import waiting

#: What is written by hand: a name and an address that Nova never gives.
NAME = "changed by hand"
ADDRESS = "192.0.2.1"

#: What a document has to have, beside the uuid.
_FIELDS = (
    "image_uuid",
    "mac_address",
    "project_name",
    "user_name",
    "user_remote_address",
)


class LdapEditor:
    """All of the hosts tree of a 389 DS.

    :param told: the scenarios' options of the directory
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told
        self._tree = told["ldap_hosts_tree_dn"]

    def everything(self) -> dict[str, Any]:
        """Read all entries: DN -> all attributes, with those of the server."""
        with self._connected() as connection:
            found = connection.search_s(
                self._tree, ldap.SCOPE_ONELEVEL, attrlist=["*", "+"]
            )
        entries = dict(found)
        # Without it, the same again would go unnoticed.
        assert all("modifyTimestamp" in one for one in entries.values())
        return entries

    def key(self, instance_uuid: str) -> str:
        """Return what :meth:`everything` calls an instance's entry."""
        return f"novaInstanceUuid={instance_uuid},{self._tree}"

    def owners(self) -> dict[str, str]:
        """Return the owner mark of each instance that has an entry."""
        return {
            one["novaInstanceUuid"][0].decode(): one["novaOwnerMark"][
                0
            ].decode()
            for one in self.everything().values()
            if "novaInstanceUuid" in one
        }

    def remove(self, *keys: str) -> None:
        with self._connected() as connection:
            for key in keys:
                connection.delete_s(key)

    def change(self, instance_uuid: str) -> None:
        """Write another name and address to an instance's entry."""
        self._modify(instance_uuid, novaDisplayName=NAME, ipHostNumber=ADDRESS)

    def give(self, instance_uuid: str, owner: str) -> None:
        """Write another owner mark to an instance's entry."""
        self._modify(instance_uuid, novaOwnerMark=owner)

    def copy(self, instance_uuid: str, owner: str) -> str:
        """Add the entry of another instance of another owner.

        :returns: its key
        """
        other = str(uuid.uuid4())
        with self._connected() as connection:
            [(_, found)] = connection.search_s(
                self.key(instance_uuid), ldap.SCOPE_BASE
            )
            found |= {
                "novaInstanceUuid": [other.encode()],
                "novaOwnerMark": [owner.encode()],
            }
            connection.add_s(self.key(other), list(found.items()))
        return self.key(other)

    def add_unmarked(self) -> str:
        """Add an entry without an owner mark.

        :returns: its key
        """
        name = f"printer-{uuid.uuid4().hex[:8]}"
        key = f"cn={name},{self._tree}"
        with self._connected() as connection:
            connection.add_s(
                key,
                [
                    ("objectClass", [b"device", b"ipHost"]),
                    ("cn", [name.encode()]),
                    ("ipHostNumber", [ADDRESS.encode()]),
                ],
            )
        return key

    def _modify(self, instance_uuid: str, **values: str) -> None:
        with self._connected() as connection:
            connection.modify_s(
                self.key(instance_uuid),
                [
                    (ldap.MOD_REPLACE, name, [value.encode()])
                    for name, value in values.items()
                ],
            )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Any]:
        told = self._told
        connection = ldap.initialize(told["ldap_url"])
        connection.set_option(
            ldap.OPT_X_TLS_CACERTFILE, str(told["ldap_tls_cacertfile"])
        )
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.set_option(ldap.OPT_NETWORK_TIMEOUT, waiting.LIMIT)
        try:
            connection.start_tls_s()
            connection.simple_bind_s(
                told["ldap_manager_user"],
                _secret(told["ldap_manager_password_file"]),
            )
            yield connection
        finally:
            connection.unbind_ext()


class RestEditor:
    """All of the service of examples/rest.

    :param told: the scenarios' options of the directory
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._url = told["rest_url"]
        self._token = _secret(told["rest_manager_token_file"])

    def everything(self) -> dict[str, Any]:
        """Read all documents, by the uuids of their instances."""
        found: dict[str, Any] = {}
        page: dict[str, str] = {}
        while documents := self._ask("GET", params=page).json()["instances"]:
            found |= {one["instance_uuid"]: one for one in documents}
            page = {"marker": documents[-1]["instance_uuid"]}
        return found

    def key(self, instance_uuid: str) -> str:
        """Return what :meth:`everything` calls an instance's entry."""
        return instance_uuid

    def owners(self) -> dict[str, str]:
        """Return the owner mark of each instance that has an entry."""
        return {
            key: document["owner"]
            for key, document in self.everything().items()
        }

    def remove(self, *keys: str) -> None:
        for key in keys:
            self._ask("DELETE", key)

    def change(self, instance_uuid: str) -> None:
        """Write another name and address to an instance's entry."""
        document = self._document(instance_uuid)
        document["host_record"]["display_name"] = NAME
        document["host_record"]["addresses"][0]["ip"] = ADDRESS
        self._ask("PUT", instance_uuid, json=document)

    def give(self, instance_uuid: str, owner: str) -> None:
        """Write another owner mark to an instance's entry."""
        document = self._document(instance_uuid)
        self._ask("PUT", instance_uuid, json={**document, "owner": owner})

    def copy(self, instance_uuid: str, owner: str) -> str:
        """Add the entry of another instance of another owner.

        :returns: its key
        """
        other = str(uuid.uuid4())
        document = self._document(instance_uuid)
        document |= {"instance_uuid": other, "owner": owner}
        document["host_record"]["instance_uuid"] = other
        self._ask("PUT", other, json=document)
        return other

    def add_unmarked(self) -> str:
        """Add an entry without an owner mark.

        :returns: its key
        """
        other = str(uuid.uuid4())
        document = {**dict.fromkeys(_FIELDS, ""), "instance_uuid": other}
        self._ask("POST", json=document)
        return other

    def _document(self, instance_uuid: str) -> Any:
        return self._ask("GET", instance_uuid).json()

    def _ask(
        self, method: str, key: str = "", **more: Any
    ) -> requests.Response:
        answer = requests.request(
            method,
            f"{self._url}/{key}" if key else self._url,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=waiting.LIMIT,
            **more,
        )
        answer.raise_for_status()
        return answer


Editor = LdapEditor | RestEditor

#: Kind of directory -> what edits it.
KINDS = {"ldap": LdapEditor, "rest": RestEditor}


def _secret(file: pathlib.Path) -> str:
    return file.read_text().strip()
