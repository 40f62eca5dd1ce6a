# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox's file: how it is made, opened, and brought up to date."""

import contextlib
import errno
import functools
import os
import pathlib
import sqlite3
from collections.abc import Iterator

from nova_dirsvc_plugin import files
from nova_dirsvc_plugin.outbox import aside, open_files

#: Marks the file as ours (SQLite's ``application_id``): "ndOB".
APPLICATION_ID = 0x6E644F42

#: What SQLite adds to the name of the file for those beside it.
BESIDE = ("-journal", "-wal", "-shm")

#: Bytes to which SQLite cuts the write-ahead log when it begins it anew; as
#: much as it holds before a checkpoint.
LOG_SIZE = 4 * 2**20

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
    # One word for each state; an index holds only what it is asked for.
    """
    ALTER TABLE exception RENAME TO backlog;
    DROP INDEX exception_instance;
    DROP INDEX exception_number;
    DROP INDEX exception_due;
    UPDATE backlog SET state = 'waiting'
        WHERE state = 'deferred' AND deferrals = 0 AND reason = '';
    UPDATE backlog SET state = 'confirm' WHERE state = 'repeat';
    CREATE INDEX backlog_due
        ON backlog (directory, not_before, number, state)
        WHERE state IN ('waiting', 'deferred');
    CREATE INDEX backlog_instance
        ON backlog (directory, instance_uuid, number)
        WHERE state IN ('waiting', 'deferred');
    CREATE INDEX backlog_confirm ON backlog (directory, not_before)
        WHERE state = 'confirm';
    CREATE INDEX backlog_number ON backlog (number);
    ALTER TABLE journal RENAME COLUMN what TO state;
    UPDATE journal SET state = 'waiting', reason = 'retried by an operator'
        WHERE state = 'retried';
    """,
    # A row that a disk has changed is seen.
    """
    ALTER TABLE entry ADD COLUMN checksum INTEGER;
    """,
    # A wait that the clock was set back in is known by when it began.
    """
    ALTER TABLE backlog ADD COLUMN deferred_at REAL NOT NULL DEFAULT 0;
    UPDATE backlog SET not_before = 0 WHERE state = 'deferred';
    UPDATE backlog SET deferred_at = not_before WHERE state = 'confirm';
    CREATE INDEX backlog_set_back ON backlog (directory, deferred_at)
        WHERE state IN ('waiting', 'deferred');
    CREATE INDEX backlog_confirm_set_back ON backlog (directory, deferred_at)
        WHERE state = 'confirm';
    """,
    # Of an instance with many entries, a claim reads a few. Until an instance
    # of an older release was claimed once, its few are all.
    """
    CREATE TABLE summary (
        instance_uuid TEXT NOT NULL,
        directory TEXT NOT NULL,
        up_to INTEGER NOT NULL,
        numbers TEXT NOT NULL,
        PRIMARY KEY (instance_uuid, directory)) WITHOUT ROWID;
    CREATE INDEX entry_removal ON entry (instance_uuid, verb, occurred_at)
        WHERE verb IN ('unregister', 'soft-unregister');
    INSERT INTO summary (instance_uuid, directory, up_to, numbers)
        SELECT e.instance_uuid, p.directory, max(e.number),
            json_group_array(e.number)
        FROM position AS p CROSS JOIN entry AS e
        GROUP BY p.directory, e.instance_uuid HAVING count(*) > 16;
    """,
    # An entry may be for one directory: a repair, with what was there before.
    # A message id is the same in an outbox that takes another one over.
    """
    ALTER TABLE entry ADD COLUMN directory TEXT NOT NULL DEFAULT '';
    CREATE INDEX entry_directory ON entry (directory, number)
        WHERE directory <> '';
    CREATE TABLE run (
        run_id TEXT PRIMARY KEY,
        directory TEXT NOT NULL,
        plan_id TEXT NOT NULL,
        verb TEXT NOT NULL,
        allowed INTEGER NOT NULL,
        started_at REAL NOT NULL,
        summary TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE repair (
        place INTEGER PRIMARY KEY,
        message_id TEXT NOT NULL UNIQUE,
        run_id TEXT NOT NULL,
        instance_uuid TEXT NOT NULL,
        verb TEXT NOT NULL,
        stored_at REAL NOT NULL,
        attributes TEXT NOT NULL,
        before TEXT NOT NULL);
    CREATE INDEX repair_run ON repair (run_id, place);
    CREATE INDEX repair_instance ON repair (instance_uuid);
    CREATE INDEX repair_stored ON repair (stored_at);
    CREATE TABLE reading (
        cloud TEXT NOT NULL,
        kind TEXT NOT NULL,
        read_at REAL NOT NULL,
        instances INTEGER NOT NULL,
        PRIMARY KEY (cloud, kind)) WITHOUT ROWID;
    """,
    # What the last comparison of each directory with Nova has found.
    """
    CREATE TABLE comparison (
        directory TEXT PRIMARY KEY,
        compared_at REAL NOT NULL,
        whole INTEGER NOT NULL,
        instances INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        found TEXT NOT NULL,
        guarded_at REAL NOT NULL DEFAULT 0,
        stops TEXT NOT NULL DEFAULT '[]') WITHOUT ROWID;
    """,
    # What is listed is found by its state, and is not counted one by one.
    """
    CREATE INDEX backlog_state ON backlog (directory, state, number);
    CREATE INDEX backlog_latest
        ON backlog (directory, state, deferred_at, number);
    CREATE TABLE tally (
        directory TEXT NOT NULL,
        state TEXT NOT NULL,
        entries INTEGER NOT NULL,
        PRIMARY KEY (directory, state)) WITHOUT ROWID;
    INSERT INTO tally (directory, state, entries)
        SELECT directory, state, count(*) FROM backlog
        GROUP BY directory, state;
    CREATE TRIGGER tally_added AFTER INSERT ON backlog BEGIN
        INSERT INTO tally (directory, state, entries)
        VALUES (new.directory, new.state, 1)
        ON CONFLICT (directory, state) DO UPDATE SET entries = entries + 1;
    END;
    CREATE TRIGGER tally_removed AFTER DELETE ON backlog BEGIN
        UPDATE tally SET entries = entries - 1
        WHERE directory = old.directory AND state = old.state;
    END;
    CREATE TRIGGER tally_changed AFTER UPDATE OF directory, state ON backlog
    WHEN old.state <> new.state OR old.directory <> new.directory BEGIN
        UPDATE tally SET entries = entries - 1
        WHERE directory = old.directory AND state = old.state;
        INSERT INTO tally (directory, state, entries)
        VALUES (new.directory, new.state, 1)
        ON CONFLICT (directory, state) DO UPDATE SET entries = entries + 1;
    END;
    """,
)


