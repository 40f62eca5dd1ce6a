# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""What tests do with an outbox, and what they look at in it."""

import collections
import contextlib
import dataclasses
import pathlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from nova_dirsvc_plugin import outbox
from nova_dirsvc_plugin.outbox import admin, queries, schema


def settle(
    box: outbox.Outbox,
    directory: str = "d",
    state: outbox.State = outbox.State.DELIVERED,
    claim: outbox.Claim | None = None,
    **fields: Any,
) -> outbox.Claim:
    """Settle all that a directory may have now, and give that.

    :param claim: settle this instead
    """
    if claim is None:
        claim = box.claim(directory, 1000)
    box.settle(
        directory,
        claim,
        [outbox.Settlement(one, state, **fields) for one in claim.entries],
    )
    return claim


def items(
    path: pathlib.Path, directory: str, *states: outbox.State
) -> list[queries.Item]:
    """List what is in some states with a directory."""
    with admin.OutboxAdmin(path).snapshot() as database:
        return queries.items(database, [directory], states)


def run_sql(
    path: pathlib.Path, statement: str, *values: Any
) -> list[tuple[Any, ...]]:
    """Run a statement that is none of the product's; give its rows."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement, values).fetchall()


def dump(path: pathlib.Path) -> str:
    """Return all that is in the file, as SQL."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump())


def query_plan(path: pathlib.Path, statement: str) -> str:
    """Return how SQLite would run a statement, whatever its values."""
    with admin.OutboxAdmin(path).snapshot() as database:
        rows = database.execute(
            f"EXPLAIN QUERY PLAN {statement}", collections.defaultdict(int)
        )
        return "\n".join(row["detail"] for row in rows)


def make_older(path: pathlib.Path, version: int) -> None:
    """Make an outbox as a release before has left it.

    :param version: of its tables
    """
    with contextlib.closing(sqlite3.connect(path)) as database:
        for script in schema.MIGRATIONS[:version]:
            database.executescript(script)
        database.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {version}")


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
    """Keep others from writing, as somebody does who writes for long."""
    with contextlib.closing(
        sqlite3.connect(path, isolation_level=None)
    ) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield
        writer.execute("ROLLBACK")


def buried(
    box: outbox.Outbox, directory: str
) -> Sequence[tuple[outbox.Entry, str]]:
    """Return the entries that a directory refused for good, and why."""
    box.check_writable()
    with admin.OutboxAdmin(box.path).snapshot() as database:
        return [
            (
                dataclasses.replace(entry, attempts=item.attempts),
                item.reason,
            )
            for item in queries.items(
                database, (directory,), {outbox.State.BURIED}
            )
            if (entry := queries.entry(database, item.number))
        ]


def parked(box: outbox.Outbox) -> Sequence[tuple[int, str, str]]:
    """Return number, instance uuid and reason of what is parked."""
    box.check_writable()
    with admin.OutboxAdmin(box.path).snapshot() as database:
        return [
            (item.number, item.instance_uuid, item.reason)
            for item in queries.items(database, (), {outbox.State.PARKED})
        ]
