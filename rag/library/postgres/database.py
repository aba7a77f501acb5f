"""The tables of a library in PostgreSQL, one schema per library.

documents (is_live)  1 --- *  passages (text, words, vector, content)
passages.content  * --- *  extractions (one per extractor and content)
passages.words  * --- *  word_blocks (:mod:`rag.library.postgres.word_lists`: the passages of each word)
passages  1 --- 0..1  graph_entries (:mod:`rag.library.postgres.graph_tables`, with graph_names and graph_words)
meta: facts about the library as a whole; ``writer`` counts the writers that there were
"""

from __future__ import annotations

import uuid
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg import Connection, sql

from rag.core.errors import LibraryError, StorageError
from rag.library.postgres.address import Address
from rag.library.postgres.connections import MAKING, Connections, Statement
from rag.library.postgres.word_lists import WORD_TABLES
from rag.library.upgrade import Upgrade

LAYOUT = "4"
# Those that :mod:`rag.library.postgres.upgrade` brings up to date.
_EARLIER = ("1", "2", "3")
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
    date text NOT NULL DEFAULT '',
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
    vector vector NOT NULL,
    location text NOT NULL DEFAULT '',
    heading text NOT NULL DEFAULT ''
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
"""
GRAPH_TABLES = """
CREATE TABLE graph_entries (
    passage bigint PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE,
    version text NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE graph_names (key bigint NOT NULL, passage bigint NOT NULL, PRIMARY KEY (key, passage));
CREATE TABLE graph_words (word bigint PRIMARY KEY, count bigint NOT NULL);
"""
# The words come from rag.core.words, joined by blanks. The server's own parser would cut them again, by its locale.
FUNCTION = """
CREATE FUNCTION to_words(joined text) RETURNS tsvector LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(quote_literal(lexeme) || ':' || positions, ' '), '')::tsvector FROM (
        SELECT lexeme, string_agg(position::text, ',') AS positions FROM (
            SELECT coalesce((ts_lexize('stem', word))[1], word) AS lexeme, least(number, 16383) AS position
            FROM unnest(string_to_array(joined, ' ')) WITH ORDINALITY AS w (word, number) WHERE word <> ''
        ) AS stemmed GROUP BY lexeme
    ) AS lexemes
$$
"""

LIVE = "passages p JOIN documents d ON d.id = p.document AND d.is_live"


class PostgresDatabase:
    """The schema of one library.

    Attributes:
        layout: of its tables when it was opened; an earlier one must be brought up to date before anything is read.
    """

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
                self.layout = self._prepare(db, must_exist=must_exist)
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

    def read(self, statement: Statement, *values: object) -> list[Any]:
        """Rows of one statement that changes nothing; one round trip."""
        return self.connections.read(self.address.schema, statement, values)

    def make_tables(self, table: str, statements: str) -> None:
        """Run ``statements``, which make ``table`` and what belongs to it, unless it exists."""
        is_there = "SELECT to_regclass(quote_ident(current_schema()) || '.' || %s) IS NOT NULL"
        with self.transaction() as db:
            if db.execute(is_there, (table,)).fetchone() == (True,):
                return
            db.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
            db.execute(statements.encode())

    def _prepare(self, db: Connection[Any], *, must_exist: bool) -> str:
        """Make the tables of a new library; the layout of one that exists."""
        address = self.address
        db.execute("SELECT pg_advisory_xact_lock(%s)", (MAKING,))
        if db.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (address.schema,)).fetchone():
            return self._read_layout(db)
        if must_exist:
            raise LibraryError(
                f"there is no library at {address.place}; make one with: concord add {address.place} PATH..."
            )
        db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(address.schema)))
        self.connections.enter(db, address.schema)
        db.execute(_TABLES)
        db.execute(GRAPH_TABLES)
        db.execute(FUNCTION)
        db.execute(WORD_TABLES)
        db.execute(
            "INSERT INTO meta VALUES ('schema', %s), ('identity', %s), ('generation', '0'), "
            "('num_passages', '0'), ('num_words', '0')",
            (LAYOUT, uuid.uuid4().hex),
        )
        return LAYOUT

    def _read_layout(self, db: Connection[Any]) -> str:
        self.connections.enter(db, self.address.schema)
        row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        layout = str(row[0]) if row else "none"
        if layout != LAYOUT and layout not in _EARLIER and Upgrade.read(layout, LAYOUT) is None:
            raise StorageError(
                f"{self.address.place} has layout {layout}, this version reads {LAYOUT}; open it with the version that "
                "made it"
            )
        return layout


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
