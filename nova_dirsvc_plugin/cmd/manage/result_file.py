# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A file that a command writes: the whole of it, or nothing."""

import argparse
import contextlib
import os
import pathlib
import stat
import tempfile
from collections.abc import Iterable

from nova_dirsvc_plugin.cmd.manage import base


def add_option(parser: argparse.ArgumentParser, form: str) -> None:
    """Add the option that names the file.

    :param form: of what is written, for the help
    """
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=pathlib.Path,
        required=True,
        help=f"the file to write, {form}",
    )


def write(
    path: pathlib.Path, lines: Iterable[str], *, mode: int = 0o600
) -> None:
    """Write a file, which replaces another one.

    :param mode: who may read it; this user alone, unless said otherwise
    :raises NotPossible: it cannot be written
    """
    new = None
    try:
        if not _may_be_replaced(path):
            raise base.NotPossible(
                f"{path} is no regular file, and is not replaced"
            )
        with tempfile.NamedTemporaryFile(
            "w",
            dir=path.parent,
            prefix=f".{path.name}.",
            encoding="utf-8",
            delete=False,
        ) as file:
            new = pathlib.Path(file.name)
            file.writelines(lines)
            os.fchmod(file.fileno(), mode)
        new.replace(path)
    except OSError as error:
        raise base.NotPossible(
            f"{path} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        if new:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()


def _may_be_replaced(path: pathlib.Path) -> bool:
    """Return whether there is a file, or nothing: no device, pipe or link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return True
