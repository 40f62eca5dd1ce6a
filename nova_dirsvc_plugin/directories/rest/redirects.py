# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Redirects: within a REST service, and nowhere else."""

import re
import urllib.parse
from typing import Any

import requests
import urllib3

from nova_dirsvc_plugin.directories.rest import response

#: Those that keep the method and the body.
_SAME_AGAIN = frozenset((307, 308))

#: In an address these are read in more than one way.
_AMBIGUOUS = re.compile(r"[\\\x00-\x20\x7f]")


def moved(
    request: requests.PreparedRequest,
    answer: response.Answer,
    auth: requests.auth.AuthBase,
) -> requests.PreparedRequest | None:
    """Make the request that a redirect within the service asks for.

    :param auth: signs it, as it is another now
    :returns: None where it asks for none, or for one to elsewhere
    """
    where = answer.headers.get("Location", "")
    if answer.status not in _SAME_AGAIN or not where:
        return None
    if _AMBIGUOUS.search(where):
        return None
    sent_on = request.copy()
    try:
        sent_on.prepare_url(
            urllib.parse.urljoin(request.url or "", where), None
        )
        if origin(sent_on.url or "") != origin(request.url or ""):
            return None
    except (
        ValueError,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
    ):
        return None
    sent_on.prepare_auth(auth)
    return sent_on


def origin(url: str) -> tuple[Any, ...]:
    """Give scheme, user, host and port, as urllib3 connects by them.

    :raises urllib3.exceptions.LocationParseError: it is no address
    """
    parts = urllib3.util.parse_url(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme or "")
    return (parts.scheme, parts.auth, parts.host, port)
