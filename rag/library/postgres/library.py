"""A library in PostgreSQL with pgvector: any number of processes, on any number of hosts, share it.

Crash safety is that of a library on disk: documents are staged (invisible) in small transactions, and one transaction
publishes all of them. No state is held here beyond the connections. The one writer's place is an advisory lock of the
server, which lets go when the writer's connection ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
from psycopg import Connection, errors

from rag.core.errors import StorageError
from rag.core.passages import Passage
from rag.core.reports import DocumentInfo
from rag.library.base import Library, RowIds, Staged, Vectors
from rag.library.postgres.address import Address
from rag.library.postgres.database import BUSY_TIMEOUT_S, Connections, PostgresDatabase
from rag.library.postgres.search import EXACT_LIMIT, bm25, index_vectors, nearest, words_of
from rag.library.sqlite.database import content_key

_LIVE = "passages p JOIN documents d ON d.id = p.document AND d.is_live"


class PostgresLibrary(Library):
    """Reads and writes one library of one database."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database

    @classmethod
    def open(cls, address: str, *, must_exist: bool = False) -> PostgresLibrary:
        """Open ``postgresql://[user[:password]@][host][:port]/DATABASE/LIBRARY``, making the library on first use.

        Raises:
            LibraryError: the address is malformed, the library does not exist although it must, or the database
                lacks pgvector.
            StorageError: the server is out of reach, or the library is of another layout.
        """
        parsed = Address.parse(address)
        return cls(PostgresDatabase(Connections(parsed), parsed, must_exist=must_exist, is_owner=True))

    @property
    def place(self) -> str:
        """The address without credentials."""
        return self.database.address.place

    @property
    def num_passages(self) -> int:
        """Live passages."""
        return int(self.meta("num_passages") or 0)

    @property
    def size_bytes(self) -> int:
        """What its tables and indexes take in the database."""
        rows = self._rows(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
            "WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relkind = 'r'",
            self.database.address.schema,
        )
        return int(rows[0][0])

    def close(self) -> None:
        """Close all connections that nobody else uses."""
        self.database.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the one writer's place of this library, across processes and hosts.

        Raises:
            StorageError: another process kept it for a minute, or the server is out of reach.
        """
        with self.database.connections.connection() as db:
            db.execute(f"SET lock_timeout = '{BUSY_TIMEOUT_S:.0f}s'")
            try:
                db.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (self.database.address.schema,))
            except errors.LockNotAvailable:
                raise StorageError(f"another process is writing to {self.place}; try again when it is done") from None
            db.commit()  # the lock is the session's; an idle transaction would hold back the server's clean-up
            yield

    def documents(self) -> list[DocumentInfo]:
        """All live documents, by source."""
        rows = self._rows(
            "SELECT d.doc_id, d.source, d.title, count(p.id), d.size_chars, d.added_at FROM documents d "
            'LEFT JOIN passages p ON p.document = d.id WHERE d.is_live GROUP BY d.id ORDER BY d.source COLLATE "C"'
        )
        return [DocumentInfo(*row) for row in rows]

    def hashes(self, *, is_live: bool) -> dict[str, str]:
        """Content hash of every live, or every staged, document by doc_id."""
        return dict(self._rows("SELECT doc_id, content_hash FROM documents WHERE is_live = %s", is_live))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The live passages with these row ids, in this order; ids that are gone are left out."""
        columns = "p.id, d.doc_id, p.ordinal, d.source, d.title, p.text, p.start"
        found = {
            row_id: Passage(f"{doc_id}:{ordinal}", doc_id, source, title, text, start)
            for row_id, doc_id, ordinal, source, title, text, start in self._rows_of(ids, columns)
        }
        return {row_id: found[row_id] for row_id in ids if row_id in found}

    def live_ids(self) -> tuple[RowIds, int]:
        """Row ids ``[N]`` of all live passages, ascending, and the generation they belong to."""
        with self.database.snapshot() as db:
            rows = db.execute(f"SELECT p.id FROM {_LIVE} ORDER BY p.id").fetchall()
            generation = int(_meta(db, "generation") or 0)
        return np.array(rows, dtype=np.int64).ravel(), generation

    def vectors(self) -> tuple[RowIds, Vectors, int]:
        """Row ids ``[N]`` and vectors ``[N, D]`` of all live passages, and the generation they belong to."""
        with self.database.snapshot() as db:
            rows = db.cursor(binary=True).execute(f"SELECT p.id, p.vector FROM {_LIVE} ORDER BY p.id").fetchall()
            generation = int(_meta(db, "generation") or 0)
        return *_stacked(rows), generation

    def vectors_of(self, ids: Iterable[int]) -> tuple[RowIds, Vectors]:
        """Row ids ``[N]``, ascending, and vectors ``[N, D]`` of those live passages among ``ids``."""
        return _stacked(sorted(self._rows_of([int(i) for i in ids], "p.id, p.vector"), key=lambda row: int(row[0])))

    def rows_of(self, passage_ids: Sequence[str]) -> dict[str, tuple[int, Vectors]]:
        """Row id and vector ``[D]`` of live passages by passage_id; those that are gone are left out."""
        found: dict[str, tuple[int, Vectors]] = {}
        for passage_id in dict.fromkeys(passage_ids):
            doc_id, _, ordinal = passage_id.rpartition(":")
            statement = f"SELECT p.id, p.vector FROM {_LIVE} WHERE d.doc_id = %s AND p.ordinal = %s"
            for row in self._rows(statement, doc_id, int(ordinal)):
                found[passage_id] = (int(row[0]), _stacked([row])[1][0])
        return found

    def match(self, expression: str, top_k: int) -> list[tuple[int, float]]:
        """Best ``top_k`` passages for quoted words joined by OR: row ids and BM25 scores, higher is better."""
        with self.database.transaction() as db:
            return bm25(db, expression, top_k)

    def nearest(self, queries: Vectors, top_k: int) -> list[list[tuple[int, float]]]:
        """For each of ``queries`` ``[Q, D]`` the row ids and inner products of at most ``top_k`` live passages."""
        with self.database.snapshot() as db:
            indexed_dimension = int(_meta(db, "indexed_dimension") or 0)
            return [nearest(db, query, top_k, indexed_dimension) for query in queries]

    def extractions(self, extractor: str, ids: Sequence[int]) -> dict[int, bytes]:
        """What :meth:`keep_extractions` kept for these live passages, by row id; the others are left out."""
        join = "JOIN extractions e ON e.content = p.content AND e.extractor = %s"
        return dict(self._rows_of(ids, "p.id, e.body", join, extractor))

    def keep_extractions(self, extractor: str, bodies: Mapping[int, bytes], *, is_import: bool = False) -> None:
        """See :meth:`rag.library.base.AnyLibrary.keep_extractions`."""
        with self.database.transaction() as db:
            db.cursor().executemany(
                "INSERT INTO extractions (extractor, content, body) SELECT %s, content, %s FROM passages WHERE id = %s "
                "ON CONFLICT (extractor, content) DO UPDATE SET body = excluded.body",
                [(extractor, body, row_id) for row_id, body in sorted(bodies.items())],
            )
            if is_import:
                _set_meta(db, "imported_at", str(_next_generation(db)))

    def stage(self, documents: Sequence[Staged]) -> None:
        """Keep documents in the database without making them visible; replaces what was staged under their ids."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self.database.transaction() as db:
            for item in documents:
                db.execute("DELETE FROM documents WHERE doc_id = %s AND NOT is_live", (item.doc_id,))
                title = _storable(item.title)
                row = db.execute(
                    "INSERT INTO documents (doc_id, source, title, content_hash, size_chars, added_at, is_live) "
                    "VALUES (%s, %s, %s, %s, %s, %s, false) RETURNING id",
                    (item.doc_id, item.source, title, item.content_hash, item.size_chars, now),
                ).fetchone()
                assert row is not None  # RETURNING gives one row for the one inserted
                db.cursor().executemany(
                    "INSERT INTO passages (document, ordinal, start, text, content, num_words, words, vector) "
                    "VALUES (%s, %s, %s, %s, %s, %s, to_tsvector('words', %s), %s)",
                    [
                        (row[0], ordinal, passage.start, *_indexed(title, _storable(passage.text)), vector)
                        for ordinal, (passage, vector) in enumerate(zip(item.passages, item.vectors, strict=True))
                    ],
                )

    def publish(self, doc_ids: Sequence[str], encoder: str) -> None:
        """Make the staged documents visible in one transaction; other staged documents are dropped."""
        names = list(doc_ids)
        with self.database.transaction() as db:
            contents = _retire(db, names)
            db.execute("UPDATE documents SET is_live = true WHERE doc_id = ANY(%s) AND NOT is_live", (names,))
            db.execute("DELETE FROM documents WHERE NOT is_live")
            _drop_extractions(db, contents)
            _set_meta(db, "encoder", encoder)
            _next_generation(db)
        self._index_if_large()

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that came from them, in one transaction."""
        with self.database.transaction() as db:
            _drop_extractions(db, _retire(db, list(doc_ids)))
            if not db.execute("SELECT 1 FROM documents WHERE is_live LIMIT 1").fetchone():
                # Another encoder may follow, with vectors of another length.
                db.execute("DROP INDEX IF EXISTS passages_by_vector")
                db.execute("DELETE FROM meta WHERE key IN ('encoder', 'indexed_dimension')")
            _next_generation(db)

    def discard_staged(self) -> None:
        """Drop staged documents (made with another encoder, say)."""
        with self.database.transaction() as db:
            db.execute("DELETE FROM documents WHERE NOT is_live")

    def _index_if_large(self) -> None:
        """Once, when a scan of all vectors has become slow; on its own, so that publishing stays short."""
        if self.num_passages <= EXACT_LIMIT or self.meta("indexed_dimension"):
            return
        with self.database.transaction() as db:
            _set_meta(db, "indexed_dimension", str(index_vectors(db)))

    def meta(self, key: str) -> str | None:
        """One of the facts about the library as a whole."""
        with self.database.transaction() as db:
            return _meta(db, key)

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with self.database.transaction() as db:
            return db.cursor(binary=True).execute(statement.encode(), values).fetchall()

    def _rows_of(self, ids: Sequence[int], columns: str, join: str = "", *values: object) -> list[Any]:
        """Columns of the live passages with these row ids, in no order."""
        return self._rows(f"SELECT {columns} FROM {_LIVE} {join} WHERE p.id = ANY(%s)", *values, list(ids))


