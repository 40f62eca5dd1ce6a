# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Authentication of requests: headers, tokens and signatures."""

import hashlib
import hmac
import http
import math
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import requests
from oauthlib import oauth2
from requests.auth import AuthBase, HTTPBasicAuth

from nova_dirsvc_plugin import untrusted_text
from nova_dirsvc_plugin.directories import base, credentials
from nova_dirsvc_plugin.directories.rest import headers, response

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
        self._fixed_headers = headers.read(options.header, "header")
        self._headers: dict[str, str] = {}
        self._basic: HTTPBasicAuth | None = None
        self._key = b""
        self._secrets: set[str] = set()
        self._token = ""
        self._refusals = credentials.Refusals()
        self._sent: credentials.Credential | None = None
        self._accepted: credentials.Credential | None = None
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
        made = dict(self._fixed_headers)
        if options.headers_file:
            lines = _read(options, "headers_file").text.splitlines()
            from_file = headers.read(lines, "headers_file")
            self._secrets |= set(from_file.values())
            made |= from_file
        match options.auth:
            case "basic":
                self._sent = self._read("password_file")
                self._basic = HTTPBasicAuth(
                    options.user.encode(), self._sent.text.encode()
                )
            case "bearer":
                self._sent = self._read("token_file")
                made["Authorization"] = f"Bearer {self._sent.text}"
            case "oauth2":
                secret = self._read("oauth2_client_secret_file")
                if self._clock() >= self._use_token_before:
                    self._request_token(secret, send)
                made["Authorization"] = f"Bearer {self._token}"
        if options.hmac_key_file:
            self._key = self._secret("hmac_key_file").encode()
        headers.check(made)
        self._headers = made
        sample = requests.Request("GET", options.url, auth=self)
        self._add_credentials(sample.prepare())

    def _add_credentials(self, request: requests.PreparedRequest) -> None:
        """Mask what a service may repeat, the header as it is encoded, too."""
        header = request.headers.get("Authorization", "")
        self._secrets.add(header.partition(" ")[2])
        untrusted_text.keep_secret("[rest]", self._secrets)

    @property
    def is_accepted(self) -> bool:
        """Whether the service has taken what is sent; if not, ask it once."""
        return self._sent == self._accepted

    def check(self) -> None:
        """Check that the credential may be sent.

        :raises base.DirectoryUnavailable: the service has refused it
        """
        if self._sent:
            self._refusals.check(self._sent)

    def note(self, answer: response.Answer, where: str) -> None:
        """Take note of what the service has said of the credential.

        :param where: method and URL, for the reason
        """
        if answer.status != http.HTTPStatus.UNAUTHORIZED:
            self._accepted = self._sent
            return
        # The next token may be taken.
        self._use_token_before = 0.0
        # When it is sent again, by one connection.
        self._accepted = None
        if self._sent:
            self._refusals.add(
                self._sent,
                f"{where}: {answer.describe()}: see [rest] auth",
            )

    def _secret(self, option: str) -> str:
        return self._read(option).text

    def _read(self, option: str) -> credentials.Credential:
        read = _read(self._options, option)
        self._secrets.add(read.text)
        return read

    def _request_token(
        self, secret: credentials.Credential, send: Send
    ) -> None:
        """Request a token by client credentials (RFC 6749, 4.4)."""
        self._refusals.check(secret)
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
            auth=HTTPBasicAuth(
                quote(options.oauth2_client_id), quote(secret.text)
            ),
        ).prepare()
        self._add_credentials(request)
        now = self._clock()
        answer = send(request)
        try:
            self._token, lifetime = _token(answer)
        except ValueError as error:
            reason = response.on_one_line(error)
            reason = (
                f"no token: POST {options.oauth2_token_url}: {answer.status}:"
                f" {reason}: see the [rest] oauth2_ options"
            )
            if answer.status == 401 or b"invalid_client" in answer.body:
                reason = self._refusals.add(secret, reason)
            raise base.DirectoryUnavailable(reason) from None
        margin = min(_EXPIRY_MARGIN, lifetime / 2)
        self._use_token_before = now + lifetime - margin

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


def _read(options: Any, name: str) -> credentials.Credential:
    """Read a file that an option names, without the line feed at its end.

    :raises base.DirectoryUnavailable: it cannot be read, or is empty
    """
    path = getattr(options, name)
    try:
        read = credentials.Credential.read(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise base.DirectoryUnavailable(
            f"[rest] {name} {path}: {reason}"
        ) from error
    if not read.text:
        raise base.DirectoryUnavailable(f"[rest] {name} {path} is empty")
    return read
