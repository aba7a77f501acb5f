"""Questions that passages served, in the library's own file, so that they share the passages' transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock

import numpy as np

from rag.core.errors import StorageError
from rag.library.question_store import NewItem, QuestionStore, StoredItem

# A question does not wait long for its items to be kept: what cannot be written now is left out.
_BUSY_TIMEOUT_S = 0.5
# The table is called reservoir because libraries of earlier versions call it so.
_TABLES = """
CREATE TABLE IF NOT EXISTS reservoir (
    id INTEGER PRIMARY KEY,
    question TEXT NOT NULL,
    passage INTEGER NOT NULL REFERENCES passages (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    created_at REAL NOT NULL,
    used_at REAL NOT NULL,
    UNIQUE (question, passage)
);
CREATE INDEX IF NOT EXISTS reservoir_by_passage ON reservoir (passage);
"""
# A vector that was cut short is compared with nothing.
_LIVE = (
    "reservoir r JOIN passages p ON p.id = r.passage AND length(p.vector) = length(r.vector)"
    " JOIN documents d ON d.id = p.document AND d.is_live"
)


class SqliteQuestionStore(QuestionStore):
    """The items of one library file; a kill loses nothing that was written."""

    def __init__(self, file: Path) -> None:
        """Open the library's file and make the table where it is missing.

        Raises:
            StorageError: the file is damaged, or cannot be written.
        """
        self._file = file
        self._lock = RLock()
        self._num_writes = 0
        self._db = self._connect()

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        with self._lock:
            self._db.close()

    def __len__(self) -> int:
        with self._reading() as db:
            return int(db.execute(f"SELECT count(*) FROM {_LIVE}").fetchone()[0])

    def version(self) -> tuple[int, int]:
        """Counts what other connections wrote to the file, and what this one did."""
        with self._reading() as db:
            return int(db.execute("PRAGMA data_version").fetchone()[0]), self._num_writes

    def ages(self) -> dict[int, float]:
        """``created_at`` of all items whose passages are live, by item id."""
        with self._reading() as db:
            return dict(db.execute(f"SELECT r.id, r.created_at FROM {_LIVE}").fetchall())

    def read(self, after: int) -> list[StoredItem]:
        """Items with an id above ``after`` whose passages are live, by id."""
        columns = "r.id, r.passage, r.created_at, r.question, r.vector, p.vector"
        with self._reading() as db:
            rows = db.execute(f"SELECT {columns} FROM {_LIVE} WHERE r.id > ? ORDER BY r.id", (after,)).fetchall()
        return [
            StoredItem(
                question=question,
                row_id=row_id,
                vector=np.frombuffer(vector, dtype=np.float32),
                created_at=created_at,
                item_id=item_id,
                passage_vector=np.frombuffer(passage_vector, dtype=np.float32),
            )
            for item_id, row_id, created_at, question, vector, passage_vector in rows
        ]

    def add(self, items: Sequence[NewItem]) -> None:
        """Keep items; each replaces a former one with its question and passage. Passages that are gone are left out."""
        columns = "question, passage, vector, created_at, used_at"
        select = f"INSERT OR REPLACE INTO reservoir ({columns}) SELECT ?, id, ?, ?, ? FROM passages WHERE id = ?"
        rows = [(i.question, i.vector.tobytes(), i.created_at, i.created_at, i.row_id) for i in items]
        self._write((select, rows))

    def touch(self, item_ids: Sequence[int], used_at: float) -> None:
        """Note that these items were used."""
        rows = [(used_at, item_id) for item_id in sorted(item_ids)]
        self._write(("UPDATE reservoir SET used_at = ? WHERE id = ?", rows), is_change=False)

    def trim(self, created_after: float, max_items: int) -> None:
        """Drop items that are older, then the least recently used ones beyond ``max_items``."""
        surplus = "SELECT id FROM reservoir ORDER BY used_at DESC, id DESC LIMIT -1 OFFSET ?"
        self._write(
            ("DELETE FROM reservoir WHERE created_at < ?", [(created_after,)]),
            (f"DELETE FROM reservoir WHERE id IN ({surplus})", [(max_items,)]),
        )

    def clear(self) -> None:
        """Drop all items."""
        self._write(("DELETE FROM reservoir", [()]))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._named_errors():
            yield self._db

    def _write(self, *statements: tuple[str, Sequence[tuple[object, ...]]], is_change: bool = True) -> None:
        # On a full, locked or read-only disk questions are answered without it.
        with self._lock, self._named_errors(), suppress(sqlite3.OperationalError), self._db:
            for sql, rows in statements:
                if rows:
                    self._db.executemany(sql, rows)
                    self._num_writes += is_change

    def _connect(self) -> sqlite3.Connection:
        with self._named_errors():
            db = sqlite3.connect(self._file, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
            db.execute("PRAGMA foreign_keys = ON")
            # A kill loses nothing either way. A power cut may lose the last items, which only costs time.
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(_TABLES)
            return db

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            advice = f"ask without the question cache, and see: concord check {self._file.parent}"
            raise StorageError(f"cannot keep questions in {self._file}: {error}; {advice}") from error
