# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What the operator's tool takes from the daemon's options."""

import argparse
import dataclasses
import itertools
import pathlib
from typing import Any

from oslo_config import cfg
from oslo_log import log

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin import version

#: The daemon, whose files are read.
_DAEMON = "nova-dirsvc-sync"

_PROJECT = "nova-dirsvc"

EXIT_WRONG_USE = 2


class WrongUse(Exception):
    """The command line or a file of options makes no sense."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What is needed to use an outbox.

    :ivar directories: those that the daemon delivers to
    :ivar sure: whether a file of options was read, or there was none
    """

    outbox: pathlib.Path
    directories: tuple[str, ...]
    sure: bool
    record_users: bool


def add_to(parser: argparse.ArgumentParser) -> None:
    """Return a parser the options that choose the outbox."""
    parser.add_argument(
        "--config-file",
        metavar="PATH",
        action="append",
        default=[],
        help="a file of options of nova-dirsvc-sync; may be repeated; by"
        " default the same files that the daemon finds",
    )
    parser.add_argument(
        "--config-dir",
        metavar="PATH",
        action="append",
        default=[],
        help="a folder of files with names that end in .conf; may be repeated",
    )
    parser.add_argument(
        "--outbox",
        metavar="PATH",
        help="the outbox, instead of the one that [nova_dirsvc] outbox names",
    )


def read(given: argparse.Namespace) -> Settings:
    """Read the options of the outbox.

    :raises WrongUse: there is no such file, or a value that cannot be
    """
    conf = configured(given)
    try:
        group = conf[options.GROUP]
        return Settings(
            outbox=pathlib.Path(given.outbox or group.outbox),
            directories=tuple(group.directories),
            sure=bool(conf.config_file or conf.config_dir),
            record_users=group.record_users,
        )
    except (cfg.Error, ValueError) as error:
        raise WrongUse(str(error)) from error


def configured(given: argparse.Namespace) -> Any:
    """Read the files as the daemon does.

    :returns: a :class:`oslo_config.cfg.ConfigOpts`
    :raises WrongUse: there is no such file, or it cannot be read
    """
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf.register_opts(options.DAEMON_OPTS, group=options.GROUP)
    arguments = itertools.chain.from_iterable(
        (option, path)
        for option, paths in (
            ("--config-file", given.config_file),
            ("--config-dir", given.config_dir),
        )
        for path in paths
    )
    try:
        conf(
            list(arguments),
            project=_PROJECT,
            prog="nova-dirsvc-manage",
            version=version.release(),
            default_config_files=cfg.find_config_files(_PROJECT, _DAEMON),
            default_config_dirs=cfg.find_config_dirs(_PROJECT, _DAEMON),
        )
    except (cfg.Error, ValueError, OSError) as error:
        raise WrongUse(str(error)) from error
    return conf
