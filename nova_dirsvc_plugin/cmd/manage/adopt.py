# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``adopt``: have the entries of somebody else given our owner mark."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cliff import lister

from nova_dirsvc_plugin.cmd.manage import (
    base,
    config,
    formatting,
    reconciling,
    result_file,
)
from nova_dirsvc_plugin.cmd.manage.exits import Exit
from nova_dirsvc_plugin.directories import base as contract
from nova_dirsvc_plugin.reconcile import adopt, ldif

_COLUMNS = ("Directory", "Entry", "Instance", "Matched By", "Reason")


class Adopt(reconciling.DirectoryCommand, lister.Lister):
    """Write LDIF that gives entries of somebody else our owner mark.

    Entries of hosts without our mark are matched to instances by UUID, MAC or
    name. Those that fit one instance alone are written into a file, for the
    administrator of the directory to apply: nova-dirsvc-sync may not take
    entries over. A reconcile corrects their other values then.

    Exit status 0: there is nothing to adopt. 3: there is, and it is written
    into the file. 6: the reading of Nova is not whole, and no file is written.
    1: something failed. 127: the command line or an option is wrong, or the
    directory has no entries that LDIF can change.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        result_file.add_option(parser, "LDIF")
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        work = self.load(parsed_args.directory)
        name, directory = self.only_directory(work)
        reading = self.read(work)
        if not reading.summary.whole:
            return _COLUMNS, ()
        try:
            found, left = adopt.match(
                list(directory.others()),
                reading,
                work.owner,
                (one.record.instance_uuid for one in directory.entries()),
            )
        except contract.EntriesNotKept as error:
            raise config.WrongUse(f"directory {name}: {error}") from error
        except contract.DirectoryUnavailable as error:
            raise base.NotPossible(
                f"directory {name} cannot be read: {error}"
            ) from error
        if found:
            result_file.write(
                parsed_args.output,
                _ldif(found, directory, f"Entries for {work.owner}"),
            )
            self.note(Exit.DRIFT)
        return _COLUMNS, [
            *(_found_line(name, one) for one in found),
            *(_left_line(name, one) for one in left),
        ]


def _ldif(
    found: Iterable[adopt.Match], directory: contract.Directory, comment: str
) -> Iterator[str]:
    yield ldif.header(comment)
    yield from adopt.to_ldif(found, directory.differences, directory.TAKING)


def _found_line(name: str, one: adopt.Match) -> tuple[str, ...]:
    return (
        name,
        formatting.clean(one.entry.name),
        one.state.record.instance_uuid,
        one.by,
        "",
    )


def _left_line(name: str, one: adopt.Unmatched) -> tuple[str, ...]:
    return (
        name,
        formatting.clean(one.entry.name),
        "",
        "",
        formatting.clean(one.reason),
    )
