"""Patches of a library in PostgreSQL: one row a patch, in a table of the library's schema."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg import Connection, errors

from rag.core.process.lazy import lazy_property
from rag.library.adapter_folders import CONFIG, MANIFEST, WEIGHTS, Usage
from rag.library.patch_files import PatchChanges, PatchFiles
from rag.library.postgres.database import PostgresDatabase

_TABLES = """
CREATE TABLE patches (
    key text PRIMARY KEY,
    manifest json NOT NULL,
    config bytea NOT NULL,
    weights bytea NOT NULL,
    used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE patches ALTER COLUMN weights SET STORAGE EXTERNAL;
"""
# The length of a value that is stored outside its row is known without reading it.
_USAGES = "SELECT extract(epoch FROM used_at)::float8, octet_length(weights), key FROM patches ORDER BY used_at, key"


class PostgresPatchFiles(PatchFiles):
    """The patches of one library; processes on any number of hosts share them."""

    def __init__(self, database: PostgresDatabase) -> None:
        """Make the table where it is missing.

        Raises:
            StorageError: the server is out of reach, or lets this user make no table.
        """
        self._database = database
        database.make_tables("patches", _TABLES)

    @property
    def scratch(self) -> Path:
        """A folder of this process, which goes with it: no text of the library outlives the library."""
        return Path(self._scratch.name)

    def list_keys(self) -> list[str]:
        """The keys of all patches, sorted."""
        with self._database.transaction() as db:
            return sorted(key for (key,) in db.execute("SELECT key FROM patches"))

    def known(self, keys: Collection[str]) -> set[str]:
        """Those of ``keys`` that are there."""
        with self._database.transaction() as db:
            return {key for (key,) in db.execute("SELECT key FROM patches WHERE key = ANY(%s)", (list(keys),))}

    def usages(self) -> list[Usage]:
        """All patches, least recently used first."""
        with self._database.transaction() as db:
            return _read_usages(db)

    def manifests(self) -> dict[str, bytes | None]:
        """The manifest of each patch by key."""
        with self._database.transaction() as db:
            rows = db.execute("SELECT key, manifest::text FROM patches ORDER BY key").fetchall()
        return {key: manifest.encode() for key, manifest in rows}

    def read(self, key: str) -> dict[str, bytes]:
        """The files of a patch by name; empty where there is none of this key."""
        statement = b"SELECT weights, config, manifest::text FROM patches WHERE key = %s"
        with self._database.transaction() as db:
            row = db.cursor(binary=True).execute(statement, (key,)).fetchone()
        return {WEIGHTS: row[0], CONFIG: row[1], MANIFEST: row[2].encode()} if row else {}

    def touch(self, key: str) -> None:
        """Note that a patch was used; a standby server takes no note."""
        with self._database.transaction(ignored=(errors.ReadOnlySqlTransaction,)) as db:
            db.execute("UPDATE patches SET used_at = clock_timestamp() WHERE key = %s", (key,))

    @contextmanager
    def writing(self) -> Iterator[PatchChanges]:
        """Be the one writer of the table. All changes are one transaction: an error undoes them.

        Raises:
            StorageError: another process was still at it after a minute, or the server is out of reach.
        """
        with self._database.transaction() as db:
            db.execute("SET LOCAL lock_timeout = '60s'")
            name = f"{self._database.address.schema} patches"
            db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
            yield _Changes(db)

    def clean(self) -> None:
        """A transaction leaves nothing half-written."""

    @lazy_property
    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="concord-patches-", ignore_cleanup_errors=True)


class _Changes(PatchChanges):
    def __init__(self, db: Connection[Any]) -> None:
        self._db = db

    def usages(self) -> list[Usage]:
        return _read_usages(self._db)

    def put(self, key: str, files: Mapping[str, bytes]) -> None:
        statement = (
            "INSERT INTO patches (key, manifest, config, weights) VALUES (%s, %s, %s, %b) ON CONFLICT DO NOTHING"
        )
        self._db.execute(statement, (key, files[MANIFEST].decode(), files[CONFIG], files[WEIGHTS]))

    def drop(self, key: str) -> bytes | None:
        row = self._db.execute("DELETE FROM patches WHERE key = %s RETURNING manifest::text", (key,)).fetchone()
        return row[0].encode() if row else None


def _read_usages(db: Connection[Any]) -> list[Usage]:
    return [Usage(*row) for row in db.execute(_USAGES)]
