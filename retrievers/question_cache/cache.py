"""The question cache: passages that answered a question are used again for similar questions.

An item is a question and one passage that was kept for it. A new question is compared with both at once: with the sum
of the cached question's vector, counted twice, and the vector of the passage's title and text. When enough items are
similar enough, their passages are used and nothing is retrieved.

Encoding a question is most of the cost of a search, so its words are compared first (``wording.py``). If they are
the words of a cached question, the vector of that question is used. The new question is encoded only if they are not,
or if they lead to too few items. An item whose question has another word that changes the meaning (when, where, not)
never counts, however high its cosine is.

The words of title and text do not help to decide whether two questions are the same: all questions on one passage
share them.

Items are stored in the library (:mod:`rag.library.question_store`) and refer to its passages. When a document is
removed or replaced, its passages and their items go in the same transaction, so no item outlives its source.

Source: the Memory Knowledge Reservoir and the Retriever Trigger of Four-Module Synergy (Shi et al. 2024), whose tau
and theta are ``min_similarity`` and ``min_hits`` here. Matching on title and text, matching on words, eviction and
invalidation are ours.

Shapes: N items, B questions, D vector length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import RLock

import numpy as np

from rag.core.encoding import Vectors
from rag.core.passages import ScoredPassage
from rag.library.base import Library
from rag.library.question_store import NewItem
from retrievers.question_cache.items import Items
from retrievers.question_cache.wording import Wording, wording

_NO_ITEMS = Items.from_rows(())


@dataclass(frozen=True)
class QuestionCacheSettings:
    """When cached passages are enough for a question, and how many items are kept.

    ``min_similarity`` was chosen on even-numbered questions, so that paraphrases are recognised and other questions
    on the same subject are not. With half of squad2 in the cache, 5 % of the other half were recognised at 0.8, and
    lost 1 point of recall; at 0.86 it was 2 % and 0.2 points.

    Attributes:
        min_similarity: cosine from which an item counts.
        min_hits: number of items that must count.
        ttl_s: age at which an item expires, seconds.
        size: maximum number of items; beyond it, the least recently used are deleted.
    """

    min_similarity: float = 0.86
    min_hits: int = 3
    ttl_s: float = 7 * 24 * 3600.0
    size: int = 5000


@dataclass(frozen=True)
class _Hit:
    """Cached passages that are enough for a question, and the row ids of their items."""

    ranking: tuple[ScoredPassage, ...]
    items: tuple[int, ...]


class QuestionCache:
    """The cache of one library; safe for threads and for several processes.

    Args:
        library: holds the passages and the items.
        settings: see :class:`QuestionCacheSettings`.
        clock: seconds since some fixed point in time.
    """

    def __init__(
        self,
        library: Library,
        settings: QuestionCacheSettings = QuestionCacheSettings(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._library = library
        self._settings = settings
        self._clock = clock
        self._mutex = RLock()
        self._items = _NO_ITEMS
        self._version: Hashable = None
        self._store = library.question_store()

    def close(self) -> None:
        """Close the store; the cache cannot be used afterwards."""
        with self._mutex:
            self._store.close()

    def __len__(self) -> int:
        return len(self._store)

    def recall(
        self, questions: Sequence[str], encode: Callable[[Sequence[str]], Vectors], top_k: Sequence[int]
    ) -> list[tuple[ScoredPassage, ...] | None]:
        """The cached passages for each question; ``None`` where retrieval is needed.

        Args:
            questions: B of them.
            encode: questions to unit vectors ``[B, D]``; called only for those that their words do not decide.
            top_k: maximum number of passages of each question.

        Returns:
            Passages by the cosine of their best item, ties by passage_id.

        Raises:
            StorageError: the stored items are damaged.
        """
        # The items never change once they are read, so no other question waits for this one's encoding.
        with self._mutex:
            items = self._current_items()
        if not len(items.ids):
            return [None] * len(questions)
        wordings = [wording(question) for question in questions]
        same_vectors = [items.vector_for_words(words) for words in wordings]
        hits = [
            None if vector is None else self._look_up(items, words, vector, limit)
            for words, vector, limit in zip(wordings, same_vectors, top_k, strict=True)
        ]
        open_rows = [row for row, hit in enumerate(hits) if hit is None]
        vectors = encode([questions[row] for row in open_rows]) if open_rows else ()
        for row, vector in zip(open_rows, vectors, strict=True):
            hits[row] = self._look_up(items, wordings[row], vector, top_k[row])
        used = {item for hit in hits if hit is not None for item in hit.items}
        with self._mutex:
            self._store.touch(sorted(used), self._clock())
        return [None if hit is None else hit.ranking for hit in hits]

    def remember(self, questions: Sequence[str], vectors: Vectors, rankings: Sequence[Sequence[ScoredPassage]]) -> None:
        """Store questions, their vectors ``[B, D]`` and the passages that were kept for them.

        Passages that are no longer in the library are left out. If the library cannot be written, nothing is stored.
        """
        with self._mutex:
            now = self._clock()
            rows = self._library.rows_by_passage_id(
                [scored.passage.passage_id for ranking in rankings for scored in ranking]
            )
            self._store.add(
                [
                    NewItem(question, rows[scored.passage.passage_id][0], vector.astype(np.float32), now)
                    for question, vector, ranking in zip(questions, vectors, rankings, strict=True)
                    for scored in ranking
                    if scored.passage.passage_id in rows
                ]
            )
            self._store.trim(now - self._settings.ttl_s, self._settings.size)

    def clear(self) -> None:
        """Delete all items."""
        with self._mutex:
            self._store.clear()

    def _look_up(self, items: Items, words: Wording, vector: Vectors, top_k: int) -> _Hit | None:
        """The passages of the items that are similar to a question; ``None`` if there are too few."""
        is_valid = items.may_ask_the_same(words) & (items.created >= self._clock() - self._settings.ttl_s)
        # One question at a time: a product of matrices rounds differently in batches of other sizes.
        cosines = np.where(is_valid, items.vectors @ vector, -1.0)
        near = np.flatnonzero(cosines >= self._settings.min_similarity)
        if len(near) < self._settings.min_hits:
            return None
        scores: dict[int, float] = {}
        for item in near[np.argsort(-cosines[near], kind="stable")]:
            scores.setdefault(int(items.passages[item]), float(cosines[item]))
        passages = self._library.passages(list(scores))
        ranking = [ScoredPassage(passage, scores[row]) for row, passage in passages.items()]
        ranking.sort(key=lambda scored: (-scored.score, scored.passage.passage_id))
        return _Hit(tuple(ranking[:top_k]), tuple(items.ids[near].tolist())) if ranking else None

    def _current_items(self) -> Items:
        """All items, including what this and other processes have written since the last call."""
        version = self._store.version()
        if version != self._version:
            self._items = self._follow(self._items)
            self._version = version
        return self._items

    def _follow(self, former: Items) -> Items:
        """The items of the store now; only those that ``former`` lacks are read."""
        live = self._store.ages()
        known = zip(former.ids.tolist(), former.created.tolist(), strict=True)
        is_kept = np.array([live.get(item_id) == created for item_id, created in known], dtype=np.bool_)
        last = int(former.ids[is_kept].max(initial=0))
        new = self._store.read(last)
        if last and is_kept.sum() + len(new) != len(live):  # another process wrote between the two reads
            return self._follow(_NO_ITEMS)
        return former.updated(Items.from_rows(new), is_kept)
