"""Connections to one PostgreSQL database, shared by the libraries in it.

Two ways to use one: a transaction, and a single statement that reads (:meth:`Connections.read`). The statement is one
round trip: it is its own transaction, and the connection remembers whose tables names mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import Connection, errors, sql
from psycopg_pool import ConnectionPool

from rag.core.errors import LibraryError, StorageError
from rag.library.postgres.address import Address

Statement = bytes | sql.Composed
# Makers of libraries and tables wait for each other: two at once would both find nothing.
MAKING = 0x636F6E63
_BUSY_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 10
_MAX_CONNECTIONS = 8
_IDLE_S = 60.0
_WAIT_S = 15.0
# Iterative scans look past rows that are only staged. Libraries of earlier versions have HNSW, later ones IVFFlat. The
# last setting is the cost of a page on a disk without moving parts. By the default, which is that of a turning one, 600
# rows by id scan a whole table.
_SETTINGS = (
    "SET hnsw.iterative_scan = strict_order; SET hnsw.ef_search = 200; "
    "SET ivfflat.iterative_scan = relaxed_order; SET ivfflat.probes = 75; SET random_page_cost = 1.1"
)
# Servers before version 14 have no such setting.
_NO_TIMEOUT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"


class Session(Connection[Any]):
    """A connection of the pool.

    Attributes:
        schema: whose tables names mean outside transactions.
    """

    schema = ""


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
            connection_class=Session,
            kwargs={"connect_timeout": _CONNECT_TIMEOUT_S},
            configure=self._configure,
            min_size=0,
            max_size=_MAX_CONNECTIONS,
            max_idle=_IDLE_S,
            timeout=_WAIT_S,
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
        with self._explained(), suppress(*ignored), self._checked() as db:
            if is_snapshot:
                db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self.enter(db, schema)
            yield db

    def read(self, schema: str, statement: Statement, values: Sequence[object] | None = None) -> list[Any]:
        """Rows of one statement that changes nothing, sent as binary. What it reads belongs to one moment.

        The server keeps the plan of a statement that is asked often.

        Raises:
            StorageError: the server is out of reach, or failed.
        """
        with self._explained():
            for left in reversed(range(_MAX_CONNECTIONS + 1)):
                with self._pool.connection() as db:
                    try:
                        with self._autocommit(db, schema):
                            return db.cursor(binary=True).execute(statement, values).fetchall()
                    except psycopg.OperationalError:
                        # Cut while nobody used it: the pool drops it, and the next one may be whole.
                        if not (db.broken and left):
                            raise
        raise AssertionError("the last attempt returns or raises")

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
        db.execute(sql.SQL("SET LOCAL search_path TO {}").format(self._path(schema)))

    def _path(self, schema: str) -> sql.Composed:
        return sql.SQL(", ").join(map(sql.Identifier, (schema, self._home)))

    @contextmanager
    def _checked(self) -> Iterator[Session]:
        """A connection that answers, and its transaction."""
        for left in reversed(range(_MAX_CONNECTIONS + 1)):
            with self._pool.connection() as db:
                try:
                    ConnectionPool.check_connection(db)
                except psycopg.OperationalError:
                    if not left:
                        raise
                    continue
                yield db
                return

    def _configure(self, db: Session) -> None:
        self.enter(db, self._home)
        register_vector(db)
        db.execute(_SETTINGS)
        db.commit()

    @contextmanager
    def _autocommit(self, db: Session, schema: str) -> Iterator[None]:
        """Each statement is its own transaction, and its names mean the tables of ``schema``."""
        db.autocommit = True
        try:
            if db.schema != schema:
                db.execute(sql.SQL("SET search_path TO {}").format(self._path(schema)))
                db.schema = schema
            yield
        finally:
            if not db.closed:
                db.autocommit = False

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
