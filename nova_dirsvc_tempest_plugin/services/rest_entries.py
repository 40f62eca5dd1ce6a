# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Host entries behind HTTP, as documents of examples/rest/openapi.yaml."""

import dataclasses
import json
import pathlib

import urllib3

from nova_dirsvc_tempest_plugin.services import host_entries

#: What a server that is down, or on its way there, makes of a request.
_UNREACHABLE = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
)
_UNREACHABLE_STATUS = (502, 503, 504)

#: Fields of a host entry that the document calls alike.
_TEXTS = {
    field.name
    for field in dataclasses.fields(host_entries.HostEntry)
    if field.name not in ("owner_mark", "ip_addresses", "mac_addresses")
}

MANAGER_OPTION = "rest_manager_token_file"


class Refused(Exception):
    """The service answered what was not to be expected."""


def reader(conf):
    if conf.rest_user:
        password = _secret(conf.rest_password_file)
        login = urllib3.make_headers(basic_auth=f"{conf.rest_user}:{password}")
    else:
        login = _bearer(conf.rest_token_file)
    return RestHostEntries(conf, login)


def manager(conf):
    return RestAnyEntries(conf, _bearer(conf.rest_manager_token_file))


def _bearer(token_file: str) -> dict[str, str]:
    """Make the header of a token; no file: none."""
    if not token_file:
        return {}
    return {"Authorization": f"Bearer {_secret(token_file)}"}


def _secret(file: str) -> str:
    return pathlib.Path(file).read_text().rstrip("\n")


class _Rest:
    """Makes a connection for each request, as the server comes and goes."""

    def __init__(self, conf, login: dict[str, str]) -> None:
        self._url = conf.rest_url.rstrip("/")
        self._http = urllib3.PoolManager(
            headers={**login, "Connection": "close"},
            timeout=urllib3.Timeout(
                connect=conf.rest_timeout, read=conf.rest_timeout
            ),
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=conf.rest_cacertfile or None,
        )

    def _request(self, method: str, instance_uuid: str, document=None):
        """Ask for, or of, one document.

        :returns: the answer's body; None when there is no such document
        :raises host_entries.Unreachable: no answer, or none of the service's
        :raises Refused: the service does not want to
        """
        url = f"{self._url}/{instance_uuid}"
        headers = dict(self._http.headers)
        body = None
        if document is not None:
            body = json.dumps(document).encode()
            headers["Content-Type"] = "application/json"
        try:
            answer = self._http.request(
                method, url, body=body, headers=headers
            )
        except _UNREACHABLE as error:
            raise host_entries.Unreachable(f"{url}: {error!r}") from error
        if answer.status in _UNREACHABLE_STATUS:
            raise host_entries.Unreachable(f"{url}: {answer.status}")
        if answer.status == 404:
            return None
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} {url}: {answer.status} {answer.data!r}")
        return answer.data

    def _read(self, instance_uuid: str):
        """:returns: the document; None when there is none"""
        body = self._request("GET", instance_uuid)
        return None if body is None else json.loads(body)


class RestHostEntries(_Rest, host_entries.HostEntries):
    """Reads host entries from an HTTP service."""

    def get(self, instance_uuid):
        document = self._read(instance_uuid)
        if document is None:
            return None
        known = {**document, **document.get("host_record", {})}
        addresses = known.get("addresses") or []
        return host_entries.HostEntry(
            owner_mark=document["owner"],
            ip_addresses=_set_of("ip", addresses),
            mac_addresses=_set_of("mac", addresses),
            **{name: known[name] for name in _TEXTS & known.keys()},
        )


def _set_of(name: str, addresses: list[dict[str, str]]) -> frozenset[str]:
    return frozenset(address[name] for address in addresses if address[name])


class RestAnyEntries(_Rest, host_entries.AnyEntries):
    """Reads and writes all of an HTTP service."""

    def give_to(self, owner_mark, instance_uuid):
        document = self._read(instance_uuid)
        self._request("PUT", instance_uuid, {**document, "owner": owner_mark})

    def everything(self, instance_uuid):
        return self._read(instance_uuid)

    def remove(self, instance_uuid):
        self._request("DELETE", instance_uuid)
