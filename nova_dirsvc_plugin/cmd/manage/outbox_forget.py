# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""``outbox forget``."""

import argparse

from nova_dirsvc_plugin.cmd.manage import base, config, formatting
from nova_dirsvc_plugin.outbox import counts, lock


class OutboxForget(base.OutboxCommand):
    """Forget a directory that is no longer delivered to.

    As long as the outbox keeps a place for a directory, no entry is removed
    that the directory has not got. Name the directory no more in
    [nova_dirsvc] directories, restart nova-dirsvc-sync, then forget the
    directory. What is in the directory itself stays as it is. Should it be
    configured again, it gets all entries that the outbox still has.

    On a terminal the command asks first; elsewhere it needs --yes.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("directory", metavar="DIRECTORY", help="its name")
        parser.add_argument(
            "-y", "--yes", action="store_true", help="do not ask"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        name = parsed_args.directory
        if not self.settings.sure:
            raise config.WrongUse(
                "nothing is forgotten: no file of options says which"
                " directories are delivered to: give --config-file"
            )
        if name in self.settings.directories:
            raise config.WrongUse(
                f"nothing is forgotten: [nova_dirsvc] directories names {name}"
            )
        if not parsed_args.yes and not self.app.stdin.isatty():
            raise config.WrongUse(
                "nothing is forgotten: without a terminal this needs --yes"
            )
        with self.outbox.snapshot() as database:
            self.directories(database, name)
            count = counts.count(database, name)
        try:
            # So no daemon can begin to deliver meanwhile.
            held = lock.DirectoryLock(self.settings.outbox, name)
            held.acquire()
        except lock.AlreadyLocked as error:
            raise base.NotPossible(f"nothing is forgotten: {error}") from error
        try:
            return self._forget(held, name, count, parsed_args.yes)
        finally:
            held.release()

    def _forget(
        self,
        held: lock.DirectoryLock,
        name: str,
        count: counts.Count,
        sure: bool,
    ) -> int:
        shown = formatting.clean(name)
        numbers = (
            f"{count.waiting} waiting, {count.deferred} deferred,"
            f" {count.buried} buried, {count.confirm} to confirm"
        )
        out = self.app.stdout
        if not sure:
            out.write(f"{shown}: {numbers}. Forget all of these? [y/N] ")
            out.flush()
            if self.app.stdin.readline().strip().lower() not in ("y", "yes"):
                self.fail("nothing is forgotten")
                return 1
        self.outbox.forget(name)
        held.remove()
        out.write(f"{shown}: forgotten, with its entries: {numbers}\n")
        return 0
