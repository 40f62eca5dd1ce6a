#!/usr/bin/env python3
# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""Lose events, for a test: those that wait in an outbox and nobody has read.

drop_events.py OUTBOX, while nova-dirsvc-sync is stopped. Nova's processes may
have the file open meanwhile.
"""

import contextlib
import pathlib
import sqlite3
import sys

#: Seconds to wait for another process's commit.
BUSY_TIMEOUT = 30.0


def main(outbox: str) -> None:
    uri = f"{pathlib.Path(outbox).resolve().as_uri()}?mode=rw"
    with (
        contextlib.closing(
            sqlite3.connect(uri, timeout=BUSY_TIMEOUT, uri=True)
        ) as database,
        database,
    ):
        database.execute(
            "DELETE FROM entry WHERE number >"
            " (SELECT coalesce(max(number), 0) FROM position)"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
