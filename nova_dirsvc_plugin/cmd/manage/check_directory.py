# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``check-directory``: what a directory service does, and what not."""

import argparse
import contextlib
import logging
import os
import pathlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cliff import lister
from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.cmd.manage import base as commands
from nova_dirsvc_plugin.cmd.manage import config, formatting
from nova_dirsvc_plugin.directories import base, conformance, loading

_COLUMNS = ("Check", "Required for", "Result", "Detail")
_ANSWERS = {True: "yes", False: "NO", None: "not tried"}


class CheckDirectory(commands.OperatorCommand, lister.Lister):
    """Check whether a directory service keeps the contract of a driver.

    The driver, with the options of the daemon, writes and reads about 230
    fictitious instances with this cloud's owner mark, and removes them at
    the end. Other entries are not touched. The lines of a log go into a file
    of their own beside it, which is removed.

    Each check is required always, or for comparing the directory with Nova,
    for several daemons, for several clouds, or for speed.
    The exit status is 1 if a check that is always required fails.
    """

    _findings: Sequence[conformance.Finding] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "directory",
            metavar="NAME",
            help="the directory driver: ldap, rest, or another one",
        )
        parser.add_argument(
            "--url",
            help="URL of the service, instead of the driver's option url",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="exit with 1 if any check fails",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        conf = self._conf(parsed_args)
        # The check itself reports what could not be removed.
        logging.getLogger(conformance.__name__).setLevel(logging.ERROR)
        try:
            with _log_of_its_own(conf, parsed_args.directory):
                trial = conformance.Trial(
                    lambda owner: loading.load(
                        conf, parsed_args.directory, owner
                    ),
                    conf[options.GROUP].owner,
                    time.time(),
                )
                self._findings = list(conformance.run(trial))
        except (
            base.WrongOption,
            cfg.Error,
            loading.DirectoryNotLoaded,
        ) as error:
            raise config.WrongUse(str(error)) from error
        except base.DirectoryUnavailable as error:
            raise commands.NotPossible(
                f"directory {parsed_args.directory} cannot be reached: {error}"
            ) from error
        return _COLUMNS, [
            (
                finding.check,
                finding.need,
                _ANSWERS[finding.holds],
                formatting.clean(finding.detail),
            )
            for finding in self._findings
        ]

    def run(self, parsed_args: argparse.Namespace) -> int:
        status = super().run(parsed_args)
        if status:
            return status
        return int(
            any(
                not finding.holds
                for finding in self._findings
                if parsed_args.all or finding.need is conformance.Need.ALWAYS
            )
        )

    def _conf(self, parsed_args: argparse.Namespace) -> Any:
        """Read the daemon's options.

        :raises WrongUse: they cannot be used
        """
        conf = config.configured(self.app.options)
        try:
            driver = loading.driver_class(parsed_args.directory)
        except loading.DirectoryNotLoaded as error:
            raise config.WrongUse(str(error)) from error
        if parsed_args.url is not None:
            if "url" not in {option.dest for option in driver.OPTS}:
                raise config.WrongUse(
                    f"directory driver {parsed_args.directory!r} has no"
                    " option url"
                )
            conf.register_opts(driver.OPTS, group=parsed_args.directory)
            conf.set_override(
                "url", parsed_args.url, group=parsed_args.directory
            )
        return conf


@contextlib.contextmanager
def _log_of_its_own(conf: Any, name: str) -> Iterator[None]:
    """Let a driver that appends to a file append to another one meanwhile."""
    driver = loading.register(conf, name)
    if not driver.APPEND_ONLY or "path" not in conf[name]:
        yield
        return
    path = pathlib.Path(conf[name].path)
    own = path.with_name(f"check-directory-{os.getpid()}.{path.name}")
    conf.set_override("path", str(own), group=name)
    try:
        yield
    finally:
        own.unlink(missing_ok=True)
