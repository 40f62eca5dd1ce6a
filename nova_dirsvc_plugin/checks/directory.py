# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A directory: it is reached, and takes an entry and its removal."""

import time
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as own_options
from nova_dirsvc_plugin import events
from nova_dirsvc_plugin.checks import finding, network
from nova_dirsvc_plugin.directories import base, conformance, loading

#: Entries of others that are read to see their owner marks.
_FEW = 100


def check(conf: Any, name: str) -> Iterator[finding.Finding]:
    """Check a directory, by an entry that is written, read and removed.

    :param conf: what has read the options
    """
    try:
        owner = conf[own_options.GROUP].owner
        directory = loading.load(conf, name, owner)
    except (cfg.Error, base.WrongOption, loading.DirectoryNotLoaded):
        yield finding.not_checked(f"directory {name}", "see its options")
        return
    try:
        yield from _check(conf, name, directory, owner)
    finally:
        directory.close()


def check_faults(conf: Any, name: str) -> Iterator[finding.Finding]:
    """Look for what is wrong with a directory, and write nothing.

    :raises cfg.Error: an option has an invalid value
    :raises WrongOption: an option cannot be used
    :raises DirectoryNotLoaded: there is no such driver
    """
    owner = conf[own_options.GROUP].owner
    directory = loading.load(conf, name, owner)
    try:
        yield from _faults(conf, name, directory, thorough=False)
    finally:
        directory.close()


def _faults(
    conf: Any, name: str, directory: base.Directory, thorough: bool
) -> Iterator[finding.Finding]:
    """Look for faults, until one hides the others."""
    for one in network.check_url(conf, name):
        yield one
        if one.level is finding.Level.ERROR:
            return
    for fault in directory.faults(thorough):
        make = finding.error if fault.severe else finding.warning
        yield make(
            fault.name, f"directory {name}", fault.finding, fault.remedy
        )
        if fault.severe:
            return


def _check(
    conf: Any, name: str, directory: base.Directory, owner: str
) -> Iterator[finding.Finding]:
    subject = f"directory {name}"
    for one in _faults(conf, name, directory, thorough=True):
        yield one
        if one.level is finding.Level.ERROR:
            return
    if directory.APPEND_ONLY:
        yield finding.not_checked(
            f"{subject}: entries",
            "it keeps each line: nothing is written for a check",
        )
        return
    yield from _try(subject, name, directory, owner)


def _try(
    subject: str, name: str, directory: base.Directory, owner: str
) -> Iterator[finding.Finding]:
    """Write the entry of a fictitious instance, and remove it."""
    record = conformance.fictitious_record("nova-dirsvc-check")
    now = time.time()
    added = _apply(directory, events.Verb.REGISTER, record, now)
    try:
        if isinstance(added, base.Done):
            yield from _read_back(subject, directory, record)
        else:
            yield _refused(subject, name, directory, owner, added)
    finally:
        removed = _apply(directory, events.Verb.UNREGISTER, record, now + 1)
    if isinstance(added, base.Done) and not isinstance(removed, base.Done):
        yield finding.error(
            "removal-refused",
            subject,
            f"it does not remove the entry of the fictitious instance"
            f" {record.instance_uuid}: {removed.reason}",
            f"let the account of [{name}] remove entries, and remove this one",
        )


def _apply(
    directory: base.Directory,
    verb: events.Verb,
    record: events.HostRecord,
    as_of: float,
) -> base.Outcome:
    [outcome] = directory.apply([events.HostState(verb, record, as_of)])
    return outcome


def _read_back(
    subject: str, directory: base.Directory, record: events.HostRecord
) -> Iterator[finding.Finding]:
    try:
        found = list(directory.find([record.instance_uuid]))
    except base.EntriesNotKept as error:
        yield finding.not_checked(f"{subject}: reading", str(error))
        return
    except base.DirectoryUnavailable as error:
        why = str(error)
    else:
        why = "" if found else "an entry that was just written is not found"
    if why:
        yield finding.warning(
            "read-refused",
            subject,
            f"entries cannot be compared with Nova: {why}",
            "let the daemon's account read entries",
        )


def _refused(
    subject: str,
    name: str,
    directory: base.Directory,
    owner: str,
    outcome: base.Unavailable | base.Rejected,
) -> finding.Finding:
    """Say why an entry was not taken."""
    if isinstance(outcome, base.Unavailable):
        return finding.error(
            "unavailable",
            subject,
            outcome.reason,
            f"see the reason, the section [{name}], and the server's log",
        )
    marks = _marks(directory) - {owner, ""}
    if marks:
        return finding.error(
            "owner-mark",
            subject,
            f"it refuses an entry with the owner mark {owner!r}, and has"
            f" entries with {', '.join(sorted(marks))}: {outcome.reason}",
            "correct [nova_dirsvc] owner, or let the directory admit it",
        )
    return finding.error(
        "write-refused",
        subject,
        f"it refuses an entry with the owner mark {owner!r}: {outcome.reason}",
        f"give the account of [{name}] the right to write entries with this"
        " owner mark, or correct [nova_dirsvc] owner",
    )


def _marks(directory: base.Directory) -> set[str]:
    """Return the owner marks of some entries that are not ours."""
    try:
        return {
            entry.owner
            for entry, _ in zip(directory.others(), range(_FEW), strict=False)
        }
    except (base.DirectoryUnavailable, base.EntriesNotKept):
        return set()
