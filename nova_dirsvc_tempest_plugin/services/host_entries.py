# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A directory's host entries, whatever the directory speaks."""

import abc
import dataclasses


class Unreachable(Exception):
    """The directory did not answer; it may later."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HostEntry:
    """What a directory says about one instance; unknown is empty.

    Times are as Nova writes them: ``2026-11-22T10:27:53Z``.
    """

    instance_uuid: str
    owner_mark: str = ""
    host_name: str = ""
    display_name: str = ""
    project_id: str = ""
    project_name: str = ""
    user_id: str = ""
    user_name: str = ""
    user_remote_address: str = ""
    image_uuid: str = ""
    flavor_name: str = ""
    availability_zone: str = ""
    compute_host: str = ""
    created_at: str = ""
    launched_at: str = ""
    ip_addresses: frozenset[str] = frozenset()
    mac_addresses: frozenset[str] = frozenset()


class HostEntries(abc.ABC):
    """Reads host entries."""

    @abc.abstractmethod
    def get(self, instance_uuid: str) -> HostEntry | None:
        """Read the entry of an instance.

        :returns: None when there is none
        :raises Unreachable: the directory did not answer
        """


class AnyEntries(abc.ABC):
    """Reads and writes entries of every owner, as an operator may."""

    @abc.abstractmethod
    def give_to(self, owner_mark: str, instance_uuid: str) -> None:
        """Make another cloud the owner of an entry."""

    @abc.abstractmethod
    def everything(self, instance_uuid: str) -> object:
        """Read all that the directory tells of an entry.

        :returns: what is equal for as long as nobody changes the entry; None
            when there is none
        """

    @abc.abstractmethod
    def remove(self, instance_uuid: str) -> None:
        """Remove an entry; that there is none is fine."""
