# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Authentication of requests: headers, tokens and signatures."""

import hashlib
import hmac
import math
import pathlib
import re
import time
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

import requests
from oauthlib import oauth2
from requests.auth import AuthBase, HTTPBasicAuth

from nova_dirsvc_plugin import untrusted_text
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import response

#: What a header's name and value may be made of (RFC 9110, 5.1 and 5.5).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")

#: The headers that only the driver sets.
_RESERVED = re.compile(
    "authorization|content-length|content-type|dirsvc-(as-of|owner|signature|verb)"
    "|host|idempotency-key|transfer-encoding|x-hub-signature-256",
    re.IGNORECASE,
)

#: The options that a method of authentication needs.
_NEEDED = {
    "none": (),
    "basic": ("user", "password_file"),
    "bearer": ("token_file",),
    "oauth2": (
        "oauth2_token_url",
        "oauth2_client_id",
        "oauth2_client_secret_file",
    ),
}

#: Seconds before its expiry that a token is no longer used, and the lifetime
#: of a token whose answer has none (RFC 6749, 5.1).
_EXPIRY_MARGIN = 30.0
_LIFETIME = 300.0

#: Sends a request, and gives the answer.
Send = Callable[[requests.PreparedRequest], response.Answer]


class Auth(AuthBase):
    """Authenticates requests; requests calls it for each.

    :param options: the group ``[rest]``
    :param clock: epoch seconds
    :raises base.WrongOption: an option that it needs is missing
    """

    def __init__(
        self, options: Any, clock: Callable[[], float] = time.time
    ) -> None:
        _check(options)
        self._options = options
        self._clock = clock
        self._fixed_headers = _headers(options.header, "header")
        self._headers: dict[str, str] = {}
        self._basic: HTTPBasicAuth | None = None
        self._key = b""
        self._secrets: set[str] = set()
        self._token = ""
        self._use_token_before = 0.0

    def renew(self, send: Send) -> None:
        """Read the files again, and request a token unless one is valid.

        :raises base.DirectoryUnavailable: that failed; it says why
        """
        try:
            self._renew(send)
        except base.WrongOption as error:
            # A file that has changed must not end a running daemon.
            raise base.DirectoryUnavailable(str(error)) from error

    def _renew(self, send: Send) -> None:
        options = self._options
        self._secrets = set()
        headers = dict(self._fixed_headers)
        if options.headers_file:
            lines = _read(options, "headers_file").splitlines()
            from_file = _headers(lines, "headers_file")
            self._secrets |= set(from_file.values())
            headers |= from_file
        match options.auth:
            case "basic":
                password = self._secret("password_file")
                self._basic = HTTPBasicAuth(
                    options.user.encode(), password.encode()
                )
            case "bearer":
                token = self._secret("token_file")
                headers["Authorization"] = f"Bearer {token}"
            case "oauth2":
                secret = self._secret("oauth2_client_secret_file")
                if self._clock() >= self._use_token_before:
                    self._request_token(secret, send)
                headers["Authorization"] = f"Bearer {self._token}"
        if options.hmac_key_file:
            self._key = self._secret("hmac_key_file").encode()
        _check_values(headers)
        self._headers = headers
        sample = requests.Request("GET", options.url, auth=self)
        self._add_credentials(sample.prepare())

    def _add_credentials(self, request: requests.PreparedRequest) -> None:
        """Mask what a service may repeat, the header as it is encoded, too."""
        header = request.headers.get("Authorization", "")
        self._secrets.add(header.partition(" ")[2])
        untrusted_text.keep_secret("[rest]", self._secrets)

    def _secret(self, option: str) -> str:
        secret = _read(self._options, option)
        self._secrets.add(secret)
        return secret

    def _request_token(self, secret: str, send: Send) -> None:
        """Request a token by client credentials (RFC 6749, 4.4)."""
        options = self._options
        form = {"grant_type": "client_credentials"}
        if options.oauth2_scope:
            form["scope"] = options.oauth2_scope
        # Both are quoted before they are encoded (RFC 6749, 2.3.1).
        quote = urllib.parse.quote_plus
        request = requests.Request(
            "POST",
            options.oauth2_token_url,
            headers={"Accept": "application/json"},
            data=form,
            auth=HTTPBasicAuth(quote(options.oauth2_client_id), quote(secret)),
        ).prepare()
        self._add_credentials(request)
        now = self._clock()
        answer = send(request)
        try:
            self._token, lifetime = _token(answer)
        except ValueError as error:
            reason = response.on_one_line(error)
            raise base.DirectoryUnavailable(
                f"no token: POST {options.oauth2_token_url}: {answer.status}:"
                f" {reason}: see the [rest] oauth2_ options"
            ) from None
        margin = min(_EXPIRY_MARGIN, lifetime / 2)
        self._use_token_before = now + lifetime - margin

    def forget_token(self) -> None:
        """Request another token next time: the service refused this one."""
        self._use_token_before = 0.0

    def __call__(
        self, request: requests.PreparedRequest
    ) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        if self._basic:
            self._basic(request)
        if self._key:
            self._sign(request)
        return request

    def _sign(self, request: requests.PreparedRequest) -> None:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        now = int(self._clock())
        signs_body = self._options.hmac_signs == "body"
        if not signs_body:
            head = f"{now}\n{request.method}\n{request.path_url}\n"
            body = head.encode() + body
        digest = hmac.new(self._key, body, hashlib.sha256).hexdigest()
        if signs_body:
            request.headers["X-Hub-Signature-256"] = f"sha256={digest}"
        else:
            request.headers["Dirsvc-Signature"] = f"t={now},v1={digest}"


