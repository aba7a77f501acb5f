"""The libraries of one database: which there are, and removing one. Nothing is kept here but connections."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from psycopg import Connection, sql

from rag.core.errors import LibraryError
from rag.library.postgres.address import MAX_NAME, PREFIX, Address
from rag.library.postgres.connections import Connections
from rag.library.postgres.library import PostgresLibrary
from rag.library.postgres.upgrade import open_database

_NOBODY = "x"


class PostgresCatalog:
    """All libraries at ``postgresql://[user@]host[:port]/DATABASE``.

    Attributes:
        connections: to the database; a service counts there too.

    Raises:
        LibraryError: the address is malformed.
    """

    def __init__(self, database: str) -> None:
        self._database = database.rstrip("/")
        self._address = Address.parse(self._full_address(_NOBODY))
        self.connections = Connections(self._address)

    def check(self) -> None:
        """Ask the database for nothing, to see that it answers.

        Raises:
            StorageError: it does not.
        """
        with self._connected() as db:
            db.execute("SELECT 1")

    def names(self, prefix: str) -> list[str]:
        """Names of the libraries that begin with ``prefix``, sorted."""
        with self._connected() as db:
            rows = db.execute(
                "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (PREFIX + prefix,)
            ).fetchall()
        return sorted(row[0].removeprefix(PREFIX) for row in rows)

    def identity(self, name: str) -> str | None:
        """Identity of the library of this name; ``None`` when there is none."""
        schema = PREFIX + name
        with self._connected() as db:
            row = db.execute("SELECT to_regclass(quote_ident(%s) || '.meta')", (schema,)).fetchone()
            if row is None or row[0] is None:
                return None
            table = sql.Identifier(schema, "meta")
            row = db.execute(sql.SQL("SELECT value FROM {} WHERE key = 'identity'").format(table)).fetchone()
        return str(row[0]) if row else None

    def open(self, name: str, *, must_exist: bool = True) -> PostgresLibrary:
        """Open the library of this name.

        Raises:
            LibraryError: the name is too long, or the library does not exist although it must.
            UnavailableError: another process is bringing the library up to date.
        """
        if len(name) > MAX_NAME:
            raise LibraryError(f"library name {name!r} is too long; expected at most {MAX_NAME} characters")
        address = Address.parse(self._full_address(name))
        return PostgresLibrary(open_database(self.connections, address, must_exist=must_exist, is_owner=False))

    def remove(self, name: str) -> None:
        """Remove the library of this name with everything in it; nothing happens when there is none."""
        with self._connected() as db:
            db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(PREFIX + name)))

    def close(self) -> None:
        """Close all connections."""
        self.connections.close()

    def _connected(self) -> AbstractContextManager[Connection[Any]]:
        return self.connections.transaction(self._address.schema)

    def _full_address(self, name: str) -> str:
        place, mark, options = self._database.partition("?")
        return f"{place.rstrip('/')}/{name}{mark}{options}"