class NotAnOutbox(Exception):
    """The file is somebody else's, or a newer release's."""


def connect(
    path: pathlib.Path,
    busy_timeout: float,
    *,
    create: bool = True,
    upgrade: bool = True,
) -> sqlite3.Connection:
    """Open an outbox; its rows are read by the names of their columns.

    Folder and file are for their owner and group, whose accounts are those
    of Nova's services and the daemon. SQLite gives the files beside it the
    mode of the main file. No link is followed in the folder, as each of the
    group may put one there.

    :param busy_timeout: seconds to wait for another process's commit
    :param create: make file and folder where they are missing
    :param upgrade: bring it up to date, too, which may take seconds
    :raises OSError: the folder or file is missing, or cannot be made or read
    :raises sqlite3.Error: the file cannot be opened or written
    :raises NotAnOutbox: it is no outbox, or of another release
    """
    if create:
        create_folder(path.parent)
    path = resolved(path)
    _check_names(path)
    if not create:
        _check_readable(path)
        if fault := open_files.fault_at(path):
            raise NotAnOutbox(
                f"{fault} while it was in use: Nova and nova-dirsvc-sync make"
                " another one at their next use of it"
            )
    if path.exists() and path.stat().st_size:
        return _opened(path, busy_timeout, create, upgrade)
    with aside.creation_lock(path):
        # SQLite removes a log that it finds beside an empty file.
        if fault := open_files.fault_at(path):
            raise NotAnOutbox(f"{fault} at this moment: try again")
        _create(path)
        return _opened(path, busy_timeout, create, upgrade)


