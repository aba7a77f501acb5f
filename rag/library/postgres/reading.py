"""Reading a library in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rag.core.encoding import Vectors
from rag.core.passages import Passage
from rag.core.reports import DocumentInfo
from rag.library.base import Library, RowIds
from rag.library.postgres.database import LIVE, PostgresDatabase, get_meta
from rag.library.postgres.sparse import bm25
from rag.library.rows import PASSAGE_COLUMNS, split_passage_id


class PostgresReader(Library):
    """What is read of one library; everything inside one call belongs to the same moment."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database

    @property
    def place(self) -> str:
        """The address without credentials."""
        return self.database.address.place

    @property
    def folder(self) -> None:
        """None: the library is not in a folder."""
        return None

    def close(self) -> None:
        """Close all connections that are not used elsewhere."""
        self.database.close()

    def meta(self, key: str) -> str | None:
        """One of the facts about the library as a whole."""
        rows = self._rows("SELECT value FROM meta WHERE key = %s", key)
        return str(rows[0][0]) if rows else None

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

    def documents(self) -> list[DocumentInfo]:
        """All live documents, by source."""
        rows = self._rows(
            "SELECT d.doc_id, d.source, d.title, count(p.id), d.size_chars, d.added_at, d.date FROM documents d "
            'LEFT JOIN passages p ON p.document = d.id WHERE d.is_live GROUP BY d.id ORDER BY d.source COLLATE "C"'
        )
        return [DocumentInfo(*row) for row in rows]

    def hashes(self, *, is_live: bool) -> dict[str, str]:
        """Content hash of every live, or every staged, document by doc_id."""
        return dict(self._rows("SELECT doc_id, content_hash FROM documents WHERE is_live = %s", is_live))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The live passages with these row ids, in this order; ids that are gone are left out."""
        passages = {
            row_id: Passage(f"{doc_id}:{ordinal}", doc_id, *columns)
            for row_id, doc_id, ordinal, *columns in self._select(ids, PASSAGE_COLUMNS)
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
        return bm25(self.database, expression, top_k)

    def extractions(self, extractor: str, ids: Sequence[int]) -> dict[int, bytes]:
        """What :meth:`keep_extractions` kept for these live passages, by row id; the others are left out."""
        join = "JOIN extractions e ON e.content = p.content AND e.extractor = %s"
        return dict(self._select(ids, "p.id, e.body", join, extractor))

    def _rows(self, statement: str, *values: object) -> list[Any]:
        return self.database.read(statement.encode(), *values)

    def _select(self, ids: Sequence[int], columns: str, join: str = "", *values: object) -> list[Any]:
        """Columns of the live passages with these row ids, in no order."""
        return self._rows(f"SELECT {columns} FROM {LIVE} {join} WHERE p.id = ANY(%s)", *values, list(ids))


def _stacked(rows: Sequence[tuple[int, Any]]) -> tuple[RowIds, Vectors]:
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    if not rows:
        return ids, np.zeros((0, 0), dtype=np.float32)
    return ids, np.stack([row[1].to_numpy() for row in rows]).astype(np.float32)
