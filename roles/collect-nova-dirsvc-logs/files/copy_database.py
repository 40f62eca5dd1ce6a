#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copy a file of SQLite, which may be in use, as a database and as text."""

import contextlib
import pathlib
import sqlite3
import sys


def main(source: str, folder: str) -> None:
    copy = pathlib.Path(folder, pathlib.Path(source).name)
    with contextlib.closing(connect(pathlib.Path(source))) as original:
        # what .backup would do, less the pages of deleted rows
        original.execute("VACUUM INTO ?", (str(copy),))
    with contextlib.closing(connect(copy)) as copied:
        text = "\n".join(copied.iterdump())
    copy.with_suffix(".sql.txt").write_text(text)
    copy.chmod(0o644)


def connect(path: pathlib.Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
