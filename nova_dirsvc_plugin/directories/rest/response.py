# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a response of a REST service means. Pure."""

import dataclasses
import datetime
import email.utils
import http
import json
import re
from collections.abc import Mapping

from nova_dirsvc_plugin import untrusted_text
from nova_dirsvc_plugin.directories import base
from nova_dirsvc_plugin.directories.rest import document

#: Bytes of a page of entries.
PAGE_LIMIT = 32 * 1024 * 1024

#: Characters of an answer that are kept as a reason.
_REASON_LENGTH = 200

_DONE = range(200, 300)
MOVED = range(300, 400)
_REFUSED = range(400, 500)

#: The 4xx that do not refuse this state, as any other would get them,
#: too. A 401 or a 407 is about our credentials.
_NOT_NOW = frozenset((401, 407, 408, 425, 429))

#: An unregister is done if there is no such entry.
_GONE = frozenset((404, 410))

#: The statuses of a service that has no list of entries.
_NO_LIST = frozenset((404, 405, 410, 501))

#: Those of a service that gives no single entry.
NOT_ONE_BY_ONE = frozenset((405, 501))


@dataclasses.dataclass(frozen=True, slots=True)
class Outage(base.Unavailable):
    """Unavailable for a reason that affects other states as well."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer of a service.

    :ivar body: no more of it than was asked for
    :ivar whole: whether that is all of it
    :ivar retry_after: seconds for which the service asked for no requests
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    whole: bool = True
    retry_after: float = 0.0

    def describe(self) -> str:
        """Return the status and the beginning of the body, on one line.

        Of a redirect, its new address.
        """
        if self.status in MOVED:
            return f"{self.status}: {on_one_line(self.moved)}"
        try:
            phrase = " " + http.HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        text = on_one_line(self.body.decode(errors="replace"))
        return f"{self.status}{phrase}" + (f": {text}" if text else "")

    @property
    def moved(self) -> str:
        """The new address of a redirect; our secrets do not go there."""
        return f"moved to {self.headers.get('Location', '')}, not followed"


def on_one_line(text: object) -> str:
    """Return as much of a text as is kept as a reason."""
    return untrusted_text.on_one_line(text, _REASON_LENGTH)


def outcome(answer: Answer, removes: bool, where: str) -> base.Outcome:
    """Return the outcome of a state.

    :param removes: whether the state removes the entry
    :param where: method and URL, for the reason
    """
    status = answer.status
    if status in _DONE and _is_web_page(answer):
        return Outage(
            f"{where}: {status} with a web page: is that the service, or a"
            " proxy?"
        )
    if status in _DONE:
        return base.Done()
    if removes and status in _GONE:
        return base.Done(operation="")
    reason = f"{where}: {answer.describe()}"
    if status in _REFUSED and status not in _NOT_NOW:
        return base.Rejected(reason)
    if status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return base.Unavailable(reason)
    if status in MOVED:
        reason += ": see [rest] url"
    if status in (401, 407):
        reason += ": see [rest] auth, or the credentials of the proxy"
    return Outage(reason, answer.retry_after)


def page(
    answer: Answer, where: str, *, is_first: bool
) -> list[document.Document]:
    """Read the documents of a page of entries, with the service's names.

    :param where: method and URL, for the reason
    :param is_first: the first page alone tells whether there is a list
    :raises base.EntriesNotKept: the service has no list
    :raises base.DirectoryUnavailable: this is not a whole page
    """
    if answer.status in _NO_LIST and is_first:
        raise base.EntriesNotKept(f"{where}: {answer.status}: no such list")
    if answer.status != 200:
        raise base.DirectoryUnavailable(f"{where}: {answer.describe()}")
    if not answer.whole:
        raise base.DirectoryUnavailable(
            f"{where}: more than {PAGE_LIMIT} bytes: see [rest] page_size"
        )
    try:
        found = json.loads(answer.body)["instances"]
        if not isinstance(found, list) or not all(
            isinstance(one, dict) for one in found
        ):
            raise TypeError("it must be an array of objects")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise base.DirectoryUnavailable(
            f"{where}: not a list of instances: {error!r:.200}"
        ) from error
    return found


def one(answer: Answer, where: str) -> document.Document | None:
    """Read the document of one entry, with the service's names.

    :returns: None if there is no such entry
    :raises base.DirectoryUnavailable: this is not a document
    """
    if answer.status in _GONE:
        return None
    if answer.status != 200:
        raise base.DirectoryUnavailable(f"{where}: {answer.describe()}")
    try:
        found = json.loads(answer.body)
        if not answer.whole or not isinstance(found, dict):
            raise TypeError("it must be a whole object")
    except (ValueError, TypeError, RecursionError) as error:
        raise base.DirectoryUnavailable(
            f"{where}: not a document: {error!r:.200}"
        ) from error
    return found


def retry_after(
    status: int, headers: Mapping[str, str], now: float, longest: float
) -> float:
    """Read for how long the service asks for no requests (RFC 9110, 10.2.3).

    A date is compared with the service's own clock, if the answer has it.

    :param now: epoch seconds
    :param longest: seconds that are granted at most
    :returns: seconds; 0 for no such request, or one that makes no sense
    """
    if status not in (429, 503):
        return 0.0
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), longest)
    until = _epoch_seconds(text)
    if until is None:
        return 0.0
    its_now = _epoch_seconds(headers.get("Date", ""))
    seconds = until - (now if its_now is None else its_now)
    return min(max(seconds, 0.0), longest)


def _epoch_seconds(date: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return moment.timestamp()
    except (OverflowError, ValueError):
        return None


def _is_web_page(answer: Answer) -> bool:
    """Tell a page for people, such as a proxy's, from a service's answer."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    return kind.strip().lower() in (
        "text/html",
        "application/xhtml+xml",
    ) and answer.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
