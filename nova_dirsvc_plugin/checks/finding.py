# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What a check has found: a name, what is wrong, how it is mended."""

import dataclasses
import enum

from nova_dirsvc_plugin import untrusted_text


class Level(enum.StrEnum):
    """How bad it is, the worst first."""

    ERROR = "ERROR"
    WARNING = "warning"
    NOT_CHECKED = "not checked"
    OK = "ok"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check.

    :ivar name: of what is wrong, the same in each release; empty: nothing is
    :ivar subject: what was looked at
    :ivar finding: what is wrong, one line of print
    :ivar remedy: what an operator does about it
    :ivar fatal: the daemon does not start with it
    """

    level: Level
    name: str
    subject: str
    finding: str
    remedy: str = ""
    fatal: bool = False

    def __post_init__(self) -> None:
        for field in ("finding", "remedy"):
            clean = untrusted_text.on_one_line(getattr(self, field))
            object.__setattr__(self, field, clean)

    def __str__(self) -> str:
        return f"{self.subject}: {self.finding}: {self.remedy}"


def error(
    name: str, subject: str, finding: str, remedy: str, fatal: bool = False
) -> Finding:
    return Finding(Level.ERROR, name, subject, finding, remedy, fatal)


def warning(name: str, subject: str, finding: str, remedy: str) -> Finding:
    return Finding(Level.WARNING, name, subject, finding, remedy)


def not_checked(subject: str, why: str, remedy: str = "") -> Finding:
    return Finding(Level.NOT_CHECKED, "", subject, why, remedy)


def ok(subject: str, finding: str = "") -> Finding:
    return Finding(Level.OK, "", subject, finding)