def _opened(
    path: pathlib.Path, busy_timeout: float, create: bool, upgrade: bool
) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    connection.text_factory = decoded
    try:
        _check_opened(connection, path)
        _check_application(connection, may_be_empty=create)
        if create:
            connection.execute("PRAGMA journal_mode = WAL")
            if upgrade or not _version(connection):
                _migrate(connection)
            _check_version(connection)
        else:
            _check_version(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
        # See ``transactions``.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except BaseException:
        connection.close()
        raise
    return connection


#: Decodes a text that a faulty disk or writer may have damaged.
decoded = functools.partial(str, encoding="utf-8", errors="replace")


def resolved(path: pathlib.Path) -> pathlib.Path:
    """Return the one path of an outbox, by whatever folder it is named."""
    # A path that begins with two slashes is the same as with one.
    folder = "/" + os.path.realpath(path.parent).lstrip("/")
    return pathlib.Path(folder, path.name)


def _create(path: pathlib.Path) -> None:
    """Make the empty file; no umask narrows its mode."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o660)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, 0o660)
    finally:
        os.close(descriptor)


def create_folder(folder: pathlib.Path) -> None:
    """Make the folder, unless a folder or a link is there."""
    try:
        # Not with the set-group-id bit: systemd's RestrictSUIDSGID refuses
        # that before it is seen that the folder is there.
        folder.mkdir(mode=0o770)
    except FileExistsError:
        return
    descriptor = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, 0o2770)
    finally:
        os.close(descriptor)


def _check_readable(path: pathlib.Path) -> None:
    """Check that the file exists and that this user may read it.

    It is not opened: to close it would end the locks on it that SQLite has
    for other connections of this process.

    :raises OSError: it is not
    """
    path.lstat()
    if not os.access(path, os.R_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _check_names(path: pathlib.Path) -> None:
    """Check that the outbox and all beside it are files of their own.

    :raises NotAnOutbox: one is not; the message names it
    """
    try:
        for suffix in ("", *BESIDE):
            files.check(pathlib.Path(f"{path}{suffix}"))
    except files.UnsafeFile as error:
        raise NotAnOutbox(str(error)) from error


def _check_opened(connection: sqlite3.Connection, path: pathlib.Path) -> None:
    """Check that SQLite has opened this very file.

    It follows a link in the place of the file, which may have been put there
    since, and then tells another path. It follows none beside the file.

    :raises NotAnOutbox: it has opened another
    """
    row = connection.execute("PRAGMA database_list").fetchone()
    if row["file"] != os.fsencode(path).decode(errors="replace"):
        raise NotAnOutbox(f"{path}: was replaced by a link: remove it")


def _check_application(
    connection: sqlite3.Connection, *, may_be_empty: bool
) -> None:
    (tables,) = connection.execute(
        "SELECT count(*) FROM sqlite_master"
    ).fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID and (tables or not may_be_empty):
        raise NotAnOutbox("a SQLite file, but not an outbox")


def _check_version(connection: sqlite3.Connection) -> None:
    """Check that the file is of this release.

    :raises NotAnOutbox: it is not
    """
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise NotAnOutbox(
            f"of a newer release (version {version}, this release reads up"
            f" to {len(MIGRATIONS)}): upgrade nova-dirsvc-plugin here"
        )
    if version < len(MIGRATIONS):
        raise NotAnOutbox(
            f"of an older release (version {version}): nova-dirsvc-sync of"
            " this release brings it up to date when it starts"
        )


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_version(connection) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        version = max(_version(connection), len(MIGRATIONS))
        connection.execute(f"PRAGMA user_version = {version}")
        _check_version(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def version_of(path: pathlib.Path) -> int:
    """Read the number of the last script that was run on an outbox.

    :raises sqlite3.Error: it cannot be read
    """
    with contextlib.closing(
        sqlite3.connect(f"{resolved(path).as_uri()}?mode=ro", uri=True)
    ) as connection:
        return _version(connection)


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; one that makes a trigger has some."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
