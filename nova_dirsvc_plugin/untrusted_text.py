# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a server says, made fit for a log, the outbox and a terminal.

Keystone, Nova, a proxy, a directory service or a message bus may repeat the
request that it was sent, with our password in it, and may say anything else:
line feeds that forge a line of the log, characters that move the cursor or
turn the direction of writing, megabytes. Each such text passes
:func:`on_one_line`.

A process has one log and one set of secrets: those that its parts have named
by :func:`keep_secret`.
"""

import html
import json
import logging
import re
import threading
import urllib.parse
from collections.abc import Iterable, Iterator

#: Characters of a text that are kept, unless the caller says otherwise.
LONGEST = 1000

#: A shorter secret would be found in half of all words. One that may be a
#: word itself (``secret`` is in the names of options) is masked where it
#: stands alone.
SHORTEST_SECRET = 4
LONGEST_WORD = 12

#: Secrets that every log has, too: short numbers, ports for one, and words of
#: this trade. They are masked where something calls them a secret.
_COMMON = re.compile(
    "[0-9]{1,5}|admin|default|demo|directory|entry|host|instance|ldap|manager"
    "|nova|openstack|outbox|register|rest|server|service|user",
    re.IGNORECASE,
)
_NAMED = (
    # With a limit, lest a text of nothing but such words take minutes.
    r"(?P<name>(?i:pass|pwd|secret|token|key|credential)\w{0,32}"
    r"(?:[\s:=>\"'(\\]|%3[aAdD]|%2[02]|is\b){1,8})"
)

MASK = "***"

#: The user and password in a URL: a proxy's, say.
_USERINFO = re.compile(r"//[^/@\s]*@")

#: The beginning of a word, also after an escape that ends with a letter: of a
#: URL, of JSON, or of Python's bytes.
_BEFORE = (
    r"(?:\b|(?<=%[0-9A-Fa-f]{2})|(?<=\\[bfnrt])|(?<=\\x[0-9A-Fa-f]{2})"
    r"|(?<=\\u[0-9A-Fa-f]{4}))"
)

LOG = logging.getLogger(__name__)

_lock = threading.Lock()
_secrets: dict[str, frozenset[str]] = {}
_masked = _USERINFO


def keep_secret(holder: str, secrets: Iterable[str | None]) -> None:
    """Mask some secrets from now on.

    :param holder: whose they are; they replace those of an earlier call
    """
    global _masked
    found = frozenset(filter(None, secrets))
    with _lock:
        if _secrets.get(holder, frozenset()) == found:
            return
        if any(map(_COMMON.fullmatch, found)):
            LOG.warning(
                "The secret of %s is a word or a number that every log has: it"
                " is masked only behind words such as password. Choose"
                " another one",
                holder,
            )
        _secrets[holder] = found
        _masked = _pattern(frozenset().union(*_secrets.values()))


def masked(text: str) -> str:
    """Return a text without our secrets, in whatever spelling."""
    return _masked.sub(_replacement, text)


def printable(text: str) -> str:
    """Return a text with a blank for each character that is not print.

    Those are control characters, separators of lines, marks of direction,
    halves of pairs, and what is not assigned.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " for char in text)


def on_one_line(text: object, longest: int = LONGEST) -> str:
    """Return the beginning of a text, masked, fit for a line of a log."""
    # Masked first: half of a secret is not found any more.
    clean = masked(str(text))[: 4 * longest]
    return " ".join(printable(clean).split())[:longest].rstrip()


class UntrustedError(Exception):
    """An error whose message may quote what a server said."""

    def __init__(self, message: object = "") -> None:
        super().__init__(on_one_line(message))


def _pattern(secrets: Iterable[str]) -> re.Pattern[str]:
    spellings = {
        spelling
        for secret in secrets
        for spelling in _spellings(secret)
        if len(spelling) >= SHORTEST_SECRET
    }
    common = {one for one in spellings if _COMMON.fullmatch(one)}
    others = spellings - common
    named = "|".join(map(re.escape, common)) or "(?!)"
    return re.compile(
        "|".join(
            (
                rf"{_NAMED}(?:{named})\b",
                # The longest first: one may be the beginning of another.
                *map(_found, sorted(others, key=len, reverse=True)),
                _USERINFO.pattern,
            )
        )
    )


def _found(spelling: str) -> str:
    """Return the regular expression of where a secret is one."""
    expression = re.escape(spelling)
    is_word = spelling.isalpha() and len(spelling) <= LONGEST_WORD
    return rf"{_BEFORE}{expression}\b" if is_word else expression


def _spellings(secret: str) -> Iterator[str]:
    """Return how a secret may be written where it is repeated."""
    yield secret
    yield " ".join(printable(secret).split())
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield repr(secret.encode(errors="replace"))[2:-1]
    yield html.escape(secret)
    for quote in (urllib.parse.quote, urllib.parse.quote_plus):
        # Servers quote by their own lights, and with either case.
        for safe in ("", "/", "!$&'()*+,;=:@"):
            quoted = quote(secret.encode(errors="replace"), safe=safe)
            yield quoted
            yield re.sub("%..", lambda escape: escape[0].lower(), quoted)


def _replacement(match: re.Match[str]) -> str:
    found = match[0]
    if name := match.groupdict().get("name"):
        return f"{name}{MASK}"
    return f"//{MASK}@" if _USERINFO.fullmatch(found) else MASK
