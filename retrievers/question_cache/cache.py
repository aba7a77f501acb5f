"""Memory Knowledge Reservoir and Retriever Trigger: passages that served a question serve alike questions again.

An item is a question and one passage that was kept for it. A new question is compared with both at once: with the sum
of the remembered question's vector, counted twice, and the vector of the passage's title and text. When enough items
are near enough, their passages are the answer's, and nothing is retrieved.

Encoding a question is most of what a search costs, so its words are looked at first (``wording.py``). Where
they are those of a remembered question, that one's vector stands in for the new one's; only where they are not, or
lead to too few items, is the question encoded. An item whose question turns on another little word (when, where, not)
never counts, however near it is.

The words of title and text have no say in whether two questions are the same: all questions on one passage share them.

Items are kept in the library (:mod:`rag.library.question_store`) and refer to its passages. A removed or replaced
document takes its passages with it, and those take their items, in one transaction: no item outlives its source.

Source: the modules of Four-Module Synergy (Shi et al. 2024), with its tau and theta; matching on title and text, on
words, eviction and invalidation ours.

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

_NOTHING = Items.of(())


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
        library: Library,
        settings: QuestionCacheSettings = QuestionCacheSettings(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._library = library
        self._settings = settings
        self._clock = clock
        self._mutex = RLock()
        self._items = _NOTHING
        self._version: Hashable = None
        self._store = library.question_store()

    def close(self) -> None:
        """Close the store; the object is of no use afterwards."""
        with self._mutex:
            self._store.close()

    def __len__(self) -> int:
        return len(self._store)

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
        with self._mutex:
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
            self._store.touch(sorted(used), self._clock())
            return [None if some is None else some.ranking for some in found]

    def remember(self, questions: Sequence[str], vectors: Vectors, kept: Sequence[Sequence[ScoredPassage]]) -> None:
        """Keep what served: questions, their vectors ``[B, D]`` and their passages.

        Passages that the library has lost are left out. Where the library cannot be written, nothing is kept.
        """
        with self._mutex:
            now = self._clock()
            rows = self._library.rows_by_passage_id([scored.passage.passage_id for some in kept for scored in some])
            self._store.add(
                [
                    NewItem(question, rows[scored.passage.passage_id][0], vector.astype(np.float32), now)
                    for question, vector, some in zip(questions, vectors, kept, strict=True)
                    for scored in some
                    if scored.passage.passage_id in rows
                ]
            )
            self._store.trim(now - self._settings.ttl_s, self._settings.size)

    def clear(self) -> None:
        """Forget everything."""
        with self._mutex:
            self._store.clear()

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
        """All items, brought up to date with what this process and others have written."""
        version = self._store.version()
        if version != self._version:
            self._items = self._follow(self._items)
            self._version = version
        return self._items

    def _follow(self, former: Items) -> Items:
        """The items of the store as it is, of which only those that ``former`` lacks are read."""
        live = self._store.ages()
        known = zip(former.ids.tolist(), former.created.tolist(), strict=True)
        is_kept = np.array([live.get(item_id) == created for item_id, created in known], dtype=np.bool_)
        last = int(former.ids[is_kept].max(initial=0))
        new = self._store.read(last)
        if last and is_kept.sum() + len(new) != len(live):  # another process wrote between the two reads
            return self._follow(_NOTHING)
        return former.followed_by(Items.of(new), is_kept)
