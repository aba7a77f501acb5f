"""Reading a library in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.core.encoding import Vectors
from rag.core.errors import StorageError
from rag.core.passages import Passage
from rag.core.reports import DocumentInfo
from rag.library.base import Library, RowIds
from rag.library.rows import PASSAGE_COLUMNS, split_passage_id
from rag.library.sqlite.database import Database, get_meta
from rag.library.sqlite.layout import LIVE

FILE = "library.sqlite3"
# Rows asked for at once: their ids travel as one JSON text.
_CHUNK = 2000


class SqliteReader(Library):
    """What is read of one library folder; everything inside one call belongs to the same moment."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self.database = database
        self._counted = (-1, 0)

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    @property
    def folder(self) -> Path:
        """The folder."""
        return self._folder

    @property
    def file(self) -> Path:
        """The SQLite file."""
        return self._folder / FILE

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        self.database.close()

    def meta(self, key: str) -> str | None:
        """One of the facts about the library as a whole."""
        with self.database.reading() as db:
            return get_meta(db, key)

    @property
    def num_passages(self) -> int:
        """Live passages."""
        generation, count = self._counted
        if generation != self.generation:
            with self.database.reading() as db:
                generation = int(get_meta(db, "generation") or 0)
                (count,) = db.execute(f"SELECT count(*) FROM {LIVE}").fetchone()
            self._counted = generation, count
        return count

    @property
    def size_bytes(self) -> int:
        """Size on disk, derived files included."""
        return sum(file.stat().st_size for file in self._folder.iterdir() if file.is_file())

    def documents(self) -> list[DocumentInfo]:
        """All live documents, by source."""
        rows = self._rows(
            "SELECT d.doc_id, d.source, d.title, count(p.id), d.size_chars, d.added_at, d.date FROM documents d "
            "LEFT JOIN passages p ON p.document = d.id WHERE d.is_live GROUP BY d.id ORDER BY d.source"
        )
        return [DocumentInfo(*row) for row in rows]

    def hashes(self, *, is_live: bool) -> dict[str, str]:
        """Content hash of every live, or every staged, document by doc_id."""
        return dict(self._rows("SELECT doc_id, content_hash FROM documents WHERE is_live = ?", int(is_live)))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The live passages with these row ids, in this order; ids that are gone are left out."""
        passages = {
            row_id: Passage(f"{doc_id}:{ordinal}", doc_id, *columns)
            for row_id, doc_id, ordinal, *columns in self._select(ids, PASSAGE_COLUMNS)
        }
        return {row_id: passages[row_id] for row_id in ids if row_id in passages}

    def document_passages(self, doc_id: str) -> list[Passage]:
        """The passages of one live document, in order; empty when there is none."""
        rows = self._rows(f"SELECT p.id FROM {LIVE} WHERE d.doc_id = ? ORDER BY p.ordinal", doc_id)
        return list(self.passages([row[0] for row in rows]).values())

    def live_ids(self) -> tuple[RowIds, int]:
        """Row ids ``[N]`` of all live passages, ascending, and the generation they belong to."""
        with self.database.reading() as db:
            generation = int(get_meta(db, "generation") or 0)
            rows = db.execute(f"SELECT p.id FROM {LIVE}").fetchall()
        return np.sort(np.array(rows, dtype=np.int64).ravel()), generation

    def vectors(self) -> tuple[RowIds, Vectors, int]:
        """Row ids ``[N]`` and vectors ``[N, D]`` of all live passages, and the generation they belong to."""
        with self.database.reading() as db:
            generation = int(get_meta(db, "generation") or 0)
            rows = db.execute(f"SELECT p.id, p.vector FROM {LIVE} ORDER BY p.id").fetchall()
        return *self._stacked(rows), generation

    def vectors_by_id(self, ids: Iterable[int]) -> tuple[RowIds, Vectors]:
        """Row ids ``[N]``, ascending, and vectors ``[N, D]`` of those live passages among ``ids``."""
        return self._stacked(sorted(self._select([int(i) for i in ids], "p.id, p.vector")))

    def rows_by_passage_id(self, passage_ids: Sequence[str]) -> dict[str, tuple[int, Vectors]]:
        """Row id and vector ``[D]`` of live passages by passage_id; ids that are gone or foreign are left out."""
        sql = (
            "SELECT d.doc_id, p.ordinal, p.id, p.vector FROM json_each(?) w "
            "JOIN documents d ON d.doc_id = json_extract(w.value, '$[0]') AND d.is_live "
            "JOIN passages p ON p.document = d.id AND p.ordinal = json_extract(w.value, '$[1]')"
        )
        parts = list(filter(None, map(split_passage_id, dict.fromkeys(passage_ids))))
        return {
            f"{doc_id}:{ordinal}": (row_id, np.frombuffer(vector, dtype=np.float32))
            for first in range(0, len(parts), _CHUNK)
            for doc_id, ordinal, row_id, vector in self._rows(sql, json.dumps(parts[first : first + _CHUNK]))
        }

    def match(self, expression: str, top_k: int) -> list[tuple[int, float]]:
        """Best ``top_k`` passages for an FTS5 expression: row ids and BM25 scores, higher is better."""
        sql = "SELECT rowid, -bm25(passages_fts) AS score FROM passages_fts WHERE passages_fts MATCH ? "
        return [
            (int(i), float(s)) for i, s in self._rows(sql + "ORDER BY score DESC, rowid LIMIT ?", expression, top_k)
        ]

    def extractions(self, extractor: str, ids: Sequence[int]) -> dict[int, bytes]:
        """What :meth:`keep_extractions` kept for these live passages, by row id; the others are left out."""
        join = "JOIN extractions e ON e.content = p.content AND e.extractor = ?"
        return dict(self._select(ids, "p.id, e.body", join, extractor))

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self.database.reading() as db:
            return db.execute(sql, values).fetchall()

    def _select(self, ids: Sequence[int], columns: str, join: str = "", *values: object) -> Iterator[Any]:
        """Columns of the live passages with these row ids, in no order."""
        where = "WHERE p.id IN (SELECT value FROM json_each(?))"
        for first in range(0, len(ids), _CHUNK):
            chunk = json.dumps(list(ids[first : first + _CHUNK]))
            yield from self._rows(f"SELECT {columns} FROM {LIVE} {join} {where}", *values, chunk)

    def _stacked(self, rows: Sequence[tuple[int, bytes]]) -> tuple[RowIds, Vectors]:
        """Row ids ``[N]`` and vectors ``[N, D]``."""
        if len({len(vector) for _, vector in rows}) > 1:
            raise StorageError(f"vectors in {self._folder} are damaged; see: concord check {self._folder} --repair")
        ids = np.array([row_id for row_id, _ in rows], dtype=np.int64)
        matrix = np.frombuffer(b"".join(vector for _, vector in rows), dtype=np.float32)
        return ids, matrix.reshape(len(rows), matrix.size // max(len(rows), 1))
