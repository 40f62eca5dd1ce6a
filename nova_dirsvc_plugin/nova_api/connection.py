# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Sends requests to Nova and Keystone with the account of ``[nova]``.

An answer has a limit of its size, and a name for each way it can fail. The
account's token is masked wherever an answer repeats it.
"""

import dataclasses
import email.utils
import functools
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from keystoneauth1 import adapter as ksa_adapter
from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1 import plugin

from nova_dirsvc_plugin import untrusted_text

LOG = logging.getLogger(__name__)

#: The group of the options, which are keystoneauth's.
GROUP = "nova"

#: Microversions, the best first: 2.90 shows the host name to all, 2.69
#: answers for a cell that is down, 2.47 has the flavor's name.
MICROVERSIONS = ("2.90", "2.69", "2.47")

#: Bytes of an answer. An instance has up to 64 KiB of user data.
MOST_BYTES = 64 * 1024 * 1024
_PIECE = 64 * 1024


class NoAnswer(untrusted_text.UntrustedError):
    """No answer came that can be used; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status.

    :ivar body: empty where it is no JSON object
    :ivar as_of: epoch seconds by the clock of who answers, when it was asked
        or a little before; None where its time is not told, or agrees with
        the clock here
    """

    status: int
    body: Mapping[str, Any]
    as_of: float | None = None


class Connection:
    """Requests of one account, by any thread.

    :param adapter: to the compute API; it raises nothing for an answer of
        any status, and tries nothing again
    """

    def __init__(self, adapter: ksa_adapter.Adapter) -> None:
        self._adapter = adapter
        self._microversion = MICROVERSIONS[0]

    @property
    def tells_down_cells(self) -> bool:
        """Whether Nova says which cells are down; known after an answer."""
        return self._microversion != MICROVERSIONS[-1]

    def endpoint(self) -> str:
        """Return the URL of the compute API.

        :raises NoAnswer: it cannot be found out
        """
        try:
            found = self._adapter.get_endpoint()
        except ksa_exceptions.ClientException as error:
            raise _no_answer("Nova", error) from error
        return untrusted_text.masked(found or "").rstrip("/")

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        limit: float = 0.0,
    ) -> Answer:
        """Ask Nova, in the best microversion that it has.

        :param limit: seconds for Nova to go on with its answer, where that
            is more than the session's own limit
        :raises NoAnswer: none came
        """
        more: dict[str, Any] = {"params": dict(params or {})}
        own = self._adapter.session.timeout
        if limit and own is not None:
            more["timeout"] = max(limit, own)
        first = MICROVERSIONS.index(self._microversion)
        for microversion in MICROVERSIONS[first:]:
            answer = self._answer(
                "Nova",
                functools.partial(
                    self._adapter.get,
                    path,
                    microversion=microversion,
                    stream=True,
                    log=False,
                    **more,
                ),
            )
            if answer.status != 406:
                self._microversion = microversion
                break
        return answer

    def get_from_keystone(self, path: str) -> Answer:
        """Ask the Keystone that gives the account its token.

        :raises NoAnswer: none came
        """
        return self._answer(
            "Keystone",
            functools.partial(
                self._adapter.session.get,
                path,
                auth=self._adapter.auth,
                endpoint_filter={
                    "service_type": "identity",
                    "interface": plugin.AUTH_INTERFACE,
                    "min_version": (3, 0),
                    "max_version": (3, "latest"),
                },
                headers={"Accept": "application/json"},
                connect_retries=0,
                status_code_retries=0,
                raise_exc=False,
                stream=True,
                log=False,
            ),
        )

    def _answer(self, whose: str, send: Callable[[], Any]) -> Answer:
        began = time.monotonic()
        try:
            # Masked before it is sent: the answer may repeat it. A token that
            # has expired is replaced on the way.
            self._mask_token()
            response = send()
            took = time.monotonic() - began
            answered_at = time.time()
            self._mask_token()
            body = _read(whose, response)
        # requests' own errors are of the kind OSError.
        except (ksa_exceptions.ClientException, OSError) as error:
            raise _no_answer(whose, error) from error
        LOG.debug("%s answers %d", whose, response.status_code)
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
        date = _date(response.headers.get("Date", ""))
        if date is not None and 0.0 <= answered_at - date < 1.0:
            # The clocks agree, and the one here has more than whole seconds.
            date = None
        return Answer(
            response.status_code,
            content if isinstance(content, dict) else {},
            None if date is None else date - took,
        )

    def _mask_token(self) -> None:
        session = self._adapter.session
        headers = session.get_auth_headers(self._adapter.auth) or {}
        untrusted_text.keep_secret(f"token of [{GROUP}]", headers.values())


def _date(header: str) -> float | None:
    """Return epoch seconds of an HTTP date, which has whole ones."""
    try:
        return email.utils.parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None


def _read(whose: str, response: Any) -> bytes:
    body = bytearray()
    for piece in response.iter_content(_PIECE):
        body += piece
        if len(body) > MOST_BYTES:
            response.close()
            raise NoAnswer(
                f"{whose}'s answer is longer than {MOST_BYTES >> 20} MiB"
            )
    return bytes(body)


def _no_answer(whose: str, error: Exception) -> NoAnswer:
    return NoAnswer(
        f"{whose} cannot be asked: {error}: check [{GROUP}] and whether"
        " Keystone and nova-api run"
    )


def advice(status: int) -> str:
    """Return what an error status of Nova means, and what to do."""
    if status == 401:
        return f"Nova refuses the account (401): check [{GROUP}]"
    if status == 403:
        return (
            f"the account of [{GROUP}] may not ask this (403): give it the"
            " role admin"
        )
    if status == 406:
        return (
            f"Nova's API is older than {MICROVERSIONS[-1]}: this needs Nova"
            " 16 (Pike) or newer"
        )
    if status >= 500:
        return f"Nova's API fails ({status}): see the log of nova-api"
    return (
        f"Nova answers {status}: check for a proxy between this host and"
        " nova-api"
    )
