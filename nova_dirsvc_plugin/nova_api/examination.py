# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Looks for what the account of ``[nova]`` would fail for; reads only."""

import dataclasses
import time
from collections.abc import Iterator

from keystoneauth1 import exceptions as ksa_exceptions

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.nova_api import cells, client, connection

#: Seconds by which two clocks may differ.
MOST_SKEW = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong.

    :ivar name: of the fault, the same in each release
    :ivar whose: of which service: *Nova API*, *Keystone*, *clock*
    :ivar severe: Nova cannot be asked as long as it lasts
    """

    name: str
    whose: str
    finding: str
    remedy: str
    severe: bool = True


def faults(nova: client.NovaClient) -> Iterator[Fault]:
    """Get a token, and ask what the daemon will ask."""
    try:
        nova.connection.endpoint()
        began = time.time()
        answer = nova.connection.get(
            "/servers", {"all_tenants": "1", "limit": "1"}
        )
    except connection.NoAnswer as error:
        yield _no_answer(error)
        return
    if answer.status != 200:
        yield _refusal(answer.status)
        return
    if answer.as_of is not None and abs(answer.as_of - began) > MOST_SKEW:
        yield _skew(answer.as_of - began)
    if not isinstance(answer.body.get("servers"), list):
        yield Fault(
            "nova-endpoint",
            "Nova API",
            f"what answers at {nova.connection.endpoint()} is not Nova's API",
            "correct the endpoint in the service catalog, or [nova]"
            " endpoint_override",
        )
        return
    yield from _of_services(nova)
    yield from _of_names(nova)


def _of_services(nova: client.NovaClient) -> Iterator[Fault]:
    """Ask what no removal is sure without."""
    try:
        answer = nova.connection.get(client.SERVICES)
        if answer.status != 200:
            yield _refusal(answer.status)
            return
        cells.check(answer.body)
    except connection.NoAnswer as error:
        yield _no_answer(error)
    except events.StateUnknown as error:
        yield Fault(
            "nova-cells",
            "Nova API",
            str(error),
            "nothing is removed until it is mended: see the cell",
            severe=False,
        )


def _of_names(nova: client.NovaClient) -> Iterator[Fault]:
    try:
        answer = nova.connection.get_from_keystone("/projects?limit=1")
    except connection.NoAnswer as error:
        yield _no_answer(error)
        return
    if answer.status != 200:
        yield Fault(
            "keystone-names",
            "Keystone",
            f"the account of [nova] may not list projects ({answer.status}):"
            " a reconcile finds no names of projects and users",
            "give it the role admin, or reader of the system",
            severe=False,
        )


def _no_answer(error: connection.NoAnswer) -> Fault:
    """Return the fault that a missing answer shows."""
    name, whose, remedy = (
        "nova-unreachable",
        "Nova API",
        "see whether Keystone and nova-api run, and the section [nova]",
    )
    match error.__cause__:
        case ksa_exceptions.Unauthorized():
            name, whose = "keystone-refuses", "Keystone"
            remedy = "correct username, password and domains in [nova]"
        case ksa_exceptions.EndpointNotFound():
            name, whose = "nova-endpoint", "Keystone"
            remedy = "correct [nova] region_name and valid_interfaces"
        case ksa_exceptions.SSLError():
            name, remedy = "nova-tls", "set [nova] cafile to the CA"
        case ksa_exceptions.DiscoveryFailure() | ksa_exceptions.NotFound():
            name, whose = "keystone-url", "Keystone"
            remedy = "correct [nova] auth_url"
        case ksa_exceptions.ConnectFailure():
            if "/v3" in str(error) or "auth" in str(error).lower():
                name, whose = "keystone-unreachable", "Keystone"
                remedy = "start Keystone, or correct [nova] auth_url"
    return Fault(name, whose, str(error), remedy)


def _refusal(status: int) -> Fault:
    """Return the fault that a status of Nova's shows."""
    names = {401: "nova-refuses", 403: "nova-role", 406: "nova-too-old"}
    name = "nova-fails" if status >= 500 else names.get(status, "nova-proxy")
    text, _, remedy = connection.advice(status).partition(": ")
    return Fault(name, "Nova API", text, remedy)


def _skew(seconds: float) -> Fault:
    ahead = "ahead of" if seconds > 0 else "behind"
    return Fault(
        "clock-skew",
        "clock",
        f"the clock of Nova's API is {abs(seconds):.0f} s {ahead} the clock"
        " here",
        "synchronise the clocks of both hosts (chrony, ntpd)",
        severe=False,
    )
