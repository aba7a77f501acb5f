"""Memory Knowledge Reservoir and Retriever Trigger: passages that served a question serve alike questions again.

An item is a question and one passage that was kept for it. A new question is compared with both at once: with the sum
of the remembered question's vector, counted twice, and the vector of the passage's title and text. When enough items
are near enough, their passages are the answer's, and nothing is retrieved.

Items live in the library's own file and refer to its passages. A removed or replaced document takes its passages with
it, and those take their items, in one transaction: what is remembered cannot outlive its source. A kill loses nothing
that was written.

Source: the modules of Four-Module Synergy (Shi et al. 2024), with its tau and theta; matching on title and text,
eviction and invalidation ours.

Shapes: N items, B questions, D vector length.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from rag.errors import StorageError
from rag.library import Library
from rag.types import ScoredPassage

Vectors = NDArray[np.float32]
# A question does not wait long for its memory: what cannot be written now is left out.
_BUSY_TIMEOUT_S = 0.5
# Weight and tau: chosen on even-numbered questions, so that paraphrases are known again and other questions on the
# same subject are not. At the published tau of 0.6 two in five of those were, and lost 14 points of recall.
_QUESTION_WEIGHT = 2.0
_SCHEMA = """
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
_LIVE = "reservoir r JOIN passages p ON p.id = r.passage JOIN documents d ON d.id = p.document AND d.is_live"


@dataclass(frozen=True)
class ReservoirSettings:
    """When memory is enough, and how much of it is kept.

    Attributes:
        tau: cosine from which an item counts.
        theta: so many items that count are enough.
        ttl_s: age at which an item is forgotten, seconds.
        size: most items; beyond, those unused for longest go.
    """

    tau: float = 0.8
    theta: int = 3
    ttl_s: float = 7 * 24 * 3600.0
    size: int = 5000


@dataclass(frozen=True)
class _Items:
    """What is remembered: item and passage row ids ``[N]``, unit vectors ``[N, D]``, and when it was, seconds."""

    ids: NDArray[np.int64]
    passages: NDArray[np.int64]
    vectors: Vectors
    created: NDArray[np.float64]


class Reservoir:
    """The memory of one library; safe for threads and for several processes.

    Args:
        library: whose passages are remembered.
        settings: see :class:`ReservoirSettings`.
        clock: seconds since some fixed point in time.
    """

    def __init__(
        self,
        library: Library,
        settings: ReservoirSettings = ReservoirSettings(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._library = library
        self._settings = settings
        self._clock = clock
        self._mutex = RLock()
        self._items: _Items | None = None
        self._version = -1
        self._db = _connect(library)

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        with self._mutex:
            self._db.close()

    def __len__(self) -> int:
        with self._mutex:
            return int(self._db.execute(f"SELECT count(*) FROM {_LIVE}").fetchone()[0])

    def recall(self, vectors: Vectors, top_k: Sequence[int]) -> list[tuple[ScoredPassage, ...] | None]:
        """For each question the remembered passages that are enough for it; ``None`` where it must be retrieved.

        Args:
            vectors: ``[B, D]``, of the questions.
            top_k: most passages, for each question.

        Returns:
            Passages by the cosine of their best item, ties by passage_id.
        """
        with self._mutex:
            items = self._current_items()
            if not len(items.ids):
                return [None] * len(vectors)
            is_young = items.created >= self._clock() - self._settings.ttl_s
            # Row by row: a matrix product would round a question differently in another batch.
            cosines = [np.where(is_young, items.vectors @ vector, -1.0) for vector in vectors]
            found = [self._enough(items, row, most) for row, most in zip(cosines, top_k, strict=True)]
            near = [row >= self._settings.tau for row, some in zip(cosines, found, strict=True) if some is not None]
            used = items.ids[np.any(near, axis=0)] if near else ()
            self._write("UPDATE reservoir SET used_at = ? WHERE id = ?", [(self._clock(), int(i)) for i in used])
            return found

    def remember(self, questions: Sequence[str], vectors: Vectors, kept: Sequence[Sequence[ScoredPassage]]) -> None:
        """Keep what served: questions, their vectors ``[B, D]`` and their passages.

        Passages that are in the library no more are left out. Where the file cannot be written, nothing is kept.
        """
        with self._mutex:
            now = self._clock()
            rows = self._library.rows_of([scored.passage.passage_id for some in kept for scored in some])
            new = [
                (question, rows[scored.passage.passage_id][0], vector.astype(np.float32).tobytes(), now, now)
                for question, vector, some in zip(questions, vectors, kept, strict=True)
                for scored in some
                if scored.passage.passage_id in rows
            ]
            self._write("INSERT OR REPLACE INTO reservoir VALUES (NULL, ?, ?, ?, ?, ?)", new)
            self._write("DELETE FROM reservoir WHERE created_at < ?", [(now - self._settings.ttl_s,)])
            surplus = "SELECT id FROM reservoir ORDER BY used_at DESC, id DESC LIMIT -1 OFFSET ?"
            self._write(f"DELETE FROM reservoir WHERE id IN ({surplus})", [(self._settings.size,)])
            self._items = None

    def clear(self) -> None:
        """Forget everything."""
        with self._mutex:
            self._write("DELETE FROM reservoir", [()])
            self._items = None

    def _enough(self, items: _Items, cosines: NDArray[np.float32], top_k: int) -> tuple[ScoredPassage, ...] | None:
        near = np.flatnonzero(cosines >= self._settings.tau)
        if len(near) < self._settings.theta:
            return None
        scores: dict[int, float] = {}
        for item in near[np.argsort(-cosines[near], kind="stable")]:
            scores.setdefault(int(items.passages[item]), float(cosines[item]))
        passages = self._library.passages(list(scores))
        ranking = [ScoredPassage(passage, scores[row]) for row, passage in passages.items()]
        ranking.sort(key=lambda scored: (-scored.score, scored.passage.passage_id))
        return tuple(ranking[:top_k]) or None

    def _current_items(self) -> _Items:
        """All items; read again when another connection wrote to the file, the library's included."""
        version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        if self._items is None or version != self._version:
            self._version = version
            sql = f"SELECT r.id, r.passage, r.created_at, r.vector, p.vector FROM {_LIVE} ORDER BY r.id"
            self._items = _items(self._db.execute(sql).fetchall())
        return self._items

    def _write(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        # Memory only saves time: on a full, locked or read-only disk questions are answered without it. A passage
        # that went between the two statements breaks the reference: its items are not wanted either.
        with suppress(sqlite3.OperationalError, sqlite3.IntegrityError), self._db:
            if rows:
                self._db.executemany(sql, rows)


def _connect(library: Library) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(library.file, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        db.execute("PRAGMA foreign_keys = ON")
        # A kill loses nothing either way; a power cut may lose the last items, which costs time only.
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"cannot keep a memory in {library.file}: {error}; ask with memory off") from error
    return db


def _items(rows: Sequence[tuple[int, int, float, bytes, bytes]]) -> _Items:
    sums = _QUESTION_WEIGHT * _matrix([row[3] for row in rows]) + _matrix([row[4] for row in rows])
    return _Items(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12),
        np.array([row[2] for row in rows], dtype=np.float64),
    )


def _matrix(blobs: Sequence[bytes]) -> Vectors:
    values = np.frombuffer(b"".join(blobs), dtype=np.float32)
    return values.reshape(len(blobs), values.size // max(len(blobs), 1))
