# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the answer of a REST service means. Pure."""

import dataclasses
import datetime
import email.utils
import http
import re
from collections.abc import Callable, Mapping

from nova_dirsvc_plugin.directories import base

#: Characters of an answer that are kept as a reason.
SHOWN = 200

_DONE = range(200, 300)
MOVED = range(300, 400)
_REFUSED = range(400, 500)

#: Of the 4xx, those that say nothing against this change: they would be said
#: of any. A 401 or a 407 is about our credentials.
_NOT_NOW = frozenset((401, 407, 408, 425, 429))

#: That it is not there is what an unregister asks for.
_GONE = frozenset((404, 410))

_UNFIT = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\U0010ffff]+|\s+")


#: Takes secrets out of a text.
Redact = Callable[[str], str]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a service said.

    :ivar body: no more of it than was asked for
    :ivar whole: whether that is all of it
    :ivar headers: those that mean something to us
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    whole: bool = True

    def told(self, redact: Redact) -> str:
        """Say it on one line: the status, and how the body begins.

        Of a redirect, its new address.

        :param redact: takes our secrets out, which a service may echo
        """
        if self.status in MOVED:
            return f"{self.status}: {on_one_line(redact(self.moved))}"
        try:
            phrase = " " + http.HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        said = on_one_line(redact(self.body.decode(errors="replace")))
        return f"{self.status}{phrase}" + (f": {said}" if said else "")

    @property
    def moved(self) -> str:
        """Say where a redirect leads to; our secrets do not go there."""
        return f"moved to {self.headers.get('Location', '')}, not followed"


def on_one_line(text: str) -> str:
    """Give the beginning of a text, fit for a line of a log."""
    return " ".join(_UNFIT.sub(" ", text).split())[:SHOWN]


def outcome(
    answer: Answer, removes: bool, where: str, wait: float, redact: Redact
) -> base.Outcome:
    """Say what became of a change.

    :param removes: whether the change asks for no entry
    :param where: method and address, for the reason
    :param wait: seconds that the service asks to be left alone
    :param redact: takes our secrets out of a text
    """
    status = answer.status
    if status in _DONE:
        if _is_a_page(answer):
            return base.Unavailable(
                f"{where}: {status} with a web page: is that the service, or"
                " something before it?"
            )
        return base.Done()
    if removes and status in _GONE:
        return base.Done()
    reason = f"{where}: {answer.told(redact)}"
    if status in _REFUSED and status not in _NOT_NOW:
        return base.Rejected(reason)
    if status in MOVED:
        reason += ": see [rest] url"
    if status in (401, 407):
        reason += ": see [rest] auth, or the proxy's"
    return base.Unavailable(reason, wait)


def asks_for_peace(answer: Answer) -> bool:
    """Whether ``Retry-After`` is about all that we send, or may be."""
    return answer.status in (429, 503)


def retry_after(answer: Answer, now: float, longest: float) -> float:
    """Read how long the service asks to be left alone (RFC 9110, 10.2.3).

    A moment is taken by the service's own clock, if it tells it.

    :param now: epoch seconds
    :param longest: seconds that are granted at most
    :returns: seconds; 0 when it asks for nothing that makes sense
    """
    asked = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", asked):
        return min(float(asked), longest)
    until = _moment(asked)
    if until is None:
        return 0.0
    theirs = _moment(answer.headers.get("Date", ""))
    return min(max(until - (now if theirs is None else theirs), 0.0), longest)


def _moment(text: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    try:
        return moment.timestamp()
    except (OverflowError, ValueError):
        return None


def _is_a_page(answer: Answer) -> bool:
    """Tell a page for people, such as a proxy's, from a service's answer."""
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    return kind.strip().lower() in (
        "text/html",
        "application/xhtml+xml",
    ) and answer.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
