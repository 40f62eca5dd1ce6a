# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""nova.conf of this host: what Nova notifies, and whom.

It is read as Nova reads it, without Nova.
"""

import configparser
import difflib
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as own_options
from nova_dirsvc_plugin.checks import finding, options

#: By which Nova finds the driver, and the section of the filter.
DRIVER = "nova_dirsvc"
FILTER = "nova-dirsvc-plugin#remote_address"

_BUS_DRIVERS = ("messaging", "messagingv2")

#: Those of Nova and oslo.messaging that decide what comes.
_GROUPS: dict[str, Sequence[cfg.Opt]] = {
    "oslo_messaging_notifications": [cfg.MultiStrOpt("driver", default=[])],
    "notifications": [
        cfg.StrOpt("notification_format", default="unversioned"),
        cfg.StrOpt("notify_on_state_change"),
        cfg.ListOpt(
            "versioned_notifications_topics",
            default=["versioned_notifications"],
        ),
    ],
    "oslo_messaging_rabbit": [
        cfg.BoolOpt("rabbit_quorum_queue", default=False),
        cfg.BoolOpt("amqp_durable_queues", default=False),
    ],
    own_options.GROUP: own_options.SOURCE_OPTS,
}


def check(own: Any, files: Sequence[str]) -> Iterator[finding.Finding]:
    """Check the files of Nova's options.

    :param own: what has read the options of nova-dirsvc-sync
    :param files: those of Nova, the last one counts
    """
    subject = " ".join(files) or "nova.conf"
    missing = [file for file in files if not pathlib.Path(file).exists()]
    if missing or not files:
        yield finding.not_checked(
            subject, "this host has no such file", "name it by --nova-conf"
        )
        return
    if not all(os.access(file, os.R_OK) for file in files):
        yield finding.not_checked(
            subject, "this user may not read it", "run this as root"
        )
        return
    try:
        nova = _read(files, _GROUPS)
    except (cfg.Error, ValueError) as error:
        yield finding.error("nova-conf", subject, str(error), "correct it")
        return
    known = {own_options.GROUP: own_options.DAEMON_OPTS}
    for file in files:
        yield from options.unknown(pathlib.Path(file), known, ours=False)
    yield from _driver(subject, nova, own)
    yield from _notifications(subject, nova)
    if own[own_options.GROUP].listen:
        yield from _bus(subject, nova, own)
    else:
        yield from _outbox(subject, nova, own)
    yield from _filter(pathlib.Path(files[-1]).with_name("api-paste.ini"))


def _read(
    files: Sequence[str], groups: Mapping[str, Sequence[cfg.Opt]]
) -> Any:
    conf = cfg.ConfigOpts()
    for group, registered in groups.items():
        conf.register_opts(registered, group=group)
    conf(
        [],
        project="nova",
        default_config_files=list(files),
        default_config_dirs=[],
    )
    for group, registered in groups.items():
        for option in registered:
            conf[group][option.dest]
    return conf


def _driver(subject: str, nova: Any, own: Any) -> Iterator[finding.Finding]:
    drivers = nova.oslo_messaging_notifications.driver
    where = "[oslo_messaging_notifications] driver"
    if DRIVER in drivers:
        return
    if not own[own_options.GROUP].listen:
        near = difflib.get_close_matches(DRIVER, drivers, 1)
        yield finding.error(
            "nova-driver",
            subject,
            f"{where} does not name {DRIVER}: Nova stores no event"
            + (f" (there is {near[0]})" if near else ""),
            f"add the line driver = {DRIVER}, and restart Nova",
        )
    elif not set(drivers) & {*_BUS_DRIVERS}:
        yield finding.error(
            "nova-driver",
            subject,
            f"{where} names nothing that sends to the message bus",
            "add the line driver = messagingv2, and restart Nova",
        )


def _notifications(subject: str, nova: Any) -> Iterator[finding.Finding]:
    group = nova.notifications
    if group.notification_format not in ("versioned", "both"):
        yield finding.warning(
            "nova-format",
            subject,
            "[notifications] notification_format is"
            f" {group.notification_format}: names of users, flavors and"
            " changes are missing",
            "set it to both or versioned, and restart Nova",
        )
    if not group.notify_on_state_change:
        yield finding.warning(
            "nova-state-change",
            subject,
            "[notifications] notify_on_state_change is not set: changes of"
            " state have no event",
            "set it to vm_state, and restart Nova",
        )


def _bus(subject: str, nova: Any, own: Any) -> Iterator[finding.Finding]:
    """Compare what is sent with what is listened to."""
    topics = set(nova.notifications.versioned_notifications_topics)
    lacking = set(own[own_options.GROUP].listener_topics) - topics
    if lacking:
        yield finding.error(
            "nova-topics",
            subject,
            "[notifications] versioned_notifications_topics does not name"
            f" {', '.join(sorted(lacking))}: the listener gets nothing",
            "add it there, and restart Nova",
        )
    group = "oslo_messaging_rabbit"
    files = list(map(str, options.files_of(own)))
    read = _read(files, {group: _GROUPS[group]})
    for option in _GROUPS[group]:
        theirs, ours = nova[group][option.dest], read[group][option.dest]
        if theirs != ours:
            yield finding.error(
                "bus-queues",
                subject,
                f"[{group}] {option.dest} is {theirs} here, and {ours} for"
                " nova-dirsvc-sync: the broker refuses one of them",
                "make both the same",
            )


def _outbox(subject: str, nova: Any, own: Any) -> Iterator[finding.Finding]:
    theirs, ours = nova[own_options.GROUP], own[own_options.GROUP]
    if os.path.realpath(theirs.outbox) != os.path.realpath(ours.outbox):
        yield finding.error(
            "nova-outbox",
            subject,
            f"[nova_dirsvc] outbox is {theirs.outbox}, and that of"
            f" nova-dirsvc-sync is {ours.outbox}",
            "make both the same, and restart Nova",
        )
    if theirs.record_users != ours.record_users:
        yield finding.warning(
            "nova-record-users",
            subject,
            f"[nova_dirsvc] record_users is {theirs.record_users}, and"
            f" {ours.record_users} for nova-dirsvc-sync",
            "make both the same, and restart Nova",
        )


def _filter(paste: pathlib.Path) -> Iterator[finding.Finding]:
    """Check the filter for client addresses, if there is one."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(paste.read_text())
    except (OSError, ValueError, configparser.Error):
        return
    ours = {
        section.removeprefix("filter:")
        for section in parser.sections()
        if section.startswith("filter:")
        and FILTER in parser.get(section, "use", fallback="")
    }
    used = {
        word
        for section in parser.sections()
        for option, value in parser.items(section)
        if option in ("pipeline", "keystone", "noauth2")
        for word in value.split()
    }
    for name in sorted(ours - used):
        yield finding.warning(
            "filter-unused",
            str(paste),
            f"the filter {name} is in no pipeline: no client address is"
            " recorded",
            "put it after keystonecontext, and restart nova-api",
        )
    if "remote_address" in used and not parser.has_section(
        "filter:remote_address"
    ):
        yield finding.error(
            "filter-missing",
            str(paste),
            "a pipeline names remote_address, and there is no section"
            " [filter:remote_address]: nova-api does not start",
            f"write that section, with use = egg:{FILTER}",
        )
