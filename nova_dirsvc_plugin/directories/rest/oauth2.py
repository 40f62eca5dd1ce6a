# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens of OAuth 2.0, by a client's credentials (RFC 6749, 4.4)."""

import base64
import math
import urllib.parse
from collections.abc import Callable
from typing import Any

import requests
from oauthlib import oauth2

from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import response

#: Seconds before its end that a token is no longer used, and how long one
#: lasts that does not say (RFC 6749, 5.1).
_SPARE = 30.0
_LASTS = 300.0

#: What a server's odd answer makes oauthlib raise.
_STUMBLES = (
    oauth2.OAuth2Error,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    Warning,
)

#: Asks for a token: from a ready request, gives the answer.
Ask = Callable[[requests.PreparedRequest], response.Answer]


class Tokens:
    """Gets a token, and uses it until shortly before its end.

    :param options: the group ``[rest]``
    :param clock: epoch seconds
    """

    def __init__(self, options: Any, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._token = ""
        self._ends = 0.0

    def get(self, secret: str, ask: Ask, mask: response.Mask) -> str:
        """Give a token that is good.

        :param secret: the client's
        :param mask: takes our secrets out
        :raises base.DirectoryUnavailable: there is none; it says why
        """
        now = self._clock()
        if now < self._ends:
            return self._token
        answer = ask(self._request(secret))
        try:
            self._token, lasts = _read(answer)
        except ValueError as error:
            why = response.on_one_line(mask(str(error)))
            raise base.DirectoryUnavailable(
                f"no token: POST {self._options.oauth2_token_url}:"
                f" {answer.status}: {why}: see the [rest] oauth2_ options"
            ) from None
        self._ends = now + max(lasts - _SPARE, lasts / 2)
        return self._token

    def forget(self) -> None:
        """Get a new one next time: this one was refused."""
        self._ends = 0.0

    def _request(self, secret: str) -> requests.PreparedRequest:
        options = self._options
        client = oauth2.BackendApplicationClient(options.oauth2_client_id)
        login = encoded(options.oauth2_client_id, secret)
        request = requests.PreparedRequest()
        request.prepare(
            method="POST",
            url=options.oauth2_token_url,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": f"Basic {login}",
            },
            data=client.prepare_request_body(
                scope=options.oauth2_scope or None
            ),
        )
        return request


def encoded(client_id: str, secret: str) -> str:
    """Write a client's credentials (RFC 6749, 2.3.1)."""
    quote = urllib.parse.quote_plus
    pair = f"{quote(client_id)}:{quote(secret)}"
    return base64.b64encode(pair.encode()).decode()


def _read(answer: response.Answer) -> tuple[str, float]:
    """Read a token, and how many seconds it lasts.

    :raises ValueError: there is none; the message says why
    """
    if answer.status in response.MOVED:
        raise ValueError(answer.moved)
    client = oauth2.BackendApplicationClient("")
    try:
        told = client.parse_request_body_response(answer.body.decode())
        token, lasts = told["access_token"], told.get("expires_in") or _LASTS
        lasts = float(lasts)
    except _STUMBLES as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if answer.status != 200:
        raise ValueError("a token with a status that is none of success")
    if not isinstance(token, str) or not token:
        raise ValueError("access_token is no text")
    if not math.isfinite(lasts):
        raise ValueError("expires_in is no number of seconds")
    return token, lasts
