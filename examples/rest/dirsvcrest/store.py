# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The documents on disk: one file of SQLite."""

import contextlib
import dataclasses
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from dirsvcrest import documents

#: Seconds to wait for another process that writes.
PATIENCE = 5.0
LONGEST_PAGE = 1000

# The number 1 of user_version is this layout.
LAYOUT = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS instances (
    instance_uuid TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    as_of TEXT NOT NULL,
    last_key TEXT NOT NULL,
    project_name TEXT NOT NULL,
    user_name TEXT NOT NULL,
    image_uuid TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS by_project
    ON instances (project_name, instance_uuid);
CREATE INDEX IF NOT EXISTS by_user ON instances (user_name, instance_uuid);
CREATE INDEX IF NOT EXISTS by_image ON instances (image_uuid, instance_uuid);
CREATE TABLE IF NOT EXISTS addresses (
    instance_uuid TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (instance_uuid, kind, value)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_address ON addresses (value, kind);
PRAGMA user_version = 1;
COMMIT;
"""
WRITE = """
INSERT OR REPLACE INTO instances (
    instance_uuid, owner, as_of, last_key, project_name, user_name,
    image_uuid, document
) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
#: By the name of a query parameter.
FILTERS = {
    "marker": "instance_uuid > ?",
    "owner": "owner = ?",
    "project_name": "project_name = ?",
    "user_name": "user_name = ?",
    "image_uuid": "image_uuid = ?",
    "ip": "instance_uuid IN (SELECT instance_uuid FROM addresses"
    " WHERE value = ? AND kind = 'ip')",
    "mac": "instance_uuid IN (SELECT instance_uuid FROM addresses"
    " WHERE value = ? AND kind = 'mac')",
}


class AnotherOwner(Exception):
    """The stored document has another owner mark."""


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What a register did.

    :ivar document: what is stored now, as JSON
    """

    document: str
    created: bool = False
    replayed: bool = False


class Store:
    """Keeps documents; each write is on disk when its method returns.

    All methods raise sqlite3.Error when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        # SQLite's own waiting is by sleeping, and not first come first served.
        self._turn = threading.Lock()

    def make(self) -> None:
        db = self._open()
        try:
            db.executescript(LAYOUT)
        finally:
            db.close()

    def register(
        self, received: documents.Document, key: str, any_owner: bool
    ) -> Written:
        """Store a received document.

        :param key: the same if a document is received again; may be empty
        :param any_owner: whether the owner mark may change
        :raises AnotherOwner: the mark would change, and may not
        """
        with self._transaction() as db:
            row = db.execute(
                "SELECT owner, last_key, document FROM instances"
                " WHERE instance_uuid = ?",
                (received["instance_uuid"],),
            ).fetchone()
            if row is None:
                return Written(
                    self._write(db, received, key, None), created=True
                )
            owner, last_key, text = row
            if owner != received["owner"] and not any_owner:
                raise AnotherOwner
            if key and key == last_key:
                return Written(text, replayed=True)
            stored = json.loads(text)
            result = documents.merged(stored, received)
            if result == stored:
                return Written(text)
            return Written(self._write(db, result, key, stored))

    def unregister(
        self, instance_uuid: str, owner: str | None, as_of: str | None
    ) -> str | None:
        """Remove a document.

        :param owner: the mark that it must have; None for any
        :param as_of: leave it when it is newer; None removes it anyway
        :returns: the document if it stays
        :raises KeyError: there is none
        :raises AnotherOwner: it has another mark
        """
        with self._transaction() as db:
            row = db.execute(
                "SELECT owner, as_of, document FROM instances"
                " WHERE instance_uuid = ?",
                (instance_uuid,),
            ).fetchone()
            if row is None:
                raise KeyError(instance_uuid)
            if owner is not None and owner != row[0]:
                raise AnotherOwner
            if as_of is not None and as_of < row[1]:
                return str(row[2])
            for table in ("addresses", "instances"):
                db.execute(
                    f"DELETE FROM {table} WHERE instance_uuid = ?",  # noqa: S608
                    (instance_uuid,),
                )
            return None

    def read(self, instance_uuid: str) -> str | None:
        """Return a document as JSON, or None."""
        row = (
            self._db()
            .execute(
                "SELECT document FROM instances WHERE instance_uuid = ?",
                (instance_uuid,),
            )
            .fetchone()
        )
        return row and row[0]

    def page(self, filters: Mapping[str, str], limit: int) -> list[str]:
        """Return documents as JSON, in the order of instance_uuid.

        :param filters: values by a name in FILTERS; all must hold
        """
        conditions = [FILTERS[name] for name in filters]
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        rows = self._db().execute(
            f"SELECT document FROM instances {where}"  # noqa: S608
            " ORDER BY instance_uuid LIMIT ?",
            (*filters.values(), min(limit, LONGEST_PAGE)),
        )
        return [text for (text,) in rows]

    def ping(self) -> None:
        self._db().execute("SELECT 1 FROM instances LIMIT 1").fetchone()

    def _write(
        self,
        db: sqlite3.Connection,
        document: documents.Document,
        key: str,
        stored: documents.Document | None,
    ) -> str:
        text = json.dumps(document, separators=(",", ":"))
        uuid = document["instance_uuid"]
        names = ("owner", "as_of", "project_name", "user_name", "image_uuid")
        owner, as_of, *rest = (document[name] for name in names)
        db.execute(WRITE, (uuid, owner, as_of, key, *rest, text))
        before = documents.addresses(stored) if stored else set()
        after = documents.addresses(document)
        for sql, pairs in (
            ("DELETE FROM addresses WHERE instance_uuid = ? AND kind = ?"
             " AND value = ?", before - after),
            ("INSERT INTO addresses VALUES (?, ?, ?)", after - before),
        ):  # fmt: skip
            if pairs:
                db.executemany(sql, [(uuid, *pair) for pair in pairs])
        return text

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._db()
        with self._turn:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                # A full disk ends some transactions, and leaves others open.
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _db(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        if not hasattr(self._own, "db"):
            self._own.db = self._open()
        db: sqlite3.Connection = self._own.db
        return db

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._path, timeout=PATIENCE, isolation_level=None
        )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        return db
