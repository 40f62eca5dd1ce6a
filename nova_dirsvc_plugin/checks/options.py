# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The files of options: what no program reads, and what none can use.

oslo.config ignores an option that nobody has registered. Unknown options are
found as its validator does: the files are read as they are, and compared
with what is known.
"""

import difflib
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin import conf as own_options
from nova_dirsvc_plugin.checks import finding
from nova_dirsvc_plugin.directories import base, loading
from nova_dirsvc_plugin.nova_api import client

#: Group -> its options.
Known = Mapping[str, Sequence[cfg.Opt]]

_DEFAULT = "DEFAULT"

#: oslo.config's words for where a value comes from.
_LOCATION = re.compile(r"LocationInfo\(.*?, detail='([^']*)'\)")


def files_of(conf: Any) -> list[pathlib.Path]:
    """Return the files of options that were read, in their order.

    :param conf: a :class:`oslo_config.cfg.ConfigOpts`
    """
    found = [pathlib.Path(path) for path in conf.config_file or ()]
    for folder in conf.config_dir or ():
        found += sorted(pathlib.Path(folder).glob("*.conf"))
    return found


def check(conf: Any) -> Iterator[finding.Finding]:
    """Check the options of nova-dirsvc-sync, all of which are registered.

    :param conf: what has read them
    """
    files = files_of(conf)
    if not files:
        yield finding.error(
            "no-options",
            "options",
            "there is no file of options",
            "write /etc/nova-dirsvc/nova-dirsvc.conf, or give --config-file",
        )
    known = _known(conf)
    for file in files:
        yield from unknown(file, known)
    yield from _values(conf, own_options.GROUP, own_options.DAEMON_OPTS)
    try:
        directories = conf[own_options.GROUP].directories
        owner = conf[own_options.GROUP].owner
    except (cfg.Error, ValueError):
        return
    if not directories:
        yield finding.error(
            "no-directory",
            "[nova_dirsvc] directories",
            "directories names none",
            "name those to deliver to, such as ldap",
            fatal=True,
        )
    for name in directories:
        yield from _directory(conf, name, owner)
    yield from _together(conf)


def unknown(
    file: pathlib.Path, known: Known, ours: bool = True
) -> Iterator[finding.Finding]:
    """Find what a file has and no program reads.

    :param known: the options of each group of ours
    :param ours: it is the daemon's file; what is in nova.conf is no reason
        not to start
    """
    sections: dict[str, dict[str, Any]] = {}
    try:
        cfg.ConfigParser(str(file), sections).parse()
    except (OSError, ValueError, cfg.Error) as error:
        yield finding.error(
            "file-unreadable", str(file), str(error), "correct the file"
        )
        return
    for section, options in sections.items():
        if section in known:
            yield from _unknown_in(file, section, options, known, ours)
        elif section == _DEFAULT:
            yield from _misplaced(file, options, ours)
        elif near := _nearest(section, known):
            yield finding.error(
                "section-unknown",
                f"{file} [{section}]",
                "no program reads this section",
                f"write [{near}], if that is meant",
                fatal=ours,
            )


def _unknown_in(
    file: pathlib.Path,
    section: str,
    options: Iterable[str],
    known: Known,
    ours: bool,
) -> Iterator[finding.Finding]:
    names = _names(known[section])
    for option in options:
        if option in names or option.replace("-", "_") in names:
            continue
        near = _nearest(option, names)
        text = (
            "option-unknown",
            f"{file} [{section}] {option}",
            "no program reads this option",
            f"write {near}, if that is meant" if near else "remove it",
        )
        if section == client.GROUP:
            # Its options are keystoneauth's, and a file may be shared.
            yield finding.warning(*text)
        else:
            yield finding.error(*text, fatal=ours)


def _misplaced(
    file: pathlib.Path, options: Iterable[str], ours: bool
) -> Iterator[finding.Finding]:
    for option in {option.name for option in own_options.DAEMON_OPTS} & set(
        options
    ):
        yield finding.error(
            "option-misplaced",
            f"{file} [{_DEFAULT}] {option}",
            "no program reads this option here",
            f"move it to the section [{own_options.GROUP}]",
            fatal=ours,
        )


def _known(conf: Any) -> dict[str, Sequence[cfg.Opt]]:
    """Return the options of each group that is ours."""
    known: dict[str, Sequence[cfg.Opt]] = {
        own_options.GROUP: own_options.DAEMON_OPTS,
        client.GROUP: client.options_of(conf),
    }
    for name in loading.names():
        try:
            known[name] = loading.driver_class(name).OPTS
        except loading.DirectoryNotLoaded:
            # Its library is not installed: of no interest, or said below.
            continue
    return known


def _values(
    conf: Any, group: str, options: Iterable[cfg.Opt]
) -> Iterator[finding.Finding]:
    """Find values that an option cannot have."""
    for option in options:
        try:
            # oslo.config checks a value when it is first read.
            conf[group][option.dest]
        except (cfg.Error, ValueError) as error:
            yield finding.error(
                "option-value",
                f"[{group}] {option.name}",
                _LOCATION.sub(r"\1", str(error)),
                "correct the value",
                fatal=True,
            )


def _directory(conf: Any, name: str, owner: str) -> Iterator[finding.Finding]:
    subject = f"directory {name}"
    try:
        driver = loading.register(conf, name)
    except loading.DirectoryNotLoaded as error:
        yield finding.error(
            "directory-unknown",
            subject,
            str(error),
            "correct [nova_dirsvc] directories, or install what is missing",
            fatal=True,
        )
        return
    wrong = list(_values(conf, name, driver.OPTS))
    yield from wrong
    if wrong:
        return
    if "url" in {option.dest for option in driver.OPTS} and _is_default(
        conf, name, "url"
    ):
        yield finding.error(
            "url-missing",
            f"[{name}] url",
            f"no file of options names it, so it is {conf[name].url}",
            f"write the section [{name}] with its url",
            fatal=True,
        )
    try:
        driver(conf[name], owner).close()
    except base.WrongOption as error:
        yield finding.error(
            "directory-options",
            subject,
            str(error),
            f"correct the section [{name}]",
            fatal=True,
        )


def _together(conf: Any) -> Iterator[finding.Finding]:
    """Find options that need another one."""
    group = conf[own_options.GROUP]
    try:
        has_account = client.from_conf(conf) is not None
    except base.WrongOption as error:
        yield finding.error(
            "nova-options",
            f"[{client.GROUP}]",
            str(error).removeprefix(f"[{client.GROUP}]: "),
            f"correct the section [{client.GROUP}]",
            fatal=True,
        )
        return
    for option in ("reconcile_interval", "poll_interval"):
        if getattr(group, option, 0) and not has_account:
            yield finding.error(
                "nova-account-missing",
                f"[nova_dirsvc] {option}",
                f"{option} needs an account in [nova]",
                "write the section [nova], or set the option to 0",
                fatal=True,
            )
    if group.reconcile_interval and not group.reconcile_policy:
        yield finding.error(
            "policy-missing",
            "[nova_dirsvc] reconcile_policy",
            "reconcile_interval needs reconcile_policy",
            "set it to sync, upsert-only or create-only",
            fatal=True,
        )


def _is_default(conf: Any, group: str, option: str) -> bool:
    place = conf.get_location(option, group)
    return place is None or place.location is cfg.Locations.opt_default


def _names(options: Iterable[cfg.Opt]) -> set[str]:
    """Return all names by which a file may have the options."""
    found = set()
    for option in options:
        found |= {option.name, option.dest}
        found |= {
            name
            for old in option.deprecated_opts
            if old.name
            for name in (old.name, old.name.replace("-", "_"))
        }
    return found


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return what a misspelt name may mean; empty: nothing is like it."""
    wanted = name.lower().replace("-", "_")
    matches = difflib.get_close_matches(wanted, list(names), 1, 0.75)
    return matches[0] if matches else ""
