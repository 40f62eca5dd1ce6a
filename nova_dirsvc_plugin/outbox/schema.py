# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox's file: how it is made, opened, and brought up to date."""

import os
import pathlib
import sqlite3

#: Marks the file as ours (SQLite's ``application_id``): "ndOB".
APPLICATION_ID = 0x6E644F42

#: One script a version, run in order; never change one that was released.
MIGRATIONS = (
    """
    CREATE TABLE entry (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT NOT NULL UNIQUE,
        event_type TEXT NOT NULL,
        verb TEXT NOT NULL,
        instance_uuid TEXT NOT NULL,
        occurred_at REAL NOT NULL,
        stored_at REAL NOT NULL,
        request_id TEXT NOT NULL,
        record TEXT NOT NULL);
    CREATE INDEX entry_instance ON entry (instance_uuid, number);
    CREATE INDEX entry_stored ON entry (stored_at);
    CREATE TABLE position (
        directory TEXT PRIMARY KEY,
        number INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE exception (
        directory TEXT NOT NULL,
        number INTEGER NOT NULL,
        instance_uuid TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        deferrals INTEGER NOT NULL,
        not_before REAL NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (directory, number)) WITHOUT ROWID;
    CREATE INDEX exception_instance
        ON exception (directory, state, instance_uuid, number);
    CREATE INDEX exception_number ON exception (number);
    CREATE TABLE parked (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        message_id TEXT UNIQUE,
        event_type TEXT NOT NULL,
        instance_uuid TEXT NOT NULL,
        stored_at REAL NOT NULL,
        reason TEXT NOT NULL,
        notification TEXT NOT NULL);
    """,
    """
    CREATE TABLE journal (
        number INTEGER NOT NULL,
        directory TEXT NOT NULL,
        what TEXT NOT NULL,
        reason TEXT NOT NULL,
        times INTEGER NOT NULL,
        first_at REAL NOT NULL,
        last_at REAL NOT NULL,
        PRIMARY KEY (number, directory, what, reason)) WITHOUT ROWID;
    CREATE TABLE origin (
        request_id TEXT PRIMARY KEY,
        remote_address TEXT NOT NULL,
        stored_at REAL NOT NULL) WITHOUT ROWID;
    CREATE INDEX origin_stored ON origin (stored_at);
    CREATE INDEX exception_due ON exception (directory, state, not_before);
    """,
)


class NotAnOutbox(Exception):
    """The file is somebody else's, or a newer release's."""


def connect(path: pathlib.Path, busy_timeout: float) -> sqlite3.Connection:
    """Open an outbox; make it, and its folder, when it is missing.

    Folder and file are for their owner and group: Nova's services and the
    daemon run as different users of one group. SQLite gives the files
    beside it (``-wal``, ``-shm``) the mode of the main file.

    :param busy_timeout: seconds to wait for another process's commit
    :raises OSError: the folder or file cannot be made
    :raises sqlite3.Error: the file cannot be opened or written
    :raises NotAnOutbox: it is no outbox, or of a newer release
    """
    if not path.parent.exists():
        path.parent.mkdir(mode=0o2770, exist_ok=True)
        path.parent.chmod(0o2770)
    _create(path)
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    # Text that a faulty disk or writer has spoilt is to be seen and buried.
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        _check_application(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: pathlib.Path) -> None:
    """Make the empty file by itself, so that no umask narrows its mode."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o660)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, 0o660)
    finally:
        os.close(descriptor)


def _check_application(connection: sqlite3.Connection) -> None:
    (tables,) = connection.execute(
        "SELECT count(*) FROM sqlite_master"
    ).fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if tables and application != APPLICATION_ID:
        raise NotAnOutbox("a SQLite file, but not an outbox")


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise NotAnOutbox(
                f"of version {version}, this release knows up to"
                f" {len(MIGRATIONS)}: upgrade nova-dirsvc-plugin here"
            )
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
