"""The items of the question cache as arrays. Only rows that were added or deleted are read again.

Shapes: N items, D vector length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.core.encoding import Vectors
from rag.library.question_store import StoredItem
from retrievers.question_cache.wording import Wording, wording

# Chosen together with min_similarity (cache.py): the question says more about what is asked than the passage.
_QUESTION_WEIGHT = 2.0


@dataclass(frozen=True)
class Items:
    """Questions and passages in the cache.

    Attributes:
        ids, passages: row ids of the items and their passages, ``[N]``.
        created: ``[N]``, seconds.
        questions: N of them; they may repeat.
        wordings: by question, each once, in the order of first occurrence.
        question_vectors: ``[N, D]``, unit vectors of the questions.
        vectors: ``[N, D]``, unit vectors of question and passage together.
    """

    ids: NDArray[np.int64]
    passages: NDArray[np.int64]
    created: NDArray[np.float64]
    questions: tuple[str, ...]
    wordings: dict[str, Wording]
    question_vectors: Vectors
    vectors: Vectors

    @classmethod
    def from_rows(cls, rows: Sequence[StoredItem]) -> Items:
        """The items of rows of the store, in their order."""
        question_vectors = _matrix([row.vector for row in rows])
        sums = _QUESTION_WEIGHT * question_vectors + _matrix([row.passage_vector for row in rows])
        questions = tuple(row.question for row in rows)
        return cls(
            np.array([row.item_id for row in rows], dtype=np.int64),
            np.array([row.row_id for row in rows], dtype=np.int64),
            np.array([row.created_at for row in rows], dtype=np.float64),
            questions,
            {question: wording(question) for question in dict.fromkeys(questions)},
            question_vectors,
            sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12),
        )

    def updated(self, new: Items, is_kept: NDArray[np.bool_]) -> Items:
        """These items where ``is_kept`` (``[N]``) is true, then the new ones."""
        if not is_kept.any():
            return new
        if is_kept.all() and not len(new.ids):
            return self
        questions = (*(self.questions[row] for row in np.flatnonzero(is_kept)), *new.questions)
        wordings = self.wordings | new.wordings

        def joined(old: NDArray[Any], added: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([old[is_kept], added]) if len(added) else old[is_kept]

        return Items(
            joined(self.ids, new.ids),
            joined(self.passages, new.passages),
            joined(self.created, new.created),
            questions,
            {question: wordings[question] for question in dict.fromkeys(questions)},
            joined(self.question_vectors, new.question_vectors),
            joined(self.vectors, new.vectors),
        )

    def vector_for_words(self, words: Wording) -> Vectors | None:
        """``[D]``, the vector of the first question with the same words; ``None`` if there is none."""
        same = next((question for question, other in self.wordings.items() if words.has_same_words(other)), None)
        return None if same is None else self.question_vectors[self.questions.index(same)]

    def may_ask_the_same(self, words: Wording) -> NDArray[np.bool_]:
        """``[N]``, whether the item's question may ask for the same thing as these words."""
        candidates = {question for question, other in self.wordings.items() if words.may_ask_the_same(other)}
        return np.array([question in candidates for question in self.questions], dtype=np.bool_)


def _matrix(vectors: Sequence[Vectors]) -> Vectors:
    return np.stack(vectors) if vectors else np.zeros((0, 0), dtype=np.float32)
