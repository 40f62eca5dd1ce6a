# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``check``: what is wrong with an installation, and how it is mended."""

import argparse
import functools
import logging
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cliff import lister
from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.checks import (
    account,
    directory,
    finding,
    nova,
    nova_conf,
    outbox_file,
    paths,
    running,
)
from nova_dirsvc_plugin.checks import options as option_checks
from nova_dirsvc_plugin.cmd import native_threads
from nova_dirsvc_plugin.cmd.manage import base, config, formatting

#: Seconds for all checks.
LIMIT = 8.0

#: Exit statuses, beside those of every command: the first that applies.
EXIT_ERROR = 3
EXIT_WARNING = 4

_COLUMNS = ("Result", "Name", "Subject", "Finding", "Remedy")
_ORDER = list(finding.Level)


class Check(base.OperatorCommand, lister.Lister):
    """Check the installation on this host, and say how to mend it.

    Options, files, nova.conf, outbox, message bus, each directory, Nova and
    Keystone are looked at, within ten seconds. A directory gets an entry of a
    fictitious instance, which is removed again; nothing else is written. Run
    it as root: then it sees what the daemon's and Nova's accounts may do.

    The exit status is 0 if all is well, 3 if there is an error, 4 if there
    are warnings only. 1 and 2 are as for each command.
    """

    _found: Sequence[finding.Finding] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--nova-conf",
            metavar="PATH",
            action="append",
            help="a file of Nova's options; may be repeated; by default those"
            " that Nova's services find",
        )
        parser.add_argument(
            "--user",
            metavar="NAME",
            help="the account of nova-dirsvc-sync; by default nova-dirsvc if"
            " this is run as root and there is such an account, else the"
            " current one",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        # What the stages log is among the findings.
        logging.getLogger("nova_dirsvc_plugin").setLevel(logging.CRITICAL)
        conf = config.configured(self.app.options)
        daemon = _daemon(parsed_args.user)
        found = running.run(
            self._checks(conf, daemon, parsed_args.nova_conf), LIMIT
        )
        self._found = sorted(found, key=lambda one: _ORDER.index(one.level))
        return _COLUMNS, [
            (
                one.level.value,
                one.name,
                formatting.clean(one.subject),
                formatting.clean(one.finding),
                formatting.clean(one.remedy),
            )
            for one in self._found
        ]

    def run(self, parsed_args: argparse.Namespace) -> int:
        status = super().run(parsed_args)
        levels = {one.level for one in self._found}
        if status or not levels:
            return status
        if finding.Level.ERROR in levels:
            return EXIT_ERROR
        return EXIT_WARNING if finding.Level.WARNING in levels else 0

    def _checks(
        self,
        conf: Any,
        daemon: account.Account,
        nova_files: Sequence[str] | None,
    ) -> dict[str, running.Check]:
        # First, and by itself: it registers the options of all others.
        wrong = list(option_checks.check(conf))
        checks: dict[str, running.Check] = {
            "options": lambda: wrong,
            "files": functools.partial(paths.check, conf, daemon),
        }
        try:
            group = conf[options.GROUP]
            path = pathlib.Path(self.app.options.outbox or group.outbox)
            directories, listen = group.directories, group.listen
        except (cfg.Error, ValueError):
            # It is among what is wrong.
            return checks
        if nova_files is None:
            nova_files = cfg.find_config_files("nova", "nova")
        checks |= {
            "nova.conf": functools.partial(nova_conf.check, conf, nova_files),
            "outbox": functools.partial(
                outbox_file.check, path, daemon, not listen
            ),
            "delivery": functools.partial(
                outbox_file.check_content, path, directories
            ),
            "Nova API": functools.partial(nova.check, conf),
        }
        if listen:
            checks["message bus"] = functools.partial(_check_bus(), conf)
        return checks | {
            f"directory {name}": functools.partial(directory.check, conf, name)
            for name in directories
        }


def _check_bus() -> Callable[[Any], Iterable[finding.Finding]]:
    native_threads.use()
    from nova_dirsvc_plugin.checks import bus

    return bus.check


def _daemon(name: str | None) -> account.Account:
    """Return the account of the daemon.

    :raises WrongUse: there is no such account
    """
    current = account.current()
    if name is not None:
        chosen = account.named(name)
        if chosen is None:
            raise config.WrongUse(f"there is no account {name!r}")
        return chosen
    if current.uid == 0:
        return account.named(account.DAEMON) or current
    return current
