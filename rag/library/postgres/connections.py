"""Connections to one PostgreSQL database, shared by the libraries in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import Connection, errors, sql
from psycopg_pool import ConnectionPool

from rag.core.errors import LibraryError, StorageError
from rag.library.postgres.address import Address

# Makers of libraries and tables wait for each other: two at once would both find nothing.
MAKING = 0x636F6E63
_BUSY_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 10
_MAX_CONNECTIONS = 8
_IDLE_S = 60.0
_WAIT_S = 15.0
# Servers before version 14 have no such setting.
_NO_TIMEOUT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"


class Connections:
    """Connections to one database that has pgvector, shared by all libraries that are opened through them."""

    def __init__(self, address: Address) -> None:
        """Connect.

        Raises:
            LibraryError: the database lacks the extension ``vector``, and it cannot be made.
            StorageError: the server is out of reach, or refuses.
        """
        self.address = address
        with self.connection() as db:
            self._home = _ensure_extension(db, address)
        self._pool = ConnectionPool(
            address.conninfo,
            kwargs={"connect_timeout": _CONNECT_TIMEOUT_S},
            configure=self._configure,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            max_idle=_IDLE_S,
            timeout=_WAIT_S,
            check=ConnectionPool.check_connection,
            open=True,
        )

    def close(self) -> None:
        """Close all of them."""
        self._pool.close()

    @contextmanager
    def transaction(
        self, schema: str, *, is_snapshot: bool = False, ignored: tuple[type[psycopg.Error], ...] = ()
    ) -> Iterator[Connection[Any]]:
        """One transaction in ``schema``.

        Args:
            schema: whose tables names mean.
            is_snapshot: everything that is read belongs to the same moment; nothing can be written.
            ignored: errors that roll the transaction back and are not raised.

        Raises:
            StorageError: the server is out of reach, or failed.
        """
        with self._explained(), suppress(*ignored), self._pool.connection() as db:
            if is_snapshot:
                db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self.enter(db, schema)
            yield db

    @contextmanager
    def connection(self) -> Iterator[Connection[Any]]:
        """One transaction on a connection outside the pool."""
        with self._explained(), psycopg.connect(self.address.conninfo, connect_timeout=_CONNECT_TIMEOUT_S) as db:
            yield db

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock of this name, which is that of a session: the server lets go when its connection ends.

        The connection may be cut meanwhile, without notice: :class:`rag.library.postgres.writer.Writer` finds out.

        Raises:
            StorageError: another session held it for a minute, or the server is out of reach.
        """
        with self._explained():
            db = psycopg.connect(self.address.conninfo, connect_timeout=_CONNECT_TIMEOUT_S, autocommit=True)
        try:
            with self._explained():
                # The server must not end the session while documents are read and embedded.
                db.execute(_NO_TIMEOUT)
                db.execute(f"SET lock_timeout = '{_BUSY_TIMEOUT_S:.0f}s'")
                try:
                    db.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
                except errors.LockNotAvailable:
                    place = self.address.place
                    raise StorageError(f"another process is writing to {place}; try again when it is done") from None
            yield
        finally:
            db.close()

    def enter(self, db: Connection[Any], schema: str) -> None:
        """Have names mean the tables of ``schema``, and pgvector's, until the transaction ends."""
        path = sql.SQL(", ").join(map(sql.Identifier, (schema, self._home)))
        db.execute(sql.SQL("SET LOCAL search_path TO {}").format(path))

    def _configure(self, db: Connection[Any]) -> None:
        self.enter(db, self._home)
        register_vector(db)
        db.commit()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            place = self.address.place
            raise StorageError(f"{place}: {self.address.clean(error)}; nothing was changed") from None


def _ensure_extension(db: Connection[Any], address: Address) -> str:
    """Make the extension where it is missing; the schema that holds it."""
    find = "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
    row = db.execute(find).fetchone()
    if row is None:
        try:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
            db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile) as error:
            raise LibraryError(
                f"{address.place}: the database lacks pgvector ({address.clean(error)}); install it on the server and "
                "let a superuser run there: CREATE EXTENSION vector"
            ) from None
        row = db.execute(find).fetchone()
    assert row is not None  # found, or made
    return str(row[0])
