# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""A file that a command writes: the whole of it, or nothing."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterable

from nova_dirsvc_plugin.cmd.manage import base


def write(path: pathlib.Path, lines: Iterable[str]) -> None:
    """Write a file that only this user may read; it replaces another one.

    :raises NotPossible: it cannot be written
    """
    new = None
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            dir=path.parent,
            prefix=f".{path.name}.",
            encoding="ascii",
            delete=False,
        ) as file:
            new = pathlib.Path(file.name)
            file.writelines(lines)
        new.replace(path)
    except OSError as error:
        raise base.NotPossible(
            f"{path} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        if new:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