def _indexed(title: str, text: str) -> tuple[str, bytes, int, str]:
    """Columns text, content, num_words and words of a passage."""
    words = words_of(f"{title} {text}")
    return text, content_key(title, text), len(words), " ".join(words)


def _storable(text: str) -> str:
    """PostgreSQL's text holds every character but NUL, which stands in the text of some damaged PDFs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _stacked(rows: Sequence[tuple[int, Any]]) -> tuple[RowIds, Vectors]:
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    if not rows:
        return ids, np.zeros((0, 0), dtype=np.float32)
    return ids, np.stack([row[1].to_numpy() for row in rows]).astype(np.float32)


def _meta(db: Connection[Any], key: str) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE key = %s", (key,)).fetchone()
    return str(row[0]) if row else None


def _set_meta(db: Connection[Any], key: str, value: str) -> None:
    statement = "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    db.execute(statement, (key, value))


def _next_generation(db: Connection[Any]) -> int:
    """Count one more publication, and what BM25 must know of the whole library."""
    row = db.execute(
        "UPDATE meta SET value = (value::bigint + 1)::text WHERE key = 'generation' RETURNING value"
    ).fetchone()
    count, words = db.execute(f"SELECT count(*), coalesce(sum(p.num_words), 0) FROM {_LIVE}").fetchone() or (0, 0)
    _set_meta(db, "num_passages", str(count))
    _set_meta(db, "num_words", str(words))
    assert row is not None  # the row is made with the table
    return int(row[0])


def _retire(db: Connection[Any], doc_ids: list[str]) -> list[bytes]:
    """Remove live documents; the contents of their passages."""
    of_these = "d.doc_id = ANY(%s)"
    rows = db.execute(f"SELECT DISTINCT p.content FROM {_LIVE} WHERE {of_these}", (doc_ids,)).fetchall()
    db.execute(f"DELETE FROM documents d WHERE {of_these} AND is_live", (doc_ids,))
    return [row[0] for row in rows]


def _drop_extractions(db: Connection[Any], contents: list[bytes]) -> None:
    """Drop what was extracted from those of ``contents`` that no passage has any more."""
    is_orphan = "NOT EXISTS (SELECT 1 FROM passages p WHERE p.content = extractions.content)"
    db.execute(f"DELETE FROM extractions WHERE content = ANY(%s) AND {is_orphan}", (contents,))