def _token(answer: response.Answer) -> tuple[str, float]:
    """Read a token, and the seconds that it is valid for.

    :raises ValueError: there is none; the message says why
    """
    if answer.status in response.MOVED:
        raise ValueError(answer.moved)
    client = oauth2.BackendApplicationClient("")
    try:
        found = client.parse_request_body_response(answer.body.decode())
        token = found["access_token"]
        lifetime = float(found.get("expires_in") or _LIFETIME)
    except Exception as error:
        # A malformed answer makes oauthlib raise whatever it stumbles over.
        raise ValueError(str(error) or type(error).__name__) from error
    if answer.status != 200:
        raise ValueError("a token, but the status is not 200")
    if not isinstance(token, str) or not token:
        raise ValueError("access_token is not a text")
    if not math.isfinite(lifetime):
        raise ValueError("expires_in is not a number of seconds")
    return token, lifetime


def _check(options: Any) -> None:
    for name in _NEEDED[options.auth]:
        if not getattr(options, name):
            raise base.WrongOption(
                f"[rest] auth = {options.auth} needs {name}"
            )
    if ":" in options.user:
        raise base.WrongOption(
            "[rest] user must not contain a colon (RFC 7617)"
        )
    if (
        options.hmac_key_file
        and options.hmac_signs == "body"
        and options.unregister_method != "POST"
    ):
        raise base.WrongOption(
            "[rest] hmac_signs = body cannot sign a DELETE, which has no body:"
            " set unregister_method = POST, or hmac_signs = request"
        )


def _read(options: Any, name: str) -> str:
    """Read a file that an option names, without the line feed at its end.

    :raises base.DirectoryUnavailable: it cannot be read, or is empty
    """
    path = getattr(options, name)
    try:
        text = pathlib.Path(path).read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise base.DirectoryUnavailable(
            f"[rest] {name} {path}: {reason}"
        ) from error
    if not text:
        raise base.DirectoryUnavailable(f"[rest] {name} {path} is empty")
    return text


def _headers(lines: Iterable[str], option: str) -> dict[str, str]:
    """Read ``Name: value`` lines.

    :raises base.WrongOption: one is malformed; no value is in the message
    """
    found = {}
    for line in lines:
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name):
            raise base.WrongOption(
                f"[rest] {option}: a line is not of the form `Name: value`"
            )
        if _RESERVED.fullmatch(name):
            raise base.WrongOption(
                f"[rest] {option}: the driver itself sets the header {name}"
            )
        found[name] = value
    _check_values(found)
    return found


def _check_values(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not _VALUE.fullmatch(value):
            raise base.WrongOption(
                f"[rest] the value of the header {name} contains characters"
                " that are not allowed in a header"
            )
