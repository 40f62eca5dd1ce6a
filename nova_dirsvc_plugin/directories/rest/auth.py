# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Who we are to a REST service: what goes onto each request to say so."""

import base64
import hashlib
import hmac
import json
import pathlib
import re
import time
from collections.abc import Callable
from typing import Any

import requests

from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import oauth2

#: What a header's name and value may be made of (RFC 9110, 5.1 and 5.5).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")

#: Those that are the driver's own.
_OURS = frozenset(
    (
        "authorization",
        "content-length",
        "content-type",
        "dirsvc-as-of",
        "dirsvc-owner",
        "dirsvc-signature",
        "dirsvc-verb",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "x-hub-signature-256",
    )
)


class Login(requests.auth.AuthBase):
    """Signs requests; called by requests for each.

    :param options: the group ``[rest]``
    :param clock: epoch seconds
    :raises base.WrongOption: one that it needs is missing
    """

    def __init__(
        self, options: Any, clock: Callable[[], float] = time.time
    ) -> None:
        self._options = options
        self._clock = clock
        self._check()
        self._open = _headers(options.header, "header")
        self._headers: dict[str, str] = {}
        self._key = b""
        self._secrets: set[str] = set()
        self._tokens = oauth2.Tokens(options, clock)

    def renew(self, ask: oauth2.Ask) -> None:
        """Read the files again, and get a token if there is no good one.

        :raises base.DirectoryUnavailable: that did not work; it says why
        """
        try:
            self._renew(ask)
        except base.WrongOption as error:
            # A file that changed is no reason to end a daemon that runs.
            raise base.DirectoryUnavailable(str(error)) from error

    def _renew(self, ask: oauth2.Ask) -> None:
        options = self._options
        # Known before anything is asked, as an answer may have them.
        secrets = self._secrets = set()
        headers = dict(self._open)
        if options.headers_file:
            told = _headers(
                _read(options, "headers_file").splitlines(), "headers_file"
            )
            headers |= told
            secrets |= set(told.values())
        secret = ""
        match options.auth:
            case "basic":
                secret = _read(options, "password_file")
                headers["Authorization"] = _basic(options.user, secret)
            case "bearer":
                secret = _read(options, "token_file")
                headers["Authorization"] = f"Bearer {secret}"
            case "oauth2":
                secret = _read(options, "oauth2_client_secret_file")
                secrets |= {
                    secret,
                    oauth2.encoded(options.oauth2_client_id, secret),
                }
                secret = self._tokens.get(secret, ask, self.masked)
                headers["Authorization"] = f"Bearer {secret}"
        secrets.add(secret)
        secrets |= set(headers.get("Authorization", "").split()[1:])
        if options.hmac_key_file:
            key = _read(options, "hmac_key_file")
            self._key = key.encode()
            secrets.add(key)
        _check_headers(headers)
        self._headers = headers

    def forget_token(self) -> None:
        """Get a new one next time: this one was refused."""
        self._tokens.forget()

    def masked(self, text: str) -> str:
        """Give a text without our secrets: services do echo requests.

        Nor as JSON has them.
        """
        secrets = self._secrets - {""}
        secrets |= {json.dumps(secret)[1:-1] for secret in secrets}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def __call__(
        self, request: requests.PreparedRequest
    ) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        if self._key:
            name, value = self._signature(request)
            request.headers[name] = value
        return request

    def _signature(self, request: requests.PreparedRequest) -> tuple[str, str]:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        if self._options.hmac_signs == "body":
            return "X-Hub-Signature-256", f"sha256={self._digest(body)}"
        now = int(self._clock())
        head = f"{now}\n{request.method}\n{request.path_url}\n".encode()
        return "Dirsvc-Signature", f"t={now},v1={self._digest(head + body)}"

    def _digest(self, text: bytes) -> str:
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def _check(self) -> None:
        options = self._options
        needed = {
            "none": (),
            "basic": ("user", "password_file"),
            "bearer": ("token_file",),
            "oauth2": (
                "oauth2_token_url",
                "oauth2_client_id",
                "oauth2_client_secret_file",
            ),
        }
        for name in needed[options.auth]:
            if not getattr(options, name):
                raise base.WrongOption(
                    f"[rest] auth = {options.auth} needs {name}"
                )
        if ":" in options.user:
            raise base.WrongOption("[rest] user: no user has a colon")
        if (
            options.hmac_key_file
            and options.hmac_signs == "body"
            and options.unregister_method != "POST"
        ):
            raise base.WrongOption(
                "[rest] hmac_signs = body signs nothing of a DELETE: set"
                " unregister_method = POST, or hmac_signs = request"
            )


def _basic(user: str, password: str) -> str:
    """Make the header of basic authentication, in UTF-8 (RFC 7617, 2.1)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _read(options: Any, name: str) -> str:
    """Read a file that an option names, without the line feed at its end.

    :raises base.DirectoryUnavailable: it cannot be
    """
    path = getattr(options, name)
    try:
        text = pathlib.Path(path).read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise base.DirectoryUnavailable(
            f"[rest] {name} {path}: {why}"
        ) from error
    if not text:
        raise base.DirectoryUnavailable(f"[rest] {name} {path} is empty")
    return text


def _headers(lines: Any, option: str) -> dict[str, str]:
    """Read ``Name: value`` lines.

    :raises base.WrongOption: one is none; only its name is told
    """
    found = {}
    for line in lines:
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name):
            raise base.WrongOption(
                f"[rest] {option}: a line is no `Name: value`"
            )
        if name.lower() in _OURS:
            raise base.WrongOption(
                f"[rest] {option}: {name} is set by the driver itself"
            )
        found[name] = value
    _check_headers(found)
    return found


def _check_headers(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not _VALUE.fullmatch(value):
            raise base.WrongOption(
                f"[rest] the value of the header {name} has characters that"
                " no header can carry"
            )
