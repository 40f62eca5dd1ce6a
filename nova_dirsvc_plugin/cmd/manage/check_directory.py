# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``check-directory``: what a directory service does, and what not."""

import argparse
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from cliff import lister
from oslo_config import cfg

from nova_dirsvc_plugin import conf as options
from nova_dirsvc_plugin.cmd.manage import base as desk_command
from nova_dirsvc_plugin.cmd.manage import config, formatting
from nova_dirsvc_plugin.directories import base, conformance, loading

_COLUMNS = ("Check", "Needed", "Holds", "Seen")
_ANSWERS = {True: "yes", False: "NO", None: "not tried"}


class CheckDirectory(desk_command.OperatorCommand, lister.Lister):
    """Try out whether a directory service does what is asked of one.

    It is written to and read by its driver with the options of the daemon:
    some hundred instances that there never were, with this cloud's owner
    mark, which are removed at the end. What is there already is not touched.

    What is needed always must hold. What is needed to compare it with Nova,
    with several daemons, or with several clouds, should; to compare it with
    Nova is not possible yet. The exit status is 1 if something that must
    hold does not.
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
            help="where the service is, instead of what the driver's option"
            " url says",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="all must hold",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        conf = self._conf(parsed_args)
        # What could not be removed is said by the check itself.
        logging.getLogger(conformance.__name__).setLevel(logging.ERROR)
        try:
            trial = conformance.Trial(
                lambda owner: loading.load(conf, parsed_args.directory, owner),
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
            raise desk_command.NotPossible(
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

        :raises settings.WrongUse: they make no sense
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
