"""A library in PostgreSQL with pgvector: any number of processes, on any number of hosts, share it.

Crash safety is that of a library on disk: documents are staged (invisible) in small transactions, and one transaction
publishes all of them. No state is held here beyond the connections.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from psycopg import Connection

from rag.core.encoding import Encoder, Vectors
from rag.core.passages import Passage
from rag.core.reports import DocumentInfo
from rag.library.base import Library, RowIds, Staged, check_all_published, split_passage_id
from rag.library.checking import Finding, IsReadable, settle
from rag.library.postgres.address import Address
from rag.library.postgres.check import find_damages
from rag.library.postgres.database import LIVE, Connections, PostgresDatabase, get_meta, next_generation, set_meta
from rag.library.postgres.dense import PgVectorIndex, drop_hnsw
from rag.library.postgres.question_store import PostgresQuestionStore
from rag.library.postgres.rows import passage_columns, storable
from rag.library.postgres.sparse import bm25
from rag.library.postgres.writer import Writer


class PostgresLibrary(Library):
    """Reads and writes one library of one database."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database
        self._writer = Writer(database)
        self._dense_index = PgVectorIndex(database)

    @classmethod
    def open(cls, address: str, *, must_exist: bool = False) -> PostgresLibrary:
        """Open ``postgresql://[user[:password]@][host][:port]/DATABASE/LIBRARY``, making the library on first use.

        Raises:
            LibraryError: the address is malformed, the library does not exist although it must, or the database
                lacks pgvector.
            StorageError: the server is out of reach, or the library is of another layout.
        """
        return cls._connect(Address.parse(address), must_exist=must_exist)

    @classmethod
    def _connect(cls, address: Address, *, must_exist: bool) -> PostgresLibrary:
        return cls(PostgresDatabase(Connections(address), address, must_exist=must_exist, is_owner=True))

    @property
    def place(self) -> str:
        """The address without credentials."""
        return self.database.address.place

    @property
    def folder(self) -> None:
        """None: the library is not in a folder."""
        return None

    def opener(self) -> Callable[[], Library]:
        """Opens this library in another process; holds the address with its password."""
        return partial(PostgresLibrary._connect, self.database.address, must_exist=True)

    @property
    def num_passages(self) -> int:
        """Live passages."""
        return int(self.meta("num_passages") or 0)

    @property
    def size_bytes(self) -> int:
        """Size of its tables and indexes in the database."""
        rows = self._rows(
            "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
            "WHERE c.relnamespace = to_regnamespace(quote_ident(%s)) AND c.relkind = 'r'",
            self.database.address.schema,
        )
        return int(rows[0][0])

    def close(self) -> None:
        """Close all connections that nobody else uses."""
        self.database.close()

    def writing(self) -> AbstractContextManager[None]:
        """Be the one writer of this library, across processes and hosts (:mod:`rag.library.postgres.writer`).

        Raises:
            StorageError: another process is writing, and was still at it after a minute, or the server is out of reach.
        """
        return self._writer.hold()

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
        passages = {
            row_id: Passage(f"{doc_id}:{ordinal}", doc_id, source, title, text, start)
            for row_id, doc_id, ordinal, source, title, text, start in self._select(ids, columns)
        }
        return {row_id: passages[row_id] for row_id in ids if row_id in passages}

    def document_passages(self, doc_id: str) -> list[Passage]:
        """The passages of one live document, in order; empty when there is none."""
        rows = self._rows(f"SELECT p.id FROM {LIVE} WHERE d.doc_id = %s ORDER BY p.ordinal", doc_id)
        return list(self.passages([row[0] for row in rows]).values())

    def live_ids(self) -> tuple[RowIds, int]:
        """Row ids ``[N]`` of all live passages, ascending, and the generation they belong to."""
        with self.database.snapshot() as db:
            rows = db.execute(f"SELECT p.id FROM {LIVE} ORDER BY p.id").fetchall()
            generation = int(get_meta(db, "generation") or 0)
        return np.array(rows, dtype=np.int64).ravel(), generation

    def vectors(self) -> tuple[RowIds, Vectors, int]:
        """Row ids ``[N]`` and vectors ``[N, D]`` of all live passages, and the generation they belong to."""
        with self.database.snapshot() as db:
            rows = db.cursor(binary=True).execute(f"SELECT p.id, p.vector FROM {LIVE} ORDER BY p.id").fetchall()
            generation = int(get_meta(db, "generation") or 0)
        return *_stacked(rows), generation

    def vectors_by_id(self, ids: Iterable[int]) -> tuple[RowIds, Vectors]:
        """Row ids ``[N]``, ascending, and vectors ``[N, D]`` of those live passages among ``ids``."""
        return _stacked(sorted(self._select([int(i) for i in ids], "p.id, p.vector"), key=lambda row: int(row[0])))

    def rows_by_passage_id(self, passage_ids: Sequence[str]) -> dict[str, tuple[int, Vectors]]:
        """Row id and vector ``[D]`` of live passages by passage_id; ids that are gone or foreign are left out."""
        parts = list(filter(None, map(split_passage_id, dict.fromkeys(passage_ids))))
        statement = (
            "SELECT d.doc_id, p.ordinal, p.id, p.vector FROM unnest(%s::text[], %s::integer[]) AS w (doc_id, ordinal) "
            "JOIN documents d ON d.doc_id = w.doc_id AND d.is_live "
            "JOIN passages p ON p.document = d.id AND p.ordinal = w.ordinal"
        )
        rows = self._rows(statement, [doc_id for doc_id, _ in parts], [ordinal for _, ordinal in parts])
        return {
            f"{doc_id}:{ordinal}": (int(row_id), vector.to_numpy().astype(np.float32))
            for doc_id, ordinal, row_id, vector in rows
        }

    def match(self, expression: str, top_k: int) -> list[tuple[int, float]]:
        """Best ``top_k`` passages for quoted words joined by OR: row ids and BM25 scores, higher is better."""
        with self.database.transaction() as db:
            return bm25(db, expression, top_k)

    def dense_index(self) -> PgVectorIndex:
        """pgvector over the library's vectors."""
        return self._dense_index

    def question_store(self) -> PostgresQuestionStore:
        """A table of the library's schema.

        Raises:
            StorageError: the server is out of reach, or lets this user make no table.
        """
        return PostgresQuestionStore(self.database)

    def extractions(self, extractor: str, ids: Sequence[int]) -> dict[int, bytes]:
        """What :meth:`keep_extractions` kept for these live passages, by row id; the others are left out."""
        join = "JOIN extractions e ON e.content = p.content AND e.extractor = %s"
        return dict(self._select(ids, "p.id, e.body", join, extractor))

    def keep_extractions(self, extractor: str, bodies: Mapping[int, bytes], *, is_import: bool = False) -> None:
        """See :meth:`rag.library.base.Library.keep_extractions`."""
        with self.database.transaction() as db:
            db.cursor().executemany(
                "INSERT INTO extractions (extractor, content, body) SELECT %s, content, %s FROM passages WHERE id = %s "
                "ON CONFLICT (extractor, content) DO UPDATE SET body = excluded.body",
                [(extractor, body, row_id) for row_id, body in sorted(bodies.items())],
            )
            if is_import:
                set_meta(db, "imported_at", str(next_generation(db)))

    def keep_probe(self, probe: Vectors) -> None:
        """Keep the vector ``[D]`` by which the encoder is known; replaces a former one."""
        with self._writer.transaction() as db:
            set_meta(db, "encoder_probe", b64encode(probe.astype(np.float32).tobytes()).decode())

    def stage(self, documents: Sequence[Staged]) -> None:
        """Keep documents in the database without making them visible; replaces what was staged under their ids."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._writer.transaction() as db:
            for item in documents:
                db.execute("DELETE FROM documents WHERE doc_id = %s AND NOT is_live", (item.doc_id,))
                title = storable(item.title)
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
                        (row[0], ordinal, passage.start, *passage_columns(title, storable(passage.text)), vector)
                        for ordinal, (passage, vector) in enumerate(zip(item.passages, item.vectors, strict=True))
                    ],
                )

    def publish(self, doc_ids: Sequence[str], encoder: str) -> None:
        """Make the staged documents visible in one transaction; other staged documents are dropped.

        Raises:
            StorageError: some of them are not staged any more, or the writer's place was lost; nothing is changed.
        """
        names = list(dict.fromkeys(doc_ids))
        with self._writer.transaction() as db:
            contents = _retire(db, names)
            statement = "UPDATE documents SET is_live = true WHERE doc_id = ANY(%s) AND NOT is_live"
            num_published = db.execute(statement, (names,)).rowcount
            check_all_published(len(names), num_published, self.place)
            db.execute("DELETE FROM documents WHERE NOT is_live")
            _drop_extractions(db, contents)
            set_meta(db, "encoder", encoder)
            next_generation(db)
        # On its own, so that publishing stays short.
        self._dense_index.build_if_large(self.num_passages)

    def remove(self, doc_ids: Sequence[str]) -> None:
        """Remove documents and all that came from them, in one transaction."""
        with self._writer.transaction() as db:
            _drop_extractions(db, _retire(db, list(doc_ids)))
            if not db.execute("SELECT 1 FROM documents WHERE is_live LIMIT 1").fetchone():
                drop_hnsw(db)
                db.execute("DELETE FROM meta WHERE key IN ('encoder', 'encoder_probe')")
            next_generation(db)

    def discard_staged(self) -> None:
        """Drop all staged documents."""
        with self._writer.transaction() as db:
            db.execute("DELETE FROM documents WHERE NOT is_live")

    def check(self, encoder: Encoder, is_readable: IsReadable, *, is_repairing: bool) -> list[Finding]:
        """See :meth:`rag.library.base.Library.check`."""
        with self.writing():
            damages = find_damages(self, self._writer.transaction, encoder, is_readable)
            return settle(damages, is_repairing=is_repairing)

    def meta(self, key: str) -> str | None:
        """One of the facts about the library as a whole."""
        with self.database.transaction() as db:
            return get_meta(db, key)

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with self.database.transaction() as db:
            return db.cursor(binary=True).execute(statement.encode(), values).fetchall()

    def _select(self, ids: Sequence[int], columns: str, join: str = "", *values: object) -> list[Any]:
        """Columns of the live passages with these row ids, in no order."""
        return self._rows(f"SELECT {columns} FROM {LIVE} {join} WHERE p.id = ANY(%s)", *values, list(ids))


def _stacked(rows: Sequence[tuple[int, Any]]) -> tuple[RowIds, Vectors]:
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    if not rows:
        return ids, np.zeros((0, 0), dtype=np.float32)
    return ids, np.stack([row[1].to_numpy() for row in rows]).astype(np.float32)


def _retire(db: Connection[Any], doc_ids: list[str]) -> list[bytes]:
    """Remove live documents; the contents of their passages."""
    is_named = "d.doc_id = ANY(%s)"
    rows = db.execute(f"SELECT DISTINCT p.content FROM {LIVE} WHERE {is_named}", (doc_ids,)).fetchall()
    db.execute(f"DELETE FROM documents d WHERE {is_named} AND is_live", (doc_ids,))
    return [row[0] for row in rows]


def _drop_extractions(db: Connection[Any], contents: list[bytes]) -> None:
    """Drop what was extracted from those of ``contents`` that no passage has any more."""
    is_orphan = "NOT EXISTS (SELECT 1 FROM passages p WHERE p.content = extractions.content)"
    db.execute(f"DELETE FROM extractions WHERE content = ANY(%s) AND {is_orphan}", (contents,))
