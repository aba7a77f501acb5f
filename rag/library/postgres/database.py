"""The tables of a library in PostgreSQL, one schema per library, and the connections to them.

documents (is_live)  1 --- *  passages (text, words, vector, content)
passages.content  * --- *  extractions (one per extractor and content)
meta: facts about the library as a whole; ``writer`` counts the writers that there were
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg import Connection, errors, sql
from psycopg_pool import ConnectionPool

from rag.core.errors import LibraryError, StorageError
from rag.library.postgres.address import Address

LAYOUT = "1"
BUSY_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 10
_MAX_CONNECTIONS = 8
_IDLE_S = 60.0
_WAIT_S = 15.0
# Servers before version 14 have no such setting.
_NO_TIMEOUT = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
# Makers of libraries wait for each other: two at once would both find nothing.
_MAKING = 0x636F6E63
# The stemmer of SQLite's FTS5 and, as there, no stop words: the question's are left out by the retriever.
_TABLES = """
CREATE TABLE meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE documents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    doc_id text NOT NULL,
    source text NOT NULL,
    title text NOT NULL,
    content_hash text NOT NULL,
    size_chars bigint NOT NULL,
    added_at text NOT NULL,
    is_live boolean NOT NULL,
    UNIQUE (doc_id, is_live)
);
CREATE TABLE passages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    ordinal integer NOT NULL,
    start bigint NOT NULL,
    text text NOT NULL,
    content bytea NOT NULL,
    num_words integer NOT NULL,
    words tsvector NOT NULL,
    vector vector NOT NULL
);
CREATE INDEX passages_by_document ON passages (document);
CREATE INDEX passages_by_content ON passages (content);
CREATE TABLE extractions (
    extractor text NOT NULL,
    content bytea NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (extractor, content)
);
CREATE INDEX extractions_by_content ON extractions (content);
CREATE TEXT SEARCH DICTIONARY stem (TEMPLATE = snowball, LANGUAGE = porter);
CREATE TEXT SEARCH CONFIGURATION words (PARSER = "default");
ALTER TEXT SEARCH CONFIGURATION words ADD MAPPING FOR
    asciiword, word, numword, int, uint, float, sfloat WITH stem;
"""


SPARSE_INDEX = "CREATE INDEX passages_by_word ON passages USING gin (words)"
LIVE = "passages p JOIN documents d ON d.id = p.document AND d.is_live"


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

        The connection may be cut meanwhile, and nobody is told: :class:`rag.library.postgres.writer.Writer` finds out.

        Raises:
            StorageError: another session held it for a minute, or the server is out of reach.
        """
        with self._explained():
            db = psycopg.connect(self.address.conninfo, connect_timeout=_CONNECT_TIMEOUT_S, autocommit=True)
        try:
            with self._explained():
                # The server must not end the session while documents are read and embedded.
                db.execute(_NO_TIMEOUT)
                db.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_S:.0f}s'")
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


class PostgresDatabase:
    """The schema of one library."""

    def __init__(self, connections: Connections, address: Address, *, must_exist: bool, is_owner: bool) -> None:
        """Make the schema on first use; ``is_owner``: the connections are closed with it.

        Raises:
            LibraryError: it does not exist although it must.
            StorageError: the server failed, or holds a library of another layout.
        """
        self.address = address
        self.connections = connections
        self._is_owner = is_owner
        try:
            with connections.connection() as db:
                self._prepare(db, must_exist=must_exist)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connections, unless other libraries share them."""
        if self._is_owner:
            self.connections.close()

    def transaction(self, *, ignored: tuple[type[psycopg.Error], ...] = ()) -> AbstractContextManager[Connection[Any]]:
        """One transaction: all of it, or nothing; after ``ignored`` errors nothing, without a word."""
        return self.connections.transaction(self.address.schema, ignored=ignored)

    def snapshot(self) -> AbstractContextManager[Connection[Any]]:
        """Everything that is read inside belongs to the same moment."""
        return self.connections.transaction(self.address.schema, is_snapshot=True)

    def make_tables(self, table: str, statements: str) -> None:
        """Run ``statements``, which make ``table`` and what belongs to it, unless it exists."""
        is_there = "SELECT to_regclass(quote_ident(current_schema()) || '.' || %s) IS NOT NULL"
        with self.transaction() as db:
            if db.execute(is_there, (table,)).fetchone() == (True,):
                return
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            db.execute(statements.encode())

    def _prepare(self, db: Connection[Any], *, must_exist: bool) -> None:
        address = self.address
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
        if db.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (address.schema,)).fetchone():
            self._check_layout(db)
            return
        if must_exist:
            raise LibraryError(
                f"there is no library at {address.place}; make one with: concord add {address.place} PATH..."
            )
        db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(address.schema)))
        self.connections.enter(db, address.schema)
        db.execute(_TABLES)
        db.execute(SPARSE_INDEX)
        db.execute(
            "INSERT INTO meta VALUES ('schema', %s), ('identity', %s), ('generation', '0'), "
            "('num_passages', '0'), ('num_words', '0')",
            (LAYOUT, uuid.uuid4().hex),
        )

    def _check_layout(self, db: Connection[Any]) -> None:
        self.connections.enter(db, self.address.schema)
        row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        layout = row[0] if row else "none"
        if layout != LAYOUT:
            raise StorageError(
                f"{self.address.place} has layout {layout}, this version reads {LAYOUT}; open it with the version that "
                "made it"
            )


def get_meta(db: Connection[Any], key: str) -> str | None:
    """A fact about the library as a whole."""
    row = db.execute("SELECT value FROM meta WHERE key = %s", (key,)).fetchone()
    return str(row[0]) if row else None


def set_meta(db: Connection[Any], key: str, value: str) -> None:
    """Keep a fact about the library as a whole."""
    statement = "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    db.execute(statement, (key, value))


def next_generation(db: Connection[Any]) -> int:
    """Count one more publication, and what BM25 must know of the whole library."""
    count_up(db, "generation")
    row = db.execute(f"SELECT count(*), coalesce(sum(p.num_words), 0) FROM {LIVE}").fetchone()
    num_passages, num_words = row or (0, 0)
    set_meta(db, "num_passages", str(num_passages))
    set_meta(db, "num_words", str(num_words))
    return int(get_meta(db, "generation") or 0)


def count_up(db: Connection[Any], key: str) -> int:
    """Add one to a number among the facts; the row stays locked until the transaction ends."""
    row = db.execute(
        "INSERT INTO meta VALUES (%s, '1') ON CONFLICT (key) "
        "DO UPDATE SET value = (meta.value::bigint + 1)::text RETURNING value",
        (key,),
    ).fetchone()
    assert row is not None  # RETURNING gives the one row
    return int(row[0])


def _ensure_extension(db: Connection[Any], address: Address) -> str:
    """Make the extension where it is missing; the schema that holds it."""
    find = "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'vector'"
    row = db.execute(find).fetchone()
    if row is None:
        try:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFile) as error:
            raise LibraryError(
                f"{address.place}: the database lacks pgvector ({address.clean(error)}); install it on the server and "
                "let a superuser run there: CREATE EXTENSION vector"
            ) from None
        row = db.execute(find).fetchone()
    assert row is not None  # found, or made
    return str(row[0])
