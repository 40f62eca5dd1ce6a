# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The contract of a directory driver: one class, its options, five methods.

Two more are for drivers that wait for answers: they let delivery work
meanwhile.

A driver has never heard of Nova, of the outbox or of other directories. It
is called by one thread at a time. To write one: subclass
:class:`Directory`, name it in the entry point group
``nova_dirsvc.directories``, and run the contract test
(``tests/functional/directory_contract.py``) on it.
"""

import abc
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nova_dirsvc_plugin import errors, events, untrusted_text
from nova_dirsvc_plugin.directories import fault

#: Seconds within which :meth:`Directory.apply` returns, however many states
#: it is given and whatever the directory does. Delivery relies on it: a second
#: removal comes later than anything that was under way before the first.
LONGEST_BATCH = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """The directory has the state, durably.

    :ivar operation: what was written, in the driver's own words; empty when
        nothing had to be. A refusal counts against an entry only if the
        directory did the same for another one.
    """

    operation: str = dataclasses.field(default="write", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class _NotDone:
    """An answer with a reason, which may quote what a server said.

    :ivar reason: one line of print, without our secrets
    """

    reason: str

    def __post_init__(self) -> None:
        clean = untrusted_text.on_one_line(self.reason)
        object.__setattr__(self, "reason", clean)


@dataclasses.dataclass(frozen=True, slots=True)
class Unavailable(_NotDone):
    """The directory could not be asked, or not now: try again later.

    :ivar retry_after: seconds for which it asks for no requests, at least
    """

    retry_after: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class NotSent(Unavailable):
    """The batch was over before the state was sent: no attempt was made."""

    reason: str = "not sent: the time limit of the batch is reached"


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected(_NotDone):
    """The directory answered no.

    :ivar operation: what it refused, see :class:`Done`; empty when that is
        not known
    :ivar certain: it is the state that cannot be written, whatever the
        directory takes of others: it is not tried again
    """

    operation: str = dataclasses.field(default="write", compare=False)
    certain: bool = dataclasses.field(default=False, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Foreign(Rejected):
    """The entry is not ours to change: it waits until an operator decides."""


Outcome = Done | Unavailable | Rejected


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the directory keeps it.

    :ivar record: as far as it can be read back. What the directory does not
        keep is empty; applied again, the record changes nothing
    :ivar as_of: epoch seconds of the state that the entry has; 0.0 where that
        is not known
    :ivar owner: the owner mark; ours, where the directory keeps none
    :ivar name: where the entry is, in the directory's words: a DN, a URL
    :ivar content: all that the entry has: attribute -> values, in the
        directory's words; bytes that are not UTF-8 by ``surrogateescape``
    :ivar conflict: why it is not the one entry of its instance, and nothing
        may be changed because of it; empty if it is
    """

    record: events.HostRecord
    as_of: float
    owner: str
    name: str
    content: Mapping[str, Sequence[str]]
    conflict: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """What would be written to one attribute, in the directory's words.

    :ivar old: the values that it has
    :ivar new: those that it would get; empty: it would be removed
    """

    attribute: str
    old: Sequence[str]
    new: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured of a directory.

    :ivar property: what the directory should be
    :ivar is_well: whether it is
    :ivar detail: the figures; where it is not well, what to do
    """

    property: str
    is_well: bool
    detail: str


WrongOption = errors.WrongOption


def nothing() -> None:
    """Do nothing meanwhile."""


class Directory(abc.ABC):
    """One directory service.

    All verbs are idempotent. *register*, *refresh* and *restore* make the
    entry equal to the record, whether or not there was one; what the record
    does not know (:meth:`events.HostRecord.completed`) stays as it was.
    *unregister* and *soft-unregister* remove it; that there is none is
    success. An entry that carries another owner mark is never changed: that
    is Foreign.

    Other daemons may write later states to the same directory: an entry
    keeps the time of its state, and an older state only fills in what is
    unknown; it is Done. *unregister* alone is final, and ignores the time.

    :cvar TAKING: the attributes, in lower case, that make an entry ours when
        they are added to one of :meth:`others`
    :cvar OPTS: the driver's options (:mod:`oslo_config.cfg`), read from the
        group that has the driver's name
    :cvar APPEND_ONLY: it appends what happened instead of keeping the state
        of each instance: it gets, in turn, each event that changes one of
        the essentials, and ignores the time of the state
    :param options: that group
    :param owner: the owner mark
    :raises WrongOption: an option cannot be used
    """

    OPTS: ClassVar[Sequence[Any]] = ()
    APPEND_ONLY: ClassVar[bool] = False
    TAKING: ClassVar[Sequence[str]] = ()

    @abc.abstractmethod
    def __init__(self, options: Any, owner: str) -> None: ...

    @abc.abstractmethod
    def apply(self, states: Sequence[events.HostState]) -> Sequence[Outcome]:
        """Apply states of distinct instances, in any order or all at once.

        Returns within :data:`LONGEST_BATCH`. An error is an answer, not an
        exception: one :data:`Outcome` for each, in the same order.
        """

    def apply_overlapping(
        self,
        states: Sequence[events.HostState],
        meanwhile: Callable[[], None],
    ) -> Sequence[Outcome]:
        """Apply states, and let other things be done in the waiting time.

        A driver that waits for answers overrides this. The others apply the
        states and never call the function.

        :param meanwhile: is called once at most, by the thread that has
            called this, best when many requests are under way. It takes
            milliseconds, or seconds where a disk is slow; it raises nothing,
            and calls nothing of this driver but :meth:`look_ahead`
        """
        return self.apply(states)

    def look_ahead(  # noqa: B027 - most have nothing to look for
        self, states: Sequence[events.HostState]
    ) -> None:
        """Begin to read what it takes to apply the states of the next batch.

        It does not wait for answers, and raises nothing. The next batch may
        be another one, or not come: nothing is written for these states.
        """

    @abc.abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Return every entry with this cloud's owner mark, in any order.

        Several may be of one instance: at most one has no conflict.
        They are read as they are returned: who has not got the last one has
        not got all. Nothing else may be asked of this driver meanwhile.

        :raises DirectoryUnavailable: not all of them could be read
        :raises EntriesNotKept: none of them ever can
        """

    @abc.abstractmethod
    def find(self, uuids: Sequence[str]) -> Iterator[Entry]:
        """Return the entries of these instances, whatever their owner mark.

        :param uuids: distinct, in the usual spelling
        :raises DirectoryUnavailable: not all of them could be read
        :raises EntriesNotKept: none of them ever can
        """

    @abc.abstractmethod
    def differences(
        self, entry: Entry, state: events.HostState
    ) -> Sequence[Difference]:
        """Return what applying a state would write to an entry.

        It is found by what :meth:`apply` itself writes by, so that an entry
        has a difference if and only if *refresh* of the state would change
        more of it than its time. A driver that appends has none.

        :param entry: from :meth:`entries` or :meth:`find`, with our mark
        :param state: one that does not remove
        """

    def others(self) -> Iterator[Entry]:
        """Return the entries of hosts that do not carry our mark.

        Their records have what can be read: an entry may have no uuid. Only
        directories whose entries LDIF can change have this.

        :raises DirectoryUnavailable: not all of them could be read
        :raises EntriesNotKept: LDIF cannot change its entries
        """
        raise EntriesNotKept("LDIF cannot change its entries")

    def faults(self, thorough: bool = True) -> Iterator[fault.Fault]:
        """Look for what :meth:`apply` would fail for; write nothing.

        It takes some seconds at most, and ends with the first fault that
        hides others.

        :param thorough: for an operator who checks the installation, and not
            beside a delivery that begins
        """
        return iter(())

    @abc.abstractmethod
    def new_entry(self, state: events.HostState) -> Entry:
        """Return the entry that a state creates where there is no entry yet.

        Nothing is written; it is shown to who decides about it.
        """

    def measurements(self) -> Iterator[Measurement]:
        """Measure what makes the directory slow; nothing is changed in it.

        :raises DirectoryUnavailable: it cannot be asked
        """
        yield from ()

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Close connections; the next call opens them again."""


class EntriesNotKept(untrusted_text.UntrustedError):
    """The directory cannot be read, and so not be compared with Nova."""


class DirectoryUnavailable(untrusted_text.UntrustedError):
    """The directory cannot be read now."""
