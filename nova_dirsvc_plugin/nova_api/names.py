# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Names of projects and users, of which Nova's API knows the ids only."""

import dataclasses
import logging
import math
import time
import urllib.parse
from collections.abc import Callable

from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.notifications import values
from nova_dirsvc_plugin.nova_api import client, connection

LOG = logging.getLogger(__name__)

#: Names that are asked for one by one before all are asked for at once.
FEW = 10

#: Seconds that a name is kept, and an id without one.
KEPT = 3600.0

#: Answers in a row that tell nothing, after which Keystone is not asked for
#: some seconds.
MOST_FAILURES = 5
PAUSE = 300.0


class Names:
    """The names that Keystone has, cached; for one thread.

    :param users: whether names of users are asked for: ``record_users``
    :param clock: seconds, of any beginning
    """

    def __init__(
        self,
        nova: client.NovaClient,
        users: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._projects = _Names(nova.connection, "project", clock)
        self._users = _Names(nova.connection, "user", clock) if users else None

    def complete(self, record: events.HostRecord) -> events.HostRecord:
        """Return a record with the names that it lacks; never raises.

        A name that is not found, or that the account may not see, stays
        empty.
        """
        project_name, user_name = self.of(
            "" if record.project_name else record.project_id,
            "" if record.user_name else record.user_id,
        )
        return dataclasses.replace(
            record,
            project_name=record.project_name or project_name,
            user_name=record.user_name or user_name,
        )

    def of(self, project_id: str, user_id: str) -> tuple[str, str]:
        """Return the names of a project and of a user; never raises."""
        return (
            self._projects.name(project_id) if project_id else "",
            self._users.name(user_id) if self._users and user_id else "",
        )


class _Names:
    """The names of a kind.

    :param kind: ``project`` or ``user``, the word of Keystone's API
    """

    def __init__(
        self,
        keystone: connection.Connection,
        kind: str,
        clock: Callable[[], float],
    ) -> None:
        self._keystone = keystone
        self._kind = kind
        self._clock = clock
        self._failures = 0
        self._paused_until = -math.inf
        self._forget()

    def _forget(self) -> None:
        self._cached: dict[str, str] = {}
        self._forget_at = self._clock() + KEPT
        self._all_were_asked_for = False

    def name(self, of: str) -> str:
        """Return the name that belongs to an id, or an empty text."""
        now = self._clock()
        if now >= self._forget_at:
            self._forget()
        if of not in self._cached and now >= self._paused_until:
            if len(self._cached) >= FEW and not self._all_were_asked_for:
                self._all_were_asked_for = True
                self._ask_for_all()
            if of not in self._cached:
                self._ask_for_one(of)
        return self._cached.get(of, "")

    def _ask_for_all(self) -> None:
        """Ask for what the account may list, which may be a part."""
        answer = self._ask("")
        items = answer.body.get(f"{self._kind}s") if answer else None
        for item in items if isinstance(items, list) else ():
            self._keep(item)

    def _ask_for_one(self, of: str) -> None:
        if of.strip(".") == "":
            # It would be another path.
            return
        quoted = urllib.parse.quote(of, safe="", errors="replace")
        answer = self._ask(f"/{quoted}")
        if answer is None:
            return
        # Not asked again, whatever comes: no such one, or not for us.
        self._cached[of] = ""
        self._keep(answer.body.get(self._kind))

    def _keep(self, item: object) -> None:
        if not isinstance(item, dict):
            return
        identifier, name = item.get("id"), item.get("name")
        if (
            isinstance(identifier, str)
            and isinstance(name, str)
            and values.storable(name)
        ):
            self._cached[identifier] = name

    def _ask(self, path: str) -> connection.Answer | None:
        """Ask Keystone; None if there is no answer that stays the same."""
        try:
            answer = self._keystone.get_from_keystone(f"/{self._kind}s{path}")
        except connection.NoAnswer as error:
            self._failed(str(error))
            return None
        if answer.status == 200:
            self._failures = 0
        elif answer.status == 403:
            self._failed(
                "it answers 403: check whether the account of"
                f" [{client.GROUP}] may list {self._kind}s"
            )
        elif answer.status != 404:
            self._failed(f"it answers {answer.status}: see its log")
        return answer if answer.status in (200, 403, 404) else None

    def _failed(self, why: str) -> None:
        self._failures += 1
        if self._failures < MOST_FAILURES:
            return
        self._failures = 0
        self._paused_until = self._clock() + PAUSE
        LOG.warning(
            "Keystone is not asked for the names of %ss for %g s, and entries"
            " keep those that they have: %s",
            self._kind,
            PAUSE,
            why,
        )
