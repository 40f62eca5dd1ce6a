# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Finds directory drivers by name, as entry points."""

from importlib import metadata
from typing import Any

from oslo_config import cfg

from nova_dirsvc_plugin.directories import base

NAMESPACE = "nova_dirsvc.directories"


class DirectoryNotLoaded(Exception):
    """A driver cannot be loaded; the message says what to do."""


def names() -> list[str]:
    """Return the names of all drivers that are installed.

    None is imported: the library that one needs may be missing.
    """
    return sorted(_entry_points())


def driver_class(name: str) -> type[base.Directory]:
    """Import the driver of a name.

    :raises DirectoryNotLoaded: no such driver, or a library is missing
    """
    entry_point = _entry_points().get(name)
    if entry_point is None:
        raise DirectoryNotLoaded(
            f"there is no directory driver {name!r};"
            f" installed are: {', '.join(names())}"
        )
    try:
        found: type[base.Directory] = entry_point.load()
    except ImportError as error:
        raise DirectoryNotLoaded(
            f"directory driver {name!r} cannot be loaded: {error};"
            f" install nova-dirsvc-plugin[{name}], which brings what it needs"
        ) from error
    return found


def _entry_points() -> dict[str, metadata.EntryPoint]:
    found = metadata.entry_points(group=NAMESPACE)
    return {entry_point.name: entry_point for entry_point in found}


def register(conf: Any, name: str) -> type[base.Directory]:
    """Let the options of a driver be read, from the group of its name.

    :param conf: a :class:`oslo_config.cfg.ConfigOpts`
    :raises DirectoryNotLoaded: there is no such driver
    """
    chosen = driver_class(name)
    conf.register_group(cfg.OptGroup(name))
    conf.register_opts(chosen.OPTS, group=name)
    return chosen


def load(conf: Any, name: str, owner: str) -> base.Directory:
    """Make the driver of a name, with the options in the group of that name.

    :param conf: a :class:`oslo_config.cfg.ConfigOpts`
    :param owner: the owner mark of this cloud's entries
    :raises DirectoryNotLoaded: there is none
    :raises base.WrongOption: one of its options cannot be used
    :raises cfg.Error: one of its options has an invalid value
    """
    chosen = register(conf, name)
    for option in chosen.OPTS:
        # oslo.config checks a value when it is first read.
        conf[name][option.dest]
    return chosen(conf[name], owner)
