"""Memory Knowledge Reservoir and Retriever Trigger: passages that served a question serve alike questions again.

An item is a question and one passage that was kept for it. A new question is compared with both at once: with the sum
of the remembered question's vector, counted twice, and the vector of the passage's title and text. When enough items
are near enough, their passages are the answer's, and nothing is retrieved.

Encoding a question is most of what a search costs, so its words are looked at first (``wording.py``). Where
they are those of a remembered question, that one's vector stands in for the new one's; only where they are not, or
lead to too few items, is the question encoded. An item whose question turns on another little word (when, where, not)
never counts, however near it is.

The words of title and text have no say in whether two questions are the same: all questions on one passage share them.

Items live in the library's own file and refer to its passages. A removed or replaced document takes its passages with
it, and those take their items, in one transaction: what is remembered cannot outlive its source. A kill loses nothing
that was written.

Source: the modules of Four-Module Synergy (Shi et al. 2024), with its tau and theta; matching on title and text, on
words, eviction and invalidation ours.

Shapes: N items, B questions, D vector length.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import RLock

import numpy as np

from rag.core.errors import StorageError
from rag.core.passages import ScoredPassage
from rag.library.sqlite.library import SqliteLibrary
from retrievers.question_cache.items import Items, Vectors
from retrievers.question_cache.wording import Wording, wording

# A question does not wait long for its memory: what cannot be written now is left out.
_BUSY_TIMEOUT_S = 0.5
_STALE = -1
_NOTHING = Items.of(())
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
# A vector that was cut short is compared with nothing.
_LIVE = (
    "reservoir r JOIN passages p ON p.id = r.passage AND length(p.vector) = length(r.vector)"
    " JOIN documents d ON d.id = p.document AND d.is_live"
)


@dataclass(frozen=True)
class QuestionCacheSettings:
    """When memory is enough, and how much of it is kept.

    Tau was chosen on even-numbered questions, so that paraphrases are known again and other questions on the same
    subject are not. With half of squad2 remembered, 5 % of the other half were at a tau of 0.8, and lost 1 point of
    recall; at 0.86 they are 2 % and 0.2 points.

    Attributes:
        tau: cosine from which an item counts.
        theta: so many items that count are enough.
        ttl_s: age at which an item is forgotten, seconds.
        size: most items; beyond, those unused for longest go.
    """

    tau: float = 0.86
    theta: int = 3
    ttl_s: float = 7 * 24 * 3600.0
    size: int = 5000


@dataclass(frozen=True)
class _Recalled:
    """Passages that are enough for a question, and the row ids of the items that brought them."""

    ranking: tuple[ScoredPassage, ...]
    items: tuple[int, ...]


class QuestionCache:
    """The memory of one library; safe for threads and for several processes.

    Args:
        library: whose passages are remembered.
        settings: see :class:`QuestionCacheSettings`.
        clock: seconds since some fixed point in time.
    """

    def __init__(
        self,
        library: SqliteLibrary,
        settings: QuestionCacheSettings = QuestionCacheSettings(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._library = library
        self._settings = settings
        self._clock = clock
        self._mutex = RLock()
        self._items = _NOTHING
        self._version = _STALE
        self._db = _connect(library)

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        with self._mutex:
            self._db.close()

    def __len__(self) -> int:
        with self._mutex, _damage_named(self._library):
            return int(self._db.execute(f"SELECT count(*) FROM {_LIVE}").fetchone()[0])

    def recall(
        self, questions: Sequence[str], encode: Callable[[Sequence[str]], Vectors], top_k: Sequence[int]
    ) -> list[tuple[ScoredPassage, ...] | None]:
        """For each question the remembered passages that are enough for it; ``None`` where it must be retrieved.

        Args:
            questions: B of them.
            encode: questions to unit vectors ``[B, D]``; asked only for those that words do not settle.
            top_k: most passages, for each question.

        Returns:
            Passages by the cosine of their best item, ties by passage_id.

        Raises:
            StorageError: what was remembered is damaged.
        """
        with self._mutex, _damage_named(self._library):
            items = self._current_items()
            if not len(items.ids):
                return [None] * len(questions)
            wordings = [wording(question) for question in questions]
            stand_ins = [items.said_in(words) for words in wordings]
            found = [
                None if vector is None else self._enough(items, words, vector, most)
                for words, vector, most in zip(wordings, stand_ins, top_k, strict=True)
            ]
            open_rows = [row for row, some in enumerate(found) if some is None]
            vectors = encode([questions[row] for row in open_rows]) if open_rows else ()
            for row, vector in zip(open_rows, vectors, strict=True):
                found[row] = self._enough(items, wordings[row], vector, top_k[row])
            used = {item for some in found if some is not None for item in some.items}
            self._write("UPDATE reservoir SET used_at = ? WHERE id = ?", [(self._clock(), i) for i in sorted(used)])
            return [None if some is None else some.ranking for some in found]

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
            self._version = _STALE

    def clear(self) -> None:
        """Forget everything."""
        with self._mutex:
            self._write("DELETE FROM reservoir", [()])
            self._items, self._version = _NOTHING, _STALE

    def _enough(self, items: Items, words: Wording, vector: Vectors, top_k: int) -> _Recalled | None:
        """What is near enough to a question, if that is enough."""
        is_fit = items.turning_as(words) & (items.created >= self._clock() - self._settings.ttl_s)
        # By itself: a matrix product would round a question differently in another batch.
        cosines = np.where(is_fit, items.vectors @ vector, -1.0)
        near = np.flatnonzero(cosines >= self._settings.tau)
        if len(near) < self._settings.theta:
            return None
        scores: dict[int, float] = {}
        for item in near[np.argsort(-cosines[near], kind="stable")]:
            scores.setdefault(int(items.passages[item]), float(cosines[item]))
        passages = self._library.passages(list(scores))
        ranking = [ScoredPassage(passage, scores[row]) for row, passage in passages.items()]
        ranking.sort(key=lambda scored: (-scored.score, scored.passage.passage_id))
        return _Recalled(tuple(ranking[:top_k]), tuple(items.ids[near].tolist())) if ranking else None

    def _current_items(self) -> Items:
        """All items; followed when something was written to the file, by the library or another process too."""
        version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        if version != self._version:
            self._items = self._follow(self._items)
            self._version = version
        return self._items

    def _follow(self, former: Items) -> Items:
        """The items of the table as it is, of which only those that ``former`` lacks are read."""
        live = dict(self._db.execute(f"SELECT r.id, r.created_at FROM {_LIVE}").fetchall())
        known = zip(former.ids.tolist(), former.created.tolist(), strict=True)
        is_kept = np.array([live.get(row_id) == created for row_id, created in known], dtype=np.bool_)
        last = int(former.ids[is_kept].max(initial=0))
        columns = "r.id, r.passage, r.created_at, r.question, r.vector, p.vector"
        rows = self._db.execute(f"SELECT {columns} FROM {_LIVE} WHERE r.id > ? ORDER BY r.id", (last,)).fetchall()
        if last and is_kept.sum() + len(rows) != len(live):  # another process wrote between the two reads
            return self._follow(_NOTHING)
        return former.followed_by(Items.of(rows), is_kept)

    def _write(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        # Memory only saves time: on a full, locked or read-only disk questions are answered without it. A passage
        # that went between the two statements breaks the reference: its items are not wanted either.
        lost = (sqlite3.OperationalError, sqlite3.IntegrityError)
        with _damage_named(self._library), suppress(*lost), self._db:
            if rows:
                self._db.executemany(sql, rows)


def _connect(library: SqliteLibrary) -> sqlite3.Connection:
    with _damage_named(library):
        db = sqlite3.connect(library.file, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        db.execute("PRAGMA foreign_keys = ON")
        # A kill loses nothing either way; a power cut may lose the last items, which costs time only.
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_SCHEMA)
        return db


@contextmanager
def _damage_named(library: SqliteLibrary) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        advice = f"ask with memory off, and see: concord doctor {library.folder}"
        raise StorageError(f"cannot keep a memory in {library.file}: {error}; {advice}") from error
